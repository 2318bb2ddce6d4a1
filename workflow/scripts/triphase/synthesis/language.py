"""What differs by the share of the stimuli's language that a model saw: an interaction of models and studies.

Models differ, and so do studies. Beyond both, a size or a place may follow the share of the language that was heard in
what a model was trained on: value = model + study + interaction x share. It takes two models with different shares in
two studies, and one value more than there are parameters. The errors of one study's models are those of their paired
draws, which hold what they share.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm
from scipy.stats import t as student

from triphase.core.types import Section
from triphase.stats.intervals import LEVEL, half_width
from triphase.synthesis.courses import Quantity

Place = tuple[str, str]  # model, study
QUANTILES = 500  # of the scatter that a power is taken over


@dataclass(frozen=True)
class Regression:
    """Generalised least squares of values on models, studies and shares: the interaction, its error, its freedom.

    `least` is the error that follows from the values' own errors; `error` is larger where they scatter more than that.
    """

    slope: float
    error: float
    least: float
    freedom: int


def interaction(found: Mapping[Place, Quantity], shares: Mapping[Place, float], smallest: float) -> Section:
    """The interaction of one quantity.

    Parameters
    ----------
    found : dict of (model, study) to Quantity
    shares : dict of (model, study) to the share of the study's language in the model's training data, where it is known
    smallest : float, the interaction that should be found, in the quantity's unit from share 0 to share 1

    Returns
    -------
    dict with n, slope (from share 0 to share 1), interval (95 %), p, power (for `smallest`), reason (None, or why there
    is no interaction to speak of)
    """
    places = [place for place in found if shares.get(place) is not None]
    nothing = dict.fromkeys(("slope", "interval", "p", "power")) | {"n": len(places), "smallest": smallest}
    fit = fitted(places, found, shares)
    if isinstance(fit, str):
        return nothing | {"reason": fit}
    half = float(half_width(fit.error, fit.freedom))
    return {
        "n": len(places),
        "smallest": smallest,
        "slope": fit.slope,
        "interval": [fit.slope - half, fit.slope + half],
        "p": float(2 * student.sf(abs(fit.slope) / fit.error, fit.freedom)),
        "power": power(smallest, fit),
        "reason": None,
    }


def fitted(places: list[Place], found: Mapping[Place, Quantity], shares: Mapping[Place, float]) -> Regression | str:
    """The regression of what is known, or why there is none."""
    models, studies = ([*dict.fromkeys(names)] for names in zip(*places, strict=True)) if places else ([], [])
    if len(models) < 2 or len(studies) < 2:
        return f"it takes two models in two studies, with their shares: {len(models)} and {len(studies)} have them"
    columns = [[float(model == name) for name in models] for model, _ in places]
    columns = [
        row + [float(study == name) for name in studies[1:]] for row, (_, study) in zip(columns, places, strict=True)
    ]
    share = np.array([shares[place] for place in places])
    base = np.array(columns)
    beyond = share - base @ np.linalg.lstsq(base, share, rcond=None)[0]
    if np.abs(beyond).max() < 1e-6:
        return "the shares of the models differ alike in all studies: nothing is an interaction"
    design = np.column_stack([base, share])
    freedom = len(places) - int(np.linalg.matrix_rank(design))
    if freedom < 1:
        return f"{len(places)} values for {design.shape[1]} parameters: one model or one study more is needed"
    values, covariance = np.array([found[place].value for place in places]), covariance_of(places, found)
    white = np.linalg.inv(np.linalg.cholesky(covariance))
    inverse = np.linalg.pinv((white @ design).T @ (white @ design))
    coefficients = inverse @ (white @ design).T @ (white @ values)
    rest = ((white @ (values - design @ coefficients)) ** 2).sum() / freedom
    # Never narrower than the errors alone would have it, as in Hartung and Knapp's interval of a mean.
    least = float(np.sqrt(inverse[-1, -1]))
    return Regression(float(coefficients[-1]), least * float(np.sqrt(max(rest, 1.0))), least, freedom)


def covariance_of(places: list[Place], found: Mapping[Place, Quantity]) -> np.ndarray:
    """Covariance of values: errors, with the correlations of the paired draws within a study."""
    errors = np.array([found[place].error for place in places])
    correlation = np.eye(len(places))
    for i, (_, study) in enumerate(places):
        for j in range(i):
            if places[j][1] == study:
                first, second = found[places[i]].draws, found[places[j]].draws
                number = min(len(first), len(second))
                if np.ptp(first[:number]) and np.ptp(second[:number]):
                    correlation[i, j] = correlation[j, i] = np.corrcoef(first[:number], second[:number])[0, 1]
    # A hair of independent error keeps it positive definite where two models' draws are all but the same.
    return np.outer(errors, errors) * (0.99 * correlation + 0.01 * np.eye(len(places)))


def power(size: float, fit: Regression) -> float:
    """Probability that an interaction of a size is told from none, two-sided at 5 %, with the error that was found.

    Over what the scatter of another such synthesis may be, whose error is never taken to be below `least`.
    """
    scatter = np.sqrt(chi2.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES, fit.freedom) / fit.freedom)
    limit = student.ppf((1 + LEVEL) / 2, fit.freedom) * np.maximum(scatter, fit.least / fit.error)
    shift = abs(size) / fit.error
    return float((norm.sf(limit - shift) + norm.cdf(-limit - shift)).mean())
