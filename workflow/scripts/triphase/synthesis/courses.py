"""The course of one model in one study, as studies can be compared: a shape, sizes and places, with their draws.

Responses of two data sets differ in how much of them can be predicted at all, so a course is compared as the change
since its first checkpoint in shares of its own first rise. Sizes of the fall and of the return are such shares too;
places are log10 tokens. Draws are those of the study: the chosen form refitted to resampled curves, so that they vary
with the places of the bends. Where the people of a study are few, their own differences widen the error of sizes: a
synthesis is about other people too. [ours]
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from triphase.phases.curves import Trajectory, average_subjects, on_shared_grid, usable
from triphase.phases.order import EVENTS, Events
from triphase.phases.people import changes_over
from triphase.phases.transitions import Settings, merged
from triphase.phases.verdict import Judged
from triphase.stats.intervals import RESAMPLED_SUBJECTS

LEGS = {"rise": 1, "fall": -1, "return": 1}  # of the triple, in their order, with their signs


@dataclass(frozen=True)
class Quantity:
    """Something of a course: its value, its standard error, and draws (draw,) that are paired over a study's models."""

    value: float
    error: float
    draws: np.ndarray


@dataclass(frozen=True)
class Course:
    """The fitted alignment of one model in one study.

    Attributes
    ----------
    t : array (n,), log10 tokens of the checkpoints after step 0
    shape : array (n,), fitted change since the first of them, in shares of the first rise; None without such a rise
    draws : array (draw, n) of the shape; None without a first rise
    quantities : dict of "rise" (r), "fall", "return" (shares of the first rise), "onset", "peak", "trough" (log10
        tokens) to Quantity; only those that the course has
    lacking : dict of the others to why
    """

    t: np.ndarray
    shape: np.ndarray | None
    draws: np.ndarray | None
    quantities: dict[str, Quantity]
    lacking: dict[str, str] = field(default_factory=dict)


def course_of(curves: Sequence[Trajectory], settings: Settings, seed: int) -> Course:
    """The course of one model, from the curves of the people of a study.

    Parameters
    ----------
    curves : list of Trajectory, one per person
    settings : transitions.Settings, those that the study was judged by
    seed : int, resamples people, and refits

    Raises
    ------
    Undetermined : the mean curve cannot be fitted
    """
    mean = average_subjects(list(curves), np.random.default_rng(seed))
    judged = Judged(mean, settings, np.random.default_rng([seed, 1]))
    # Of ten and more people the draws are resampled already.
    people = People.of(curves, judged) if 1 < len(curves) < RESAMPLED_SUBJECTS else None
    return describe(judged, people, np.random.default_rng([seed, 2]))


@dataclass(frozen=True)
class People:
    """Changes of the people of a study over the phases of their mean curve's fit, by its own weights.

    Attributes
    ----------
    changes : array (phase, person)
    draws : array (phase, person, draw), or None where there are none
    """

    changes: np.ndarray
    draws: np.ndarray | None

    @classmethod
    def of(cls, curves: Sequence[Trajectory], judged: Judged) -> "People":
        """Those of people's curves."""
        shared, _ = on_shared_grid(list(curves), "checkpoint", "subjects")
        picked, _ = usable(shared[0])
        picked = picked[shared[0].tokens[picked] > 0]
        changes = changes_over(judged, np.array([curve.values[picked] for curve in shared]).T)
        drawn = [changes_over(judged, curve.draws[picked]) for curve in shared if curve.draws is not None]
        return cls(changes, np.stack(drawn, axis=1) if len(drawn) == len(shared) else None)

    def between(self, weights: np.ndarray) -> float:
        """Variance of the mean over people of their weighted changes, (phase,), beyond what sampling makes of it.

        Each one's own sampling noise is in the draws of the mean already: what the draws say of it is taken off.
        """
        values, n = weights @ self.changes, self.changes.shape[1]
        variance = values.var(ddof=1)
        if self.draws is not None:
            sampled = np.cov(np.einsum("p,psd->sd", weights, self.draws))
            variance -= (np.trace(sampled) - (sampled.sum() - np.trace(sampled)) / (n - 1)) / n
        return max(float(variance), 0.0) / n


def describe(judged: Judged, people: People | None, rng: np.random.Generator) -> Course:
    """The course of a fit.

    Parameters
    ----------
    judged : verdict.Judged
    people : People, or None where draws hold them already
    rng : numpy.random.Generator
    """
    curve, t = judged.curve, judged.t
    signs, kinds = judged.signs, merged(judged.signs)
    lacking = {leg: f"has no {leg}" for leg in LEGS} | {event: f"has no {event}" for event in EVENTS}
    if 1 not in kinds:
        return Course(t, None, None, {}, lacking)
    draws = judged.draws
    if draws is None:
        draws = rng.multivariate_normal(curve.values, curve.bank.sampling, size=judged.settings.draws)
    knots, slopes = curve.refit(draws, rng)
    edges = np.column_stack([np.zeros(len(knots), int), knots, np.full(len(knots), len(t) - 1)])
    # How far every segment has gone at every checkpoint, (draw, segment, n).
    gone = np.clip(t, t[edges[:, :-1, None]], t[edges[:, 1:, None]]) - t[edges[:, :-1, None]]
    courses, fitted = np.einsum("ds,dsn->dn", slopes, gone), curve.fit.fitted - curve.fit.fitted[0]
    ends = [0, *curve.fit.shape.knots, len(t) - 1]
    borders = [end for i, end in enumerate(ends) if i in (0, len(ends) - 1) or signs[i - 1] != signs[i]]
    found: dict[str, Quantity] = {}
    size, sizes, place, rising = np.nan, np.empty(0), 0, 0
    for leg, sign in LEGS.items():
        if sign not in kinds[place:]:
            break
        place = kinds.index(sign, place)
        first, last = borders[place], borders[place + 1]
        value, own = fitted[last] - fitted[first], courses[:, last] - courses[:, first]
        weights = np.zeros(len(kinds))
        weights[place] = 1.0
        if leg == "rise":
            size, sizes, rising = value, own, place
        else:
            # People's part in a ratio of means: how each one's change differs from the ratio of all.
            value, own = value / size, own / sizes
            weights[rising] -= value
            weights /= size
        between = 0.0 if people is None else people.between(weights)
        found[leg] = Quantity(float(value), float(np.sqrt(spread(own) ** 2 + between)), own)
    events = Events(judged)
    for event in events.points:
        if events.censored(event):
            lacking[event] = EVENTS[event]
        else:
            place, column = events.places[event], [0, *curve.fit.shape.knots].index(events.places[event])
            own = t[edges[:, column]]
            # A bend is located no finer than the grid.
            step = (t[place + 1] - t[place - 1]) / 2
            found[event] = Quantity(float(t[place]), float(np.hypot(spread(own), step / np.sqrt(12))), own)
    lacking = {name: why for name, why in lacking.items() if name not in found}
    return Course(t, fitted / size, courses / sizes[:, None], found, lacking)


def spread(draws: np.ndarray) -> float:
    """Half the width that holds 68 % of the draws: a standard error that a few wild ratios do not carry away."""
    low, high = np.quantile(draws, [0.158655, 0.841345])
    return float((high - low) / 2)
