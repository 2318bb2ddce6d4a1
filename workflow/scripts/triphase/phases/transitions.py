"""One curve over log tokens: its legs, its pattern, intervals of its breakpoints, and the test of three transitions.

The definitions are this project's own. A *leg* is a segment of the chosen fit whose change has an interval off zero and
is large enough beside the curve's range; a *triple* is a sequence of legs that contains rise, fall, rise. Every curve
without a triple belongs to exactly one rival. A rival is rejected when the BIC margin of the best triple over it is
larger than almost all margins of curves simulated under the rival's own best fit (parametric bootstrap), checkpoint
deviations drawn independently and again with a correlation of 0.5 between neighbours: the worse of the two counts.
"""

import zlib
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from triphase.core.artefacts import finite_or_none
from triphase.core.types import Section
from triphase.phases.covariance import Noise
from triphase.phases.piecewise import Bank, Fit, Signs, allowed_breakpoints, tau_ladder

CLASSES = ("triple", "flat", "one rise", "rise-plateau", "rise-fall", "rise-fall-plateau", "fall-rise", "other")
WORDS = {1: "rise", -1: "fall", 0: "plateau"}
SYMBOLS = {1: "+", -1: "−"}
CLEAR = 1e-3  # tail probability beyond which no more simulations are needed to compare a power with the needed one
NEIGHBOUR_CORRELATIONS = (0.0, 0.5)
LARGER = 20  # simulated margins beyond the observed one after which a rival is not rejected


@dataclass(frozen=True)
class Settings:
    """How curves are judged.

    What the config's section `phases` says: smallest_fall : detachment that must be detectable, as a share of the first
    rise; draws : of the bootstrap of intervals; simulations : replicates under each rival, and of its power;
    floor_tokens : up to here a task's scores are its floor.

    What is the same in every study [ours]: confidence : interval of a leg's change; smallest_leg : share of the curve's
    range below which a segment is flat; significance : of the test against each rival; needed_power : for the verdict
    "not supported"; max_breakpoints : of a fit, of which a triple with two plateaus needs four.
    """

    smallest_fall: float = 0.2
    draws: int = 1000
    simulations: int = 200
    floor_tokens: float = 0.0
    confidence: float = 0.99
    smallest_leg: float = 0.1
    significance: float = 0.05
    needed_power: float = 0.8
    max_breakpoints: int = 4


def merged(signs: Iterable[int]) -> tuple[int, ...]:
    """Signs with equal neighbours merged."""
    return tuple(sign for sign, _ in groupby(signs))


def legs(signs: Signs) -> tuple[int, ...]:
    """The sequence of rises and falls: plateaus dropped, equal neighbours merged."""
    return merged(sign for sign in signs if sign)


def pattern(signs: Signs) -> str:
    """A pattern in words: "flat", "rise-plateau", "rise-fall-rise"."""
    return "-".join(WORDS[sign] for sign in merged(signs)) if any(signs) else "flat"


def is_triple(signs: Signs) -> bool:
    """Whether the legs contain rise, fall, rise."""
    sequence = legs(signs)
    return any(sequence[i : i + 3] == (1, -1, 1) for i in range(len(sequence) - 2))


def class_of(signs: Signs) -> int:
    """Index into CLASSES of a curve with these signs of its segments."""
    if is_triple(signs):
        return 0
    name = {(): "flat", (1,): "one rise", (1, -1): "rise-fall", (-1, 1): "fall-rise"}.get(legs(signs), "other")
    if signs[-1] == 0 and name in ("one rise", "rise-fall"):
        name = {"one rise": "rise-plateau", "rise-fall": "rise-fall-plateau"}[name]
    return CLASSES.index(name)


def side(signs: Signs) -> int:
    """0 for a triple, 1 for everything else."""
    return int(not is_triple(signs))


def segment_signs(fit: Fit, settings: Settings) -> tuple[int, ...]:
    """Sign of each segment of a fit: 0 where its interval meets zero or its change is too small beside the range."""
    span, far = np.ptp(fit.fitted), fit.factor(settings.confidence)
    large = (np.abs(fit.changes) > far * fit.change_errors) & (np.abs(fit.changes) > settings.smallest_leg * span)
    return tuple(int(sign) for sign in np.where(large, np.sign(fit.changes), 0))


