"""Whether two courses agree: an equivalence test with a bound that is declared, not a correlation of two trends.

The distance of two courses is the largest difference of their shapes over the checkpoints of both that lie where both
were measured, in shares of the first rise, each as the change since the first of these checkpoints. They are *equal*
where the difference lies within the bound at every checkpoint by its 90 % interval: a test to either side at 5 % each,
all of which must reject, so that the whole has a level of 5 % (intersection-union: Berger and Hsu 1996, Statistical
Science 11). They *differ* where a 95 % band over all checkpoints leaves the bound at one of them. All else is
undetermined. [ours]
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from triphase.core.types import Section
from triphase.phases.curves import LEAST
from triphase.stats.intervals import LEVEL
from triphase.synthesis.courses import Course, spread

EQUAL, DIFFERENT, UNDETERMINED = "equal", "different", "undetermined"
EACH = 0.90  # of the interval at a checkpoint: a test at 5 % to either side


@dataclass(frozen=True)
class Difference:
    """Difference of two shapes, in shares of the first rise.

    Attributes
    ----------
    t : array (n,), log10 tokens
    value : array (n,)
    draws : array (draw, n)
    """

    t: np.ndarray
    value: np.ndarray
    draws: np.ndarray


def agreement(first: Course, second: Course, bound: float, rng: np.random.Generator, paired: bool) -> Section:
    """The equivalence test of two courses.

    Parameters
    ----------
    first, second : Course
    bound : float, the difference in shares of the first rise from which on two courses are not the same
    rng : numpy.random.Generator, breaks the order of draws that belong to different data sets
    paired : bool, whether both were drawn from the same blocks of the same data

    Returns
    -------
    dict with verdict, reason, distance, at (tokens), interval (90 %, there), reach (the largest bound of all
    intervals), n (checkpoints compared)
    """
    nothing: Section = dict.fromkeys(("distance", "at", "interval", "reach")) | {"verdict": UNDETERMINED, "n": 0}
    if first.shape is None or second.shape is None:
        which = " and ".join(n for n, c in (("the first", first), ("the second", second)) if c.shape is None)
        return nothing | {"reason": f"{which} has no first rise, of which a difference could be a share"}
    grid = shared_grid(first.t, second.t)
    if grid is None:
        return nothing | {"reason": f"fewer than {LEAST} checkpoints of each lie where both were measured"}
    found = difference(first, second, grid, None if paired else rng)
    errors = np.array([spread(column) for column in found.draws.T])
    low, high = np.quantile(found.draws, [(1 - EACH) / 2, (1 + EACH) / 2], axis=0)
    # Refits of a bend lie to one side of it, so that their quantiles alone would be off what was found.
    half = norm.ppf((1 + EACH) / 2) * errors
    low, high = np.minimum(low, found.value - half), np.maximum(high, found.value + half)
    reach, place = float(np.maximum(-low, high).max()), int(np.abs(found.value).argmax())
    known = errors > 0
    band = np.quantile((np.abs(found.draws - found.value)[:, known] / errors[known]).max(axis=1, initial=0), LEVEL)
    beyond = (np.abs(found.value) - band * errors > bound).any()
    verdict = EQUAL if reach < bound else DIFFERENT if beyond else UNDETERMINED
    words = {
        EQUAL: f"they differ by less than {bound:.0%} of the first rise at every checkpoint",
        DIFFERENT: f"they differ by more than {bound:.0%} of the first rise",
        UNDETERMINED: f"neither a difference below {bound:.0%} of the first rise nor one above is shown",
    }
    return {
        "verdict": verdict,
        "reason": words[verdict],
        "distance": float(np.abs(found.value[place])),
        "at": round(10 ** found.t[place]),
        "interval": [float(low[place]), float(high[place])],
        "reach": reach,
        "n": len(grid),
    }


def shared_grid(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Checkpoints of both where both were measured, in log10 tokens; None where either has too few of them there."""
    low, high = max(first[0], second[0]), min(first[-1], second[-1])
    inside = [t[(t >= low - 1e-9) & (t <= high + 1e-9)] for t in (first, second)]
    if min(map(len, inside)) < LEAST:
        return None
    joined = np.sort(np.concatenate(inside))
    return joined[np.r_[True, np.diff(joined) > 1e-9]]


def difference(first: Course, second: Course, grid: np.ndarray, rng: np.random.Generator | None) -> Difference:
    """Difference of two shapes on a grid; draws are taken in an order of their own where `rng` is given."""
    assert first.draws is not None and second.draws is not None and first.shape is not None and second.shape is not None
    number = min(len(first.draws), len(second.draws))
    order = np.arange(number) if rng is None else rng.permutation(number)
    drawn = onto(grid, first.t, first.draws[:number]) - onto(grid, second.t, second.draws[:number])[order]
    return Difference(grid, onto(grid, first.t, first.shape) - onto(grid, second.t, second.shape), drawn)


def onto(grid: np.ndarray, t: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Shapes (…, n) at the places of a grid, as changes since its first; between checkpoints they are straight."""
    right = np.clip(np.searchsorted(t, grid - 1e-9), 1, len(t) - 1)
    share = np.clip((grid - t[right - 1]) / (t[right] - t[right - 1]), 0, 1)
    values = shapes[..., right - 1] * (1 - share) + shapes[..., right] * share
    return values - values[..., :1]
