"""Estimates of several models as one: a random-effects summary with an interval that holds for few models.

The variance between models is that of restricted maximum likelihood. The interval is Hartung and Knapp's (2001, t with
n - 1 degrees of freedom), never narrower than the one with a known variance (Jackson et al. 2017): for a handful of
models the ordinary interval covers far too rarely. The prediction interval, for one more model of the kind, is that of
Higgins et al. (2009), with n - 2 degrees of freedom.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, norm

from triphase.core.types import Section
from triphase.stats.intervals import LEVEL, half_width

FEWEST_RUNS = 5  # independent runs, below which nothing is tested: with four, no sign test gets below p = 0.125
MOST_FLIPS = 12  # runs whose sign changes are all gone through; above it they are sampled
SAMPLED_FLIPS = 9999


def random_effects(estimates: Sequence[float], errors: Sequence[float]) -> Section:
    """Summary of independent estimates with known standard errors.

    Parameters
    ----------
    estimates, errors : array (n,), finite; errors > 0

    Returns
    -------
    dict with n, mean, interval (95 %), tau (standard deviation between models), i2 (share of the variance that is
    between models), p_heterogeneity (Cochran's Q), prediction (95 %); None where n does not suffice
    """
    y, v = np.asarray(estimates, float), np.asarray(errors, float) ** 2
    n = len(y)
    empty = dict.fromkeys(("mean", "interval", "tau", "i2", "p_heterogeneity", "prediction"))
    if n < 2:
        return {"n": n, **empty, "mean": float(y[0]) if n else None}
    fixed = 1 / v
    q = (fixed * (y - fixed @ y / fixed.sum()) ** 2).sum()
    tau2 = between_variance(y, v)
    weights = 1 / (v + tau2)
    mean, known = weights @ y / weights.sum(), 1 / weights.sum()
    error2 = max((weights * (y - mean) ** 2).sum() / (n - 1), 1) * known
    half = half_width(np.sqrt(error2), n - 1)
    typical = (n - 1) * fixed.sum() / (fixed.sum() ** 2 - (fixed**2).sum())
    ahead = half_width(np.sqrt(tau2 + error2), n - 2) if n > 2 else None
    return {
        "n": n,
        "mean": float(mean),
        "interval": [float(mean - half), float(mean + half)],
        "tau": float(np.sqrt(tau2)),
        "i2": float(tau2 / (tau2 + typical)),
        "p_heterogeneity": float(chi2.sf(q, n - 1)),
        "prediction": None if ahead is None else [float(mean - ahead), float(mean + ahead)],
    }


def between_variance(y: np.ndarray, v: np.ndarray) -> float:
    """Variance between models by restricted maximum likelihood (Viechtbauer 2005), at least 0."""

    def deviance(tau2):
        weights = 1 / (v + tau2)
        mean = weights @ y / weights.sum()
        return np.log(v + tau2).sum() + np.log(weights.sum()) + (weights * (y - mean) ** 2).sum()

    top = 4 * y.var(ddof=1) + 4 * v.max()
    found = minimize_scalar(deviance, bounds=(0, top), method="bounded", options={"xatol": 1e-10 * top})
    return float(found.x) if deviance(found.x) < deviance(0) else 0.0


def interval_error(low: float, high: float, level: float = LEVEL) -> float:
    """Standard error that a symmetric normal interval of this width stands for."""
    return (high - low) / (2 * norm.ppf((1 + level) / 2))


def sign_flips(values: np.ndarray, rng: np.random.Generator) -> float | None:
    """Two-sided p of a mean off zero over independent runs, by changing the sign of every run; None below five runs.

    All 2^n changes up to `MOST_FLIPS` runs, else a sample; p counts the observed signs as one of them.
    """
    values = np.asarray(values, float)
    n = len(values)
    if n < FEWEST_RUNS:
        return None
    observed = abs(values.mean()) * (1 - 1e-12)
    if n <= MOST_FLIPS:
        signs = np.array(list(product((1, -1), repeat=n)))
        return float((np.abs(signs @ values / n) >= observed).mean())
    signs = rng.choice((1, -1), size=(SAMPLED_FLIPS, n))
    return float(((np.abs(signs @ values / n) >= observed).sum() + 1) / (SAMPLED_FLIPS + 1))
