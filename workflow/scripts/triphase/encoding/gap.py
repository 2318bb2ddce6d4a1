"""Score against gap: how far held-out scans of a run must lie from those that train, measured without any model."""

from collections.abc import Iterable

import numpy as np

from triphase.core.types import Entries, Section
from triphase.encoding.features import Timeline
from triphase.encoding.floor import floor_band
from triphase.encoding.folds import HELD_OUT, TRAIN, UNUSED, held_out_segments, hold_out_blocks, split_inner
from triphase.encoding.ridge import Search, fit_bands
from triphase.responses.targets import region_masks
from triphase.stats.scoring import correlate

BANDS = ("nuisance", "floor")
# Gaps that are tried beside the study's own, s: from none to several times a haemodynamic response.
GAPS = (0, 10, 20, 40, 60)


def gap_curve(
    batches: Iterable[np.ndarray],
    nuisance: np.ndarray,
    timeline: Timeline,
    *,
    gaps: list[int],
    lag: int,
    split: Section,
    alphas: np.ndarray,
) -> tuple[np.ndarray, list[int]]:
    """Scores of the nuisance features alone and of the autocorrelation floor alone, at every gap.

    Only for one run that is held out in contiguous blocks. A wider gap leaves fewer scans to train on, which costs a
    score too; so every block is predicted from as many scans at every gap, the nearest ones beyond it.

    Parameters
    ----------
    batches : iterable of float arrays (n_scans, n_batch_targets), the responses
    nuisance : float array (n_scans, n_columns), delayed
    timeline : Timeline
    gaps : list of int, scans
    lag : int, scans at which the response's autocorrelation falls below 0.1
    split : dict with folds and inner
    alphas : array (n_alphas,)

    Returns
    -------
    scores : float64 array (len(BANDS), n_gaps, n_targets), r
    train_scans : list of int, of each outer split

    Raises
    ------
    ValueError
        A gap is none of `possible_gaps`.
    """
    runs = timeline.runs
    if possible_gaps(runs, gaps, split) != list(gaps):
        raise ValueError("a gap leaves a fold without scans to train on")
    splits = [gapped_splits(runs, gap, max(gaps), split) for gap in gaps]
    scores = []
    for responses in batches:
        found = np.zeros((len(BANDS), len(gaps), responses.shape[1]))
        for place, (outer, inner) in enumerate(splits):
            segments = held_out_segments(outer, runs)
            for row, band in enumerate((nuisance, floor_band(runs, timeline.times, timeline.tr, outer, lag))):
                predicted = _predict(band, responses, outer, inner, alphas)
                found[row, place] = correlate(predicted, responses, segments)[0]
        scores.append(found)
    return np.concatenate(scores, axis=-1), (splits[0][0] == TRAIN).sum(1).tolist()


def possible_gaps(runs: np.ndarray, gaps: list[int], split: Section) -> list[int]:
    """Those of the gaps that leave every fold, outer and inner, scans to train on; in order, each once."""
    possible = []
    for gap in sorted(set(gaps)):
        outer, inner = gapped_splits(runs, gap, gap, split)
        if all((mask == code).any() for masks in (outer, *inner) for mask in masks for code in (TRAIN, HELD_OUT)):
            possible.append(gap)
    return possible


def gapped_splits(runs: np.ndarray, gap: int, largest: int, split: Section) -> tuple[np.ndarray, list[np.ndarray]]:
    """Blocks of one run that are held out in turn, as `outer_cv` does it, each with equally many scans at every gap.

    Parameters
    ----------
    runs : array (n_scans,), one label
    gap, largest : int
        Scans between a block and what trains; the largest gap says how many train.
    split : dict with folds and inner

    Returns
    -------
    outer : int8 array (n_splits, n_scans) of codes
    inner : list of int8 arrays (n_folds, n_scans), with the same gap
    """
    rows, every = np.arange(len(runs)), np.ones(len(runs), bool)
    outer = hold_out_blocks(runs, every, split["folds"], gap)
    fewest = (hold_out_blocks(runs, every, split["folds"], largest) == TRAIN).sum(1)
    for mask, kept in zip(outer, fewest, strict=True):
        held, train = np.flatnonzero(mask == HELD_OUT), np.flatnonzero(mask == TRAIN)
        distance = np.maximum(held[0] - rows, rows - held[-1])[train]
        mask[train[np.argsort(distance, kind="stable")[kept:]]] = UNUSED
    return outer, [split_inner(mask, runs, runs, n_folds=split["inner"], gap=gap) for mask in outer]


def _predict(band, responses, outer, inner, alphas):
    """Held-out predictions of one band, which may differ by split: array (1, n_scans, n_targets)."""
    predicted, _ = fit_bands(None, [band], responses, outer, inner, Search(alphas, np.ones((1, 1))))
    for split, mask in enumerate(outer):
        held = mask == HELD_OUT
        # A band that does not reach the block predicts nothing there but the noise of its rounding.
        if not np.ptp((band[split] if band.ndim == 3 else band)[held], axis=0).any():
            predicted[:, held] = 0
    return predicted


def gap_rows(scores: np.ndarray, subjects: np.ndarray, roi_of_target: np.ndarray, rois: Entries) -> Entries:
    """Mean score over the voxels of every subject and region.

    Parameters
    ----------
    scores : float array (len(BANDS), n_gaps, n_targets), from `gap_curve`
    subjects, roi_of_target : str arrays (n_targets,)
    rois : list of dict, the config's

    Returns
    -------
    list of dict with subject, roi, band, r (list of float, by gap) and n_voxels; no row where there is no voxel
    """
    rows = []
    for roi, mask in region_masks(roi_of_target, rois).items():
        for subject in dict.fromkeys(subjects[mask]):
            picked = mask & (subjects == subject)
            entry = {"subject": str(subject), "roi": roi, "n_voxels": int(picked.sum())}
            means = scores[:, :, picked].mean(-1)
            rows += [entry | {"band": band, "r": r.tolist()} for band, r in zip(BANDS, means, strict=True)]
    return rows
