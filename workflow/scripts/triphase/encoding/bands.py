"""Bands of features as they enter a fit: nuisance features, and a layer's vectors of the words."""

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.encoding.features import Timeline, delay, nuisance_of_run, position_basis, scan_grid, words_to_scans
from triphase.encoding.folds import TRAIN
from triphase.encoding.guards import reduce_columns
from triphase.stimuli.frequency import FEATURE, zipf_frequencies

# Seconds by which a sound may end before the last word: its tail is often cut.
SOUND_TOLERANCE = 1.0


def check_sound(sound: pd.DataFrame, words: pd.DataFrame, run: str) -> None:
    """Raise InputError when a run's sound ends before what is said in it."""
    end, last = sound["time_s"].max(), words["offset"].max()
    if end + SOUND_TOLERANCE < last:
        raise InputError(
            f"run {run}: its sound ends at {end:g} s, but its last word at {last:g} s; the sound must be on the "
            "transcript's clock (dataset.audio, words.shift)"
        )


def nuisance_band(
    words: pd.DataFrame, timeline: Timeline, names: list[str], sound: pd.DataFrame | None = None
) -> np.ndarray:
    """The nuisance features as they enter a fit, of every run.

    Features are made on the run's whole grid of scans, delayed there, and then cut to the rows that there are. So is
    the position in the run, which is not delayed: rows that were dropped move no other.

    Parameters
    ----------
    words : DataFrame, the words table
    timeline : Timeline
    names : list of str, see `nuisance_of_run`; `position`; `zipf_frequency`, see `triphase.stimuli.frequency`
    sound : DataFrame, optional: stimulus, time_s, envelope

    Returns
    -------
    float array (n_scans, n_columns)
    """
    if FEATURE in names:
        words = words.assign(**{FEATURE: zipf_frequencies(words["word"].tolist(), words.attrs["language"])})
    delayable, bands = [name for name in names if name != "position"], []
    tr, lead = timeline.tr, max(timeline.delays)
    for run in dict.fromkeys(timeline.runs):
        heard = words[words["run"] == run]
        grid, rows = scan_grid(timeline.times[timeline.runs == run], tr, lead)
        mine = None
        if sound is not None:
            mine = sound[sound["stimulus"].isin(heard["stimulus"])]
            check_sound(mine, heard, run)
        features = nuisance_of_run(heard, grid, tr, delayable, mine, timeline.downsampling)
        band = delay(timeline.blended(features), rows, timeline.column_delays)
        position = position_basis(len(grid) - lead)[rows - lead]
        bands.append(np.column_stack([band, position]) if "position" in names else band)
    return np.concatenate(bands)


def word_scans(
    values: np.ndarray, words: pd.DataFrame, activation_words: pd.DataFrame, timeline: Timeline
) -> tuple[np.ndarray, np.ndarray]:
    """Word vectors on the scanner's clock, not delayed yet: every run's grid of scans, one run after the other.

    A mean over delays is taken here (`Timeline.blended`). Of others, a delay of d scans takes the rows `rows - d`. Each
    run's grid begins as many scans before its first row as the longest delay is long (`scan_grid`), so that no delay
    reaches into the run before.

    Parameters
    ----------
    values : float array (n_activation_words, n_features)
    words : DataFrame
        The words table, all runs.
    activation_words : DataFrame
        Columns stimulus, index: the words that the rows of `values` belong to, each stimulus once.
    timeline : Timeline

    Returns
    -------
    features : float32 array (n_grid, n_features)
    rows : int array (n_scans,)
        Place of each row of the responses on the grid.
    """
    places = {key: row for row, key in enumerate(_keys(activation_words))}
    values = np.asarray(values, dtype=np.float32)
    runs, features, begin = timeline.runs, [], 0
    rows = np.zeros(len(runs), int)
    for run in dict.fromkeys(runs):
        heard, here = words[words["run"] == run], runs == run
        picked = values[[places[key] for key in _keys(heard)]]
        grid, on_grid = scan_grid(timeline.times[here], timeline.tr, max(timeline.delays))
        sampling = words_to_scans(heard["onset"], heard["offset"], grid, timeline.tr, timeline.downsampling)
        features.append(timeline.blended(sampling.astype(np.float32) @ picked))
        rows[here] = begin + on_grid
        begin += len(grid)
    return np.concatenate(features), rows


def reduced_band(
    features: np.ndarray, rows: np.ndarray, timeline: Timeline, outer: np.ndarray, components: int
) -> tuple[np.ndarray, float]:
    """Features on the grid of scans as a narrow band: principal components of the rows that train, delayed.

    There is one reduction per outer split: with `outer_cv` no row trains in every split, and one reduction for all
    would have seen rows that are held out. Inner folds share that of their outer split, as they share its centring.

    Parameters
    ----------
    features, rows : from `word_scans`
    timeline : Timeline
    outer : int8 array (n_splits, n_scans) of codes
    components : int, kept (before delays)

    Returns
    -------
    band : float32 array (n_splits, n_scans, min(components, n_features) * n_delays)
    share : float
        Of the features' variance over training rows, what the components keep; mean over splits.
    """
    bands, shares = [], []
    for mask in outer:
        training = rows[mask == TRAIN]
        reduced = reduce_columns(features, training, components)
        total = features[training].var(0, dtype=np.float64).sum()
        shares.append(reduced[training].var(0, dtype=np.float64).sum() / total if total else np.nan)
        bands.append(delay(reduced, rows, timeline.column_delays))
    return np.stack(bands), float(min(np.mean(shares), 1))


def _keys(words):
    # As lists: to iterate over text of arrow takes forty times as long.
    return zip(words["stimulus"].tolist(), words["index"].tolist(), strict=True)
