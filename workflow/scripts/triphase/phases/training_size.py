"""Whether a fall is one of what the features hold, or of what can be learned from so few training scans.

Latents that stay as decodable as before, but in a smaller share of the features' variance, need more scans to be
learned: at a given size of the training set alignment falls though nothing is lost. Such a fall is the smaller the more
stimuli train. The share of the gain that is gone at the end of the first fall is measured with a quarter, half and all
of the training stimuli and carried on, as a line over the inverse of their number, to ever more of them. [ours]
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Section
from triphase.encoding.analyses import FEWER
from triphase.encoding.folds import QUARTERS
from triphase.phases.breadth import Phases
from triphase.phases.curves import Trajectory, average_subjects, subject_curves, usable
from triphase.phases.people import values_at_borders
from triphase.phases.verdict import Judged
from triphase.stats.intervals import LEVEL, half_width
from triphase.table.selection import Selection, analyses_of, main_analysis
from triphase.table.tidy import ALIGNMENT

SIZES = (*FEWER, "all")
# Inverse of the number of training stimuli, in units of that of all of them.
INVERSE = np.array([QUARTERS / quarters for quarters in FEWER.values()] + [1.0])
ONE_SIDED = 2 * LEVEL - 1  # level of an interval whose lower end is a bound to one side at LEVEL


def training_size(table: pd.DataFrame, boot: xr.Dataset, roi: str, judged: Judged | None, seed: int) -> Section:
    """How the headline's first fall goes with the size of the training set.

    Parameters
    ----------
    table, boot : tidy rows and paired draws of one model
    roi : str
    judged : verdict.Judged or None, the headline's fit
    seed : int, resamples people alike for all sizes, where they are a sample

    Returns
    -------
    dict with

    dependent : whether the fall shrinks with more stimuli (95 % bound to one side) and the 95 % interval of what is
        left with ever more of them includes none; None where nothing falls or this was not assessed
    shares : dict of `SIZES` to the share of the gain that is gone, with its 95 % interval
    limit : the share with ever more stimuli, with its 95 % interval; None where it was not assessed
    reason : in words
    """
    if judged is None or -1 not in judged.signs:
        return _without("nothing falls")
    own = main_analysis(analyses_of(Selection(ALIGNMENT, roi=roi).rows(table)))
    curves = []
    for name in SIZES:
        analysis = replace(own, trained_on=None if name == "all" else name)
        each = subject_curves(table, boot, roi, analysis)
        if not each:
            return _without("not assessed: there are no fits to fewer of the training stimuli")
        curves.append(average_subjects(list(each.values()), np.random.default_rng(seed)))
    found = [lost_share(judged, curve) for curve in curves]
    if any(share is None for share in found):
        return _without("not assessed: with fewer of the training stimuli there is no gain that could fall")
    return over_sizes(np.array(found), min(curve.freedom for curve in curves))


def lost_share(judged: Judged, curve: Trajectory) -> np.ndarray | None:
    """Share of the gain that is gone at the end of the fit's first fall.

    Returns
    -------
    float array (1 + draws,), the estimate first; None where the curve has not the fit's checkpoints, no draws, or no
    gain at the start of the fall
    """
    picked, _ = usable(curve)
    picked = picked[curve.tokens[picked] > 0]
    if curve.draws is None or not np.array_equal(np.log10(curve.tokens[picked]), judged.t):
        return None
    series = np.column_stack([curve.values[picked], curve.draws[picked]])
    first = Phases.of(judged).kinds.index(-1)
    start, stop = values_at_borders(judged, series)[first : first + 2]
    if start[0] <= 0:
        return None
    # Draws of a ratio have long tails where its denominator comes near zero: its first-order expansion has none.
    deviations = (start - start[0]) * stop[0] / start[0] ** 2 - (stop - stop[0]) / start[0]
    share: np.ndarray = 1 - stop[0] / start[0] + deviations
    return share


def over_sizes(shares: np.ndarray, freedom: float) -> Section:
    """The line over the inverse of the training set's size, and what follows from it.

    Parameters
    ----------
    shares : float array (size, 1 + draws), in the order of `SIZES`, the estimates first
    freedom : float, degrees of freedom of the draws
    """
    centred = INVERSE - INVERSE.mean()
    slope = centred / (centred @ centred)
    limit = 1 / len(INVERSE) - INVERSE.mean() * slope

    def about(weights: np.ndarray, level: float = LEVEL) -> tuple[float, list[float]]:
        value, *draws = weights @ shares
        far = float(half_width(np.std(draws, ddof=1), freedom, level))
        return float(value), [float(value - far), float(value + far)]

    left, interval = about(limit)
    shrinks = about(slope, ONE_SIDED)[1][0] > 0
    dependent = shrinks and interval[0] <= 0
    course = "shrinks with more of them" if shrinks else "is not shown to shrink with more of them"
    return {
        "dependent": dependent,
        "shares": {
            name: dict(zip(("share", "interval"), about(weights), strict=True))
            for name, weights in zip(SIZES, np.eye(len(SIZES)), strict=True)
        },
        "limit": {"share": left, "interval": interval},
        "reason": f"the share of the gain that the fall takes {course}; with ever more {left:.0%} would be left",
    }


def _without(reason: str) -> Section:
    return {"dependent": None, "shares": {}, "limit": None, "reason": reason}