class Curve:
    """One curve on its grid, fitted by every shape.

    Parameters
    ----------
    t : array (n,)
        log10 tokens, increasing, without step 0.
    values : array (n,)
    noise : triphase.phases.covariance.Noise
        Of the sampling; zeros where it is unknown (the fit's residuals then carry all the noise).
    settings : Settings
    floor : int
        Checkpoints at the start that share one level by definition, as the floor of a task; 0 for none.
    """

    def __init__(self, t: np.ndarray, values: np.ndarray, noise: Noise, settings: Settings, floor: int = 0) -> None:
        self.settings, self.values = settings, np.asarray(values, float)
        self.most = allowed_breakpoints(len(t), settings.max_breakpoints)
        ladder = tau_ladder(noise.covariance, self.values)
        self.bank = Bank(t, noise.covariance, ladder, self.most, floor=floor, freedom=noise.freedom)
        bic, best = self.bank.search(self.values[:, None], class_of, len(CLASSES))
        self.choose(bic[:, 0], best[:, 0])

    @classmethod
    def several(cls, t: np.ndarray, series: np.ndarray, noise: Noise, settings: Settings) -> list["Curve"]:
        """Curves with one noise, (n, curves), fitted together: one ladder, that of their median spread."""
        spread = np.argsort(series.std(axis=0))[series.shape[1] // 2]
        first = cls(t, series[:, spread], noise, settings)
        bic, best = first.bank.search(series, class_of, len(CLASSES))
        curves = []
        for column, values in enumerate(series.T):
            curve = copy(first)
            curve.values = values
            curve.choose(bic[:, column], best[:, column])
            curves.append(curve)
        return curves

    def choose(self, bic: np.ndarray, best: np.ndarray) -> None:
        """Take the best curve of all classes."""
        self.class_bic, self.class_best = bic, best
        self.fit = self.best_of(int(np.argmin(bic)))
        self.signs = segment_signs(self.fit, self.settings)

    def best_of(self, number: int) -> Fit:
        """The best fit of one class."""
        return self.bank.estimate(self.values, self.bank.shapes[self.class_best[number]])

    def bic(self) -> dict[str, float | None]:
        """BIC of the best curve of each class and of each number of breakpoints; None where there is none."""
        by_number, _ = self.bank.search(self.values[:, None], lambda signs: len(signs) - 1, self.most + 1)
        names = [*CLASSES, *(f"{k} breakpoints" for k in range(self.most + 1))]
        scores = np.r_[self.class_bic, by_number[:, 0]]
        return {name: finite_or_none(score) for name, score in zip(names, scores, strict=True)}

    def simulate(
        self, mean: np.ndarray, number: int, tau: float, rng: np.random.Generator, correlation: float = 0.0
    ) -> np.ndarray:
        """Curves around `mean`, (n,) or (n, number): sampling noise plus deviations of single checkpoints.

        How large the sampling noise is, is known with the covariance's degrees of freedom only: each curve has its own.
        """
        n = len(self.values)
        deviations = ar1_factor(n, correlation) @ rng.standard_normal((n, number)) * tau
        sampled = square_root(self.bank.sampling) @ rng.standard_normal((n, number))
        sampled = sampled * unsure_scale(self.bank.freedom, number, rng)
        return mean.reshape(n, -1) + sampled + deviations

    def bearable_tau(self, correlation: float) -> float:
        """The largest deviation of single checkpoints that the best fit of all bears.

        A grid tells little about the size of these deviations, and a test that takes them too small finds triples in
        noise: hence the upper end of an interval (in the spirit of Berger and Boos 1994, "P values maximized over a
        confidence set for the nuisance parameter", JASA 89). A wrong rival's fit would count its misfit as noise.
        """
        factor = ar1_factor(len(self.values), correlation)
        return self.bank.largest_tau(self.values, self.fit.shape, factor @ factor.T)

    def refit(self, draws: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The chosen form refitted to resampled curves: breakpoints (grid index) and slopes, (draws, each).

        A resampled curve is the fit, plus a draw's deviation from the mean of the draws, as wide as Student's t, plus
        checkpoint deviations of the largest size that the fit bears.
        Slopes so refitted vary with the places of the breakpoints too, which the fit's own covariance takes as given.
        """
        shape = self.fit.shape
        deviations = (draws - draws.mean(axis=0)).T
        deviations = deviations * unsure_scale(self.bank.freedom, len(draws), rng)
        series = self.fit.fitted[:, None] + deviations + rng.standard_normal(deviations.shape) * self.fit.tau_upper
        _, best = self.bank.search(series, lambda signs: 0 if tuple(map(bool, signs)) == shape.free else -1, 1)
        knots = np.array([self.bank.shapes[i].knots for i in best[0]], int).reshape(len(draws), len(shape.knots))
        slopes = np.zeros((len(draws), len(shape.free)))
        slopes[:, list(shape.free)] = self.bank.slopes(series, best[0], self.fit.tau)
        return knots, slopes

    def refit_breakpoints(self, draws: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Breakpoints (grid index) of the chosen form refitted to resampled curves, (draws, breakpoints)."""
        return self.refit(draws, rng)[0]


def unsure_scale(freedom: float, number: int, rng: np.random.Generator) -> np.ndarray:
    """Factors (number,) that make normal deviations those of Student's t; 1 where the freedom is infinite."""
    return np.sqrt(freedom / rng.chisquare(freedom, number)) if np.isfinite(freedom) else np.ones(number)


def square_root(covariance: np.ndarray) -> np.ndarray:
    """A matrix square root of a covariance that may lack full rank."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None))


def ar1_factor(n: int, correlation: float) -> np.ndarray:
    """Cholesky factor of the correlation matrix of a first-order autoregression."""
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return np.linalg.cholesky(np.where(lag, correlation ** np.maximum(lag, 1), 1.0))


def grid_interval(t: np.ndarray, indices: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Interval of a breakpoint in log10 tokens from refitted grid indices.

    The grid locates a breakpoint no finer than its own steps: what lies between two grid points may be fitted at either
    of them. So the interval reaches one step further on either side.
    """
    low, high = np.quantile(indices, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf").astype(int)
    return float(t[low - 1]), float(t[high + 1])


def margin(bic: np.ndarray) -> np.ndarray:
    """BIC of the best curve without a triple minus BIC of the best triple, per column of `bic` (triple, rest)."""
    triple, rest = bic
    return np.where(np.isfinite(triple), rest - np.where(np.isfinite(triple), triple, 0), -np.inf)


def margins(curve: Curve, rng: np.random.Generator) -> dict[str, Section]:
    """Test of the best triple against every rival; for a curve that is no triple, against its nearest rival only.

    The statistic is the margin over the best of all rivals, whichever rival is the truth: rivals border on each other
    (a rise then a faint fall, a rise then a plateau), and a margin over one of them alone jumps where noise pushes its
    best curve over the border.

    Returns
    -------
    dict of dict
        Per rival: `margin` (BIC of this rival minus BIC of the best triple), `threshold` (what 95 % of the margins of
        curves simulated under the rival stay below), `p`. Empty where the grid bears no triple.
    """
    results: dict[str, Section] = {}
    if curve.most < 2:
        return results
    observed = margin(np.array([curve.class_bic[:1], curve.class_bic[1:].min(keepdims=True)]))[0]
    nearest = [number for number in np.argsort(curve.class_bic) if number and np.isfinite(curve.class_bic[number])]
    for number in nearest if is_triple(curve.signs) else nearest[:1]:
        rival = curve.best_of(number)
        tests = [simulated_margins(curve, rival.fitted, observed, rng, rho) for rho in NEIGHBOUR_CORRELATIONS]
        difference = curve.class_bic[number] - curve.class_bic[0] if np.isfinite(observed) else -np.inf
        results[CLASSES[number]] = {
            "margin": float(difference),
            "threshold": max(float(threshold(simulated, curve.settings)) for simulated in tests),
            "p": max(float(((simulated >= observed).sum() + 1) / (len(simulated) + 1)) for simulated in tests),
        }
    return results


def simulated_margins(
    curve: Curve, mean: np.ndarray, observed: float, rng: np.random.Generator, correlation: float
) -> np.ndarray:
    """Margins of curves simulated under a rival, as many as are needed to tell whether it is rejected.

    Simulation stops early where the answer is clear (Besag and Clifford 1991, "Sequential Monte Carlo p-values",
    Biometrika 78): after LARGER margins as large as the observed one, and where none is among half of all. A curve that
    is no triple needs the threshold, and all draws.
    """
    total, found = curve.settings.simulations, np.empty(0)
    triple, tau = is_triple(curve.signs), curve.bearable_tau(correlation)
    # The threshold of all is their rank-th largest, no lower than that of those drawn so far: below it (and below what
    # was observed) margins need not be exact.
    rank = total - int(np.ceil((1 - curve.settings.significance) * (total - 1)))
    while len(found) < total:
        number = min(max(total // 4, 1), total - len(found))
        series = curve.simulate(mean, number, tau, rng, correlation)
        low = min(observed, np.sort(found)[-rank]) if len(found) >= rank else -np.inf
        found = np.r_[found, margin(curve.bank.search(series, side, 2, (low, np.inf))[0])]
        larger = (found >= observed).sum()
        if triple and (larger >= LARGER or (not larger and len(found) >= total // 2)):
            break
    return found


def threshold(simulated: np.ndarray, settings: Settings) -> float:
    """What a margin must exceed to be significant."""
    return float(np.quantile(simulated, 1 - settings.significance, method="higher"))


def first_rise(fit: Fit, signs: Signs) -> tuple[float | None, float | None]:
    """Size of the first rise and grid index of its end; (None, None) where there is none.

    As everywhere, rises that only plateaus lie between are one leg.
    """
    edges = [*fit.shape.knots, len(fit.fitted) - 1]
    falls = [i for i, sign in enumerate(signs) if sign < 0]
    rising = [i for i, sign in enumerate(signs) if sign > 0]
    if not rising:
        return None, None
    until = next((i for i in falls if i > rising[0]), len(signs))
    leg = [i for i in rising if i < until]
    return float(fit.changes[leg].sum()), edges[leg[-1]]


class Power(NamedTuple):
    """A share of simulated curves, and how many were simulated."""

    share: float
    number: int


class Evidence:
    """What is known of a triple in one curve: tests of the rivals, and the power for a fall of any size.

    All numbers follow from the curve alone, whoever asks: the verdict, the table of power and the table of analyses say
    the same of the same curve under the same settings.
    """

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self.tests = margins(curve, self.generator(0))

    def generator(self, size: float) -> np.random.Generator:
        """Seeded by the curve's values and a size."""
        return np.random.default_rng(zlib.crc32(np.r_[size, self.curve.values].tobytes()))

    def power(self, fall: float | None = None) -> Power | None:
        """See `power`, of the declared fall or of another; None where there is no first rise."""
        declared = fall is None or fall == self.curve.settings.smallest_fall
        size = self.curve.settings.smallest_fall if fall is None else fall
        return power(self.curve, self.tests, self.generator(size), None if declared else size)


def power(
    curve: Curve, tests: Mapping[str, Section], rng: np.random.Generator, fall: float | None = None
) -> Power | None:
    """Share of curves simulated with a detachment in which a triple would be supported.

    The planted curve makes the first rise of the chosen fit, falls by the share `fall` of it (`smallest_fall` where not
    given), and regains the fall by the end. Where the detachment would lie is unknown: the replicates go round all
    admissible places at or after the end of the first rise (all places, where none is left). None where there is no
    rise or the grid bears no triple. For the declared fall, simulation stops early where it is clear whether the power
    that is needed is reached.
    """
    settings, bank = curve.settings, curve.bank
    size, end = first_rise(curve.fit, curve.signs)
    if size is None or end is None or not tests:
        return None
    size_of_fall, needed = settings.smallest_fall if fall is None else fall, settings.needed_power
    # On a floor all shapes begin with a plateau, and so does the planted curve.
    floored = not any(shape.free[0] for shape in bank.shapes)
    places = [shape.knots for shape in bank.shapes if shape.free == (False,) * floored + (True,) * 3]
    places = [knots for knots in places if knots[floored] >= end] or places
    if not places:
        return None
    course = [0] * floored + [0, size, (1 - size_of_fall) * size, size]
    planted = [np.interp(bank.t, bank.t[[0, *knots, -1]], course) for knots in places]
    total, tried, found = settings.simulations, 0, 0
    limit = max(0, *(test["threshold"] for test in tests.values()))
    while tried < total:
        number = min(max(total // 4, 1), total - tried)
        means = curve.fit.fitted.min() + np.array(planted)[np.arange(tried, tried + number) % len(places)].T
        series = curve.simulate(means, number, curve.fit.tau, rng)
        bic, best = bank.search(series, side, 2, (limit, limit))
        for column in np.flatnonzero(margin(bic) > limit):
            fit = bank.estimate(series[:, column], bank.shapes[best[0, column]])
            found += is_triple(segment_signs(fit, settings))
        tried += number
        if fall is None and min(binom.cdf(found, tried, needed), binom.sf(found - 1, tried, needed)) < CLEAR:
            break
    return Power(found / tried, tried)
