"""How much of a response can be predicted at all: reliability over repeats, or correlation between listeners.

All correlations are computed within a run after centring there, and averaged over runs by Fisher z weighted by length.
"""

import logging
from itertools import combinations

import numpy as np
import pandas as pd

from triphase.errors import InputError
from triphase.scoring import fisher_z

log = logging.getLogger(__name__)


def correlate(first, second):
    """Pearson r per column.

    Parameters
    ----------
    first, second : float arrays (time, voxel)

    Returns
    -------
    float array (voxel,), NaN where either is constant or not finite
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))


def fisher_mean(correlations, lengths):
    """Average of correlations by Fisher z, weighted by length.

    Parameters
    ----------
    correlations : list of float arrays (voxel,)
    lengths : list of int, samples behind each
    """
    return np.tanh(np.average(fisher_z(correlations), axis=0, weights=lengths))


def hearings(runs):
    """Names of the runs of each stimulus that was heard more than once: dict of stimulus to list of run."""
    groups = {}
    for run in runs:
        groups.setdefault(run["stimulus"], []).append(run["name"])
    return {stimulus: names for stimulus, names in groups.items() if len(names) > 1}


def split_runs(responses, run):
    """Rows of each run: dict of run to (time, voxel), in order."""
    return {str(name): responses[run == name] for name in pd.unique(run)}


def reliability_from_repeats(by_run, groups):
    """Reliability of a single hearing: mean correlation over all pairs of hearings of the same stimulus.

    Two hearings share the stimulus and nothing else, so their correlation is the share of a single hearing's variance
    that the stimulus explains (the classical test-retest reliability).

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
        for a, b in combinations(names, 2):
            length = min(len(by_run[a]), len(by_run[b]))
            correlations.append(correlate(by_run[a][:length], by_run[b][:length]))
            lengths.append(length)
    return fisher_mean(correlations, lengths)


def leave_one_out(series):
    """Inter-subject correlation: each subject against the mean of all others.

    Parameters
    ----------
    series : callable
        Called twice; yields, subject by subject, a dict of run to float array (time, voxel), NaN where a voxel of that
        subject is not valid. Only one subject need be in memory at a time.

    Returns
    -------
    float array (subject, voxel), NaN where a subject's voxel is not valid or nobody else's is
    """
    total, count, lengths = {}, None, {}
    for by_run in series():
        valid = np.isfinite(np.concatenate(list(by_run.values()))).all(axis=0)
        count = valid.astype(int) if count is None else count + valid
        for name, values in by_run.items():
            # Scans of one run may end a few volumes apart.
            length = lengths[name] = min(lengths.get(name, len(values)), len(values))
            filled = np.where(valid, values[:length], 0)
            total[name] = filled if name not in total else total[name][:length] + filled
    correlations = []
    for by_run in series():
        valid = np.isfinite(np.concatenate(list(by_run.values()))).all(axis=0)
        others = np.where(count > valid, count - valid, np.nan)
        scores = []
        for name, length in lengths.items():
            own = by_run[name][:length]
            scores.append(correlate(own, (total[name] - np.where(valid, own, 0)) / others))
        correlations.append(np.where(valid, fisher_mean(scores, list(lengths.values())), np.nan))
    return np.array(correlations)


def ceiling_from_repeats(by_run, groups):
    """Columns of the ceiling table for one subject with repeats.

    The hearings are scored one by one and the scores averaged, so what a perfect model could reach is the square root
    of the reliability of a single hearing.
    """
    reliability = reliability_from_repeats(by_run, groups)
    return {"reliability": reliability, "ceiling": np.sqrt(np.maximum(reliability, 0))}


def ceiling_table(layouts, columns, kind):
    """One row per subject and voxel.

    Parameters
    ----------
    layouts : dict of subject to dict with roi, x, y, z and valid, arrays (voxel,)
    columns : dict of subject to dict with reliability and ceiling, arrays (voxel,)
    kind : "repeats" or "isc"
    """
    parts = []
    for subject, layout in layouts.items():
        number = np.arange(len(layout["roi"]))
        part = {"subject": subject, "voxel": number, "roi": layout["roi"], "valid": layout["valid"], **columns[subject]}
        parts.append(pd.DataFrame({**part, "kind": kind}))
    return pd.concat(parts, ignore_index=True)


def check_same_voxels(layouts):
    """InputError unless all subjects have the same voxels; the correlation between subjects needs a common space."""
    (first, reference), *others = layouts.items()
    for subject, layout in others:
        if not np.array_equal(layout["roi"], reference["roi"]) or any(
            not np.allclose(layout[axis], reference[axis], equal_nan=True) for axis in "xyz"
        ):
            raise InputError(
                f"{subject}: its {len(layout['roi'])} voxels are not those of {first} ({len(reference['roi'])}), but "
                "the inter-subject correlation needs one common space: the same mask, grid and ROIs for every subject"
            )


def measure_ceiling(open_runs, layouts, runs):
    """The ceiling of every subject and voxel.

    Parameters
    ----------
    open_runs : callable
        Subject to dict of run to float array (time, voxel), NaN where a voxel is not valid. Called for one subject at a
        time, so that a study need not fit into memory.
    layouts : dict of subject to dict with roi, x, y, z and valid, arrays (voxel,)
    runs : list of dict with name and stimulus

    Returns
    -------
    DataFrame
        subject, voxel, roi, valid, reliability, ceiling and kind. With repeats (kind "repeats")
        `ceiling` is r_max, an upper bound. Without (kind "isc") it is the leave-one-out inter-subject correlation, a
        reference and not an upper bound, and the reliability is NaN.
    """
    groups = hearings(runs)
    if groups:
        columns = {subject: ceiling_from_repeats(open_runs(subject), groups) for subject in layouts}
        return ceiling_table(layouts, columns, "repeats")
    usable = [subject for subject, layout in layouts.items() if layout["valid"].any()]
    for subject in sorted(set(layouts) - set(usable)):
        log.warning("%s has no valid voxel and is left out of the inter-subject correlation", subject)
    isc = {}
    if len(usable) > 1:
        check_same_voxels({subject: layouts[subject] for subject in usable})
        isc = dict(zip(usable, leave_one_out(lambda: map(open_runs, usable)), strict=True))
    else:
        log.warning("no stimulus is repeated and there are fewer than two usable subjects: the ceiling is unknown")
    columns = {}
    for subject, layout in layouts.items():
        unknown = np.full(len(layout["roi"]), np.nan)
        columns[subject] = {"reliability": unknown, "ceiling": isc.get(subject, unknown)}
    return ceiling_table(layouts, columns, "isc")
