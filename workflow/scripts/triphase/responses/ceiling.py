"""How much of a response can be predicted at all: reliability over repeats, or correlation between listeners.

All correlations are computed within a run after centring there, and averaged over runs by Fisher z weighted by length.
Intervals are in `triphase.responses.ceiling_intervals`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from triphase.core.batches import start_of_sum
from triphase.core.errors import InputError
from triphase.core.types import Entries
from triphase.responses.starts import rows_before
from triphase.stats.scoring import fisher_z, pearson

# Stands for the mean over subjects where a subject's name would stand.
GROUP = "group"
# Voxels of two subjects that are no further apart are at the same place, mm.
SAME_PLACE = 0.05
# Share of a subject's voxels that some other has too; with less they lie on different grids.
LEAST_SHARED = 0.5


def fisher_mean(correlations: Sequence[np.ndarray], lengths: Sequence[int]) -> np.ndarray:
    """Average of correlations by Fisher z, weighted by length.

    Parameters
    ----------
    correlations : list of float arrays (voxel,)
    lengths : list of int, samples behind each
    """
    return np.tanh(np.average(fisher_z(correlations), axis=0, weights=lengths))


def spearman_brown(reliability: float | np.ndarray, k: float) -> float | np.ndarray:
    """Reliability of the mean of `k` hearings, from that of a single one (Spearman 1910; Brown 1910).

    What is scored decides which of the two bounds a model: r_max is the square root of the reliability of a single
    hearing where the hearings are scored one by one, and of their mean where their mean is scored.
    """
    return k * reliability / (1 + (k - 1) * reliability)


def hearings(runs: Entries) -> dict[str, list[str]]:
    """Names of the runs of each stimulus that was heard more than once: dict of stimulus to list of run."""
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(run["stimulus"], []).append(run["name"])
    return {stimulus: names for stimulus, names in groups.items() if len(names) > 1}


def split_runs(responses: np.ndarray, run: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of each run: dict of run to (time, voxel), in order."""
    return {str(name): responses[run == name] for name in pd.unique(run)}


def common_starts(starts: Mapping[str, Mapping[str, float]], runs: Entries, tr: float) -> dict[tuple[str, str], int]:
    """Scans that are left out at the start of every subject's runs, so that all hearings of a stimulus begin together.

    Parameters
    ----------
    starts : dict of subject to dict of run to when its first scan begins, s on the words' clock
    runs : list of dict with name and stimulus
    tr : s

    Returns
    -------
    dict of (subject, run) to int
    """
    before: dict[tuple[str, str], int] = {}
    for stimulus in dict.fromkeys(run["stimulus"] for run in runs):
        names = [run["name"] for run in runs if run["stimulus"] == stimulus]
        heard = {(subject, name): mine[name] for subject, mine in starts.items() for name in names if name in mine}
        before |= rows_before(heard, tr, f"stimulus {stimulus}")
    return before


