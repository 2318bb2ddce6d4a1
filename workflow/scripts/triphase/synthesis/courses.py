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
    people = own_changes(curves, judged) if 1 < len(curves) < RESAMPLED_SUBJECTS else None
    return describe(judged, people, np.random.default_rng([seed, 2]))


def own_changes(curves: Sequence[Trajectory], judged: Judged) -> np.ndarray:
    """Changes (phase, person) of each person over the phases of the mean curve's fit, by its own weights."""
    shared, _ = on_shared_grid(list(curves), "checkpoint", "subjects")
    picked, _ = usable(shared[0])
    picked = picked[shared[0].tokens[picked] > 0]
    return changes_over(judged, np.array([curve.values[picked] for curve in shared]).T)


def describe(judged: Judged, people: np.ndarray | None, rng: np.random.Generator) -> Course:
    """The course of a fit.

    Parameters
    ----------
    judged : verdict.Judged
    people : array (phase, person) of each person's changes, or None where draws hold the people already
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
    size, sizes, place = np.nan, np.empty(0), 0
    for leg, sign in LEGS.items():
        if sign not in kinds[place:]:
            break
        place = kinds.index(sign, place)
        first, last = borders[place], borders[place + 1]
        value, own = fitted[last] - fitted[first], courses[:, last] - courses[:, first]
        between = None if people is None else people[place]
        if leg == "rise":
            size, sizes, people_rise = value, own, between
        else:
            # People's part in a ratio of means: how each one's change differs from the ratio of all.
            between = None if between is None else (between - value / size * people_rise) / size
            value, own = value / size, own / sizes
        found[leg] = Quantity(float(value), widened(own, between), own)
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


def widened(draws: np.ndarray, people: np.ndarray | None) -> float:
    """Standard error of the draws and, beside it, of a mean over people."""
    between = 0.0 if people is None else people.var(ddof=1) / len(people)
    return float(np.sqrt(spread(draws) ** 2 + between))


def spread(draws: np.ndarray) -> float:
    """Half the width that holds 68 % of the draws: a standard error that a few wild ratios do not carry away."""
    low, high = np.quantile(draws, [0.158655, 0.841345])
    return float((high - low) / 2)
