"""Which scans train, which validate and which are held out, so that nothing leaks.

Codes in every mask: 1 the scan trains, 2 it is held out (validated or tested), 0 it is in a gap and used for nothing.
"""

import numpy as np

from triphase.core.errors import InputError
from triphase.core.types import Section
from triphase.stats.autocorrelation import first_below

TRAIN, HELD_OUT, UNUSED = 1, 2, 0
QUARTERS = 4


def make_splits(
    runs: np.ndarray,
    stimuli: np.ndarray,
    test_runs: list[str],
    split: Section,
    *,
    gap: int,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outer masks and their inner masks, both checked by the leakage guard.

    `split` is the config's: kind, folds (outer) and inner. `groups`, a label per scan ("" for none), names runs that
    stay in one fold, such as the episodes of a title. Test runs are as the data set has them, whatever their group.
    """
    units = stimuli if groups is None else fold_units(stimuli, groups)
    kept = stimuli if split["kind"] == "fixed" else units
    outer = split_outer(runs, kept, test_runs, kind=split["kind"], n_folds=split["folds"], gap=gap)
    inner = []
    for mask in outer:
        # Where all that trains is one group, its stimuli are the folds.
        labels = units if len(set(units[mask == TRAIN])) > 1 else stimuli
        inner.append(split_inner(mask, runs, labels, n_folds=split["inner"], gap=gap))
    for masks in (outer, *inner):
        check_masks(masks, runs, stimuli, gap)
    return outer, inner


def fold_units(stimuli: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Label per scan of what stays in one fold: stimuli, joined where runs of theirs are of one group.

    Parameters
    ----------
    stimuli : str array (n_scans,)
    groups : str array (n_scans,), "" for none

    Returns
    -------
    str array (n_scans,), the first stimulus in alphabetical order of those joined
    """
    unit = {stimulus: stimulus for stimulus in stimuli}
    for group in set(groups) - {""}:
        joined = {unit[stimulus] for stimulus in stimuli[groups == group]}
        unit = {stimulus: min(joined) if label in joined else label for stimulus, label in unit.items()}
    return np.array([unit[stimulus] for stimulus in stimuli])


def split_outer(
    runs: np.ndarray, stimuli: np.ndarray, test_runs: list[str], *, kind: str, n_folds: int, gap: int
) -> np.ndarray:
    """Outer splits.

    Parameters
    ----------
    runs, stimuli : str arrays (n_scans,)
    test_runs : list of str
        Runs held out when `kind` is "fixed".
    kind : str
        "fixed" (one split, the data set's test runs), or "outer_cv" (every scan is held out once: whole stimuli when
        there are two or more, else contiguous blocks with a gap on both sides).
    n_folds : int
    gap : int
        Scans on each side of a held-out block, within its run.

    Returns
    -------
    int8 array (n_splits, n_scans) of codes

    Raises
    ------
    InputError
        Nothing trains or nothing is tested; a stimulus would stand on both sides.
    """
    if kind == "fixed":
        test = np.isin(runs, test_runs)
        shared = sorted(map(str, set(stimuli[test]) & set(stimuli[~test])))
        if shared:
            raise InputError(
                f"dataset/runs: stimuli {shared} are heard in training and in test runs; "
                "give every run of a stimulus the same `test`"
            )
        masks = np.where(test, HELD_OUT, TRAIN)[None]
    elif (heard := len(set(stimuli))) >= 2:
        masks = hold_out_stimuli(stimuli, np.ones(len(runs), bool), min(n_folds, heard))
    else:
        masks = hold_out_blocks(runs, np.ones(len(runs), bool), n_folds, gap)
    if not ((masks == TRAIN).any(1) & (masks == HELD_OUT).any(1)).all():
        raise InputError(
            f"encoding/split: {kind} with test runs {list(test_runs)} and a gap of {gap} scans leaves a split without "
            "training or without test scans; mark other runs as `test`, or use fewer folds"
        )
    return masks.astype(np.int8)


def split_inner(outer: np.ndarray, runs: np.ndarray, stimuli: np.ndarray, *, n_folds: int, gap: int) -> np.ndarray:
    """Inner splits of one outer split's training scans: whole stimuli when there are two or more, else gapped blocks.

    Parameters
    ----------
    outer : int8 array (n_scans,)

    Returns
    -------
    int8 array (n_folds, n_scans) of codes; only scans that train in `outer` are ever 1 or 2
    """
    training = outer == TRAIN
    heard = len(set(stimuli[training]))
    if heard >= 2:
        return hold_out_stimuli(stimuli, training, min(n_folds, heard)).astype(np.int8)
    return hold_out_blocks(runs, training, n_folds, gap).astype(np.int8)


def hold_out_stimuli(stimuli: np.ndarray, available: np.ndarray, n_folds: int) -> np.ndarray:
    """Folds of whole stimuli, balanced by scans: the longest goes to the fold that has least so far."""
    names, counts = np.unique(stimuli[available], return_counts=True)
    folds, load = {}, np.zeros(n_folds)
    for position in np.argsort(-counts, kind="stable"):
        fold = int(load.argmin())
        folds[names[position]] = fold
        load[fold] += counts[position]
    fold_of = np.array([folds.get(name, -1) for name in stimuli])
    masks = np.where(fold_of == np.arange(n_folds)[:, None], HELD_OUT, TRAIN)
    return np.where(available, masks, UNUSED)


def hold_out_blocks(runs: np.ndarray, available: np.ndarray, n_folds: int, gap: int) -> np.ndarray:
    """Contiguous blocks of the available scans, each with a gap to its training scans on both sides, within its run."""
    rows = np.flatnonzero(available)
    masks = np.zeros((n_folds, len(runs)), dtype=np.int8)
    for mask, block in zip(masks, np.array_split(rows, n_folds), strict=True):
        near = np.zeros(len(runs), bool)
        for row in block:
            window = np.arange(max(row - gap, 0), min(row + gap + 1, len(runs)))
            near[window[runs[window] == runs[row]]] = True
        mask[rows] = TRAIN
        mask[near & (mask == TRAIN)] = UNUSED
        mask[block] = HELD_OUT
    return masks


def fewer_stimuli(
    outer: np.ndarray, runs: np.ndarray, stimuli: np.ndarray, quarters: int, *, n_folds: int, gap: int
) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """The outer splits with only so many quarters of their training stimuli, and inner splits of these.

    What is held out stays the same. Stimuli are dealt into four parts of about equal length; one is a quarter, and the
    half holds it.

    Parameters
    ----------
    outer : int8 array (n_splits, n_scans)
    quarters : int

    Returns
    -------
    int8 array (n_splits, n_scans) and list of int8 arrays (n_folds, n_scans); None where a split trains on fewer than
    four stimuli
    """
    masks, inner = outer.copy(), []
    for mask in masks:
        training = mask == TRAIN
        if len(set(stimuli[training])) < QUARTERS:
            return None
        kept = (hold_out_stimuli(stimuli, training, QUARTERS)[:quarters] == HELD_OUT).any(0)
        mask[training & ~kept] = UNUSED
        inner.append(split_inner(mask, runs, stimuli, n_folds=n_folds, gap=gap))
    for each in (masks, *inner):
        check_masks(each, runs, stimuli, gap)
    return masks, inner


def check_masks(masks: np.ndarray, runs: np.ndarray, stimuli: np.ndarray, gap: int) -> None:
    """Guard against leakage: InputError when a mask lets held-out scans touch training scans.

    Scans of one run must be more than `gap` apart across the sides, and a stimulus may stand on both sides only inside
    one run (the gapped blocks of a data set with a single run).
    """
    for mask in masks:
        train, held = np.flatnonzero(mask == TRAIN), np.flatnonzero(mask == HELD_OUT)
        for run in set(runs[train]) & set(runs[held]):
            a, b = train[runs[train] == run], held[runs[held] == run]
            after = np.searchsorted(a, b)
            distance = np.full(len(b), len(runs))
            has_next, has_last = after < len(a), after > 0
            distance[has_next] = a[after[has_next]] - b[has_next]
            distance[has_last] = np.minimum(distance[has_last], b[has_last] - a[after[has_last] - 1])
            if distance.min() <= gap:
                raise InputError(
                    f"encoding/split: in run {str(run)!r} held-out scans lie {distance.min()} scans from training "
                    f"scans; the gap is {gap}"
                )
        across = {s for s in set(stimuli[train]) & set(stimuli[held]) if len(set(runs[stimuli == s])) > 1}
        if across:
            raise InputError(f"encoding/split: stimuli {sorted(map(str, across))} stand on both sides of a split")


def held_out_segments(outer: np.ndarray, runs: np.ndarray) -> list[np.ndarray]:
    """Stretches of held-out scans, each inside one run and one split, in time order: list of int arrays of rows."""
    segments = []
    for mask in outer:
        for run in dict.fromkeys(runs):
            rows = np.flatnonzero((mask == HELD_OUT) & (runs == run))
            if rows.size:
                segments.extend(np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1))
    return sorted(segments, key=lambda rows: rows[0])


def needed_gap(acf: np.ndarray, delays: list[int], seconds: float, tr: float, reach: int = 0) -> int:
    """Scans between held-out and training scans of one run: the longest delay, and the response's autocorrelation.

    Parameters
    ----------
    acf : float array (n_lags,), of the response, from `autocorrelation`
    delays : list of int, scans
    seconds : float, the least gap
    tr : float, s
    reach : int, see `triphase.encoding.features.shared_reach`
    """
    return max(int(np.ceil(seconds / tr)), max(delays) + reach + first_below(acf, 0.1))