def standardized(values: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance per column; NaN where a column is constant or not finite."""
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return centred / np.sqrt((centred**2).mean(axis=0))


def reliability_from_repeats(by_run: Mapping[str, np.ndarray], groups: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Reliability of a single hearing: the mean correlation over all pairs of hearings of the same stimulus.

    Two hearings share the stimulus and nothing else, so their correlation is the share of a single hearing's variance
    that the stimulus explains. For standardised hearings this mean equals the explainable variance corrected for the
    number of repeats (Sahani and Linden 2003; Schoppe et al. 2016): with S the sum of N hearings of unit variance,
    (var S - N) / (N (N - 1)). Stimuli are averaged by Fisher z weighted by length.

    Parameters
    ----------
    by_run : dict of run to float array (time, voxel)
    groups : dict of stimulus to list of run

    Returns
    -------
    float array (voxel,)
    """
    correlations, lengths = [], []
    for names in groups.values():
        length, count = min(len(by_run[name]) for name in names), len(names)
        together = sum((standardized(by_run[name][:length]) for name in names), start_of_sum())
        correlations.append(((together**2).mean(axis=0) - count) / (count * (count - 1)))
        lengths.append(length)
    return fisher_mean(correlations, lengths)


def r_max(reliability: np.ndarray) -> np.ndarray:
    """The correlation that a perfect model reaches with a response of this reliability; 0 where that is negative."""
    return np.sqrt(np.maximum(reliability, 0))


class Others:
    """The mean of all other subjects, voxel by voxel, for the leave-one-out inter-subject correlation.

    Parameters
    ----------
    series : iterable
        Subject by subject a dict of run to float array (time, voxel), NaN where a voxel of that subject is not valid.
        Only one subject is in memory at a time.
    """

    def __init__(self, series: Iterable[Mapping[str, np.ndarray]]):
        self.total: dict[str, np.ndarray] = {}
        self.count: np.ndarray | int = 0
        for by_run in series:
            valid = self.valid(by_run)
            self.count = self.count + valid.astype(int)
            for name, values in by_run.items():
                filled = np.where(valid, values, 0).astype(np.float64)
                known = self.total.get(name, filled)
                # Scans of one run may end a few volumes apart.
                length = min(len(known), len(filled))
                self.total[name] = known[:length] + filled[:length] if name in self.total else filled

    @staticmethod
    def valid(by_run: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which voxels are finite throughout all runs of a subject."""
        return np.logical_and.reduce([np.isfinite(values).all(axis=0) for values in by_run.values()])

    def pairs(self, by_run: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """A subject's own series and the mean of the others': dict of run to two arrays (time, voxel).

        NaN where the subject's voxel is not valid, or nobody else's is.
        """
        valid = self.valid(by_run)
        others = np.where(valid & (self.count > 1), self.count - 1, np.nan)
        pairs = {}
        for name, total in self.total.items():
            own = by_run[name][: len(total)]
            pairs[name] = own, (total - np.where(valid, own, 0)) / others
        return pairs


def leave_one_out(series: Callable[[], Iterable[Mapping[str, np.ndarray]]]) -> np.ndarray:
    """Inter-subject correlation: each subject against the mean of all others (Nastase et al. 2019).

    Parameters
    ----------
    series : called twice; gives what `Others` takes

    Returns
    -------
    float array (subject, voxel), NaN where a subject's voxel is not valid or nobody else's is
    """
    others = Others(series())
    return np.array([isc_of(others.pairs(by_run)) for by_run in series()])


def isc_of(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Inter-subject correlation of one subject from `Others.pairs`: float array (voxel,)."""
    scores = [pearson(own, rest) for own, rest in pairs.values()]
    return fisher_mean(scores, [len(own) for own, _ in pairs.values()])


def common_places(layouts: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Which voxel of each subject lies at which place, where subjects share a space but not a mask.

    Parameters
    ----------
    layouts : dict of subject to dict; roi, x, y and z, arrays (voxel,)

    Returns
    -------
    dict of subject to int array (place,), the subject's voxel at each place that any subject has, -1 where it has none

    Raises
    ------
    InputError : voxels without coordinates that differ in number or ROI, or coordinates that are of another grid
    """
    (first, reference), *others = layouts.items()
    xyz = {name: np.column_stack([layout[axis] for axis in "xyz"]) for name, layout in layouts.items()}
    if all(
        np.array_equal(layout["roi"], reference["roi"]) and np.allclose(xyz[name], xyz[first], equal_nan=True)
        for name, layout in others
    ):
        return {name: np.arange(len(reference["roi"])) for name in layouts}
    if all(np.isfinite(places).all() for places in xyz.values()):
        found = _merged_places(xyz)
        several = sum((voxel >= 0).astype(int) for voxel in found.values()) > 1
        apart = [name for name, voxel in found.items() if several[voxel >= 0].mean() < LEAST_SHARED]
    else:
        apart = [name for name, layout in others if not np.array_equal(layout["roi"], reference["roi"])]
        apart = apart or [others[0][0]]
    if apart:
        subject, against = apart[-1], first if apart[-1] != first else others[0][0]
        raise InputError(
            f"{subject}: its {len(xyz[subject])} voxels are not those of {against} ({len(xyz[against])}), but the "
            "inter-subject correlation needs one common space: the same grid for every subject, or without coordinates "
            "the same voxels; set space: native where a voxel is not the same place in every subject"
        )
    return found


def _merged_places(xyz):
    """The places that any subject has, each once, and each subject's voxel there."""
    from scipy.spatial import KDTree

    places, numbers = np.empty((0, 3)), {}
    for subject, mine in xyz.items():
        near = np.full(len(mine), -1)
        if len(places):
            distance, nearest = KDTree(places).query(mine, distance_upper_bound=SAME_PLACE)
            near = np.where(np.isfinite(distance), nearest, -1)
        fresh = near < 0
        near[fresh] = len(places) + np.arange(fresh.sum())
        places, numbers[subject] = np.concatenate([places, mine[fresh]]), near
    # In the order of the axes, which is about that of the files, so that a few places at a time lie close together.
    rank = np.argsort(np.lexsort(np.round(places, 1).T[::-1]))
    found = {}
    for subject, near in numbers.items():
        found[subject] = np.full(len(places), -1)
        found[subject][rank[near]] = np.arange(len(near))
    return found
