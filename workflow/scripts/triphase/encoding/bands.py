"""Bands of features as they enter a fit: nuisance features, and a layer's vectors of the words."""

import numpy as np

from triphase.encoding.features import delay, nuisance_of_run, position_basis, scan_grid, words_to_scans
from triphase.errors import InputError

# Seconds by which a sound may end before the last word: its tail is often cut.
SOUND_TOLERANCE = 1.0


def check_sound(sound, words, run):
    """Raise InputError when a run's sound ends before what is said in it."""
    end, last = sound["time_s"].max(), words["offset"].max()
    if end + SOUND_TOLERANCE < last:
        raise InputError(
            f"run {run}: its sound ends at {end:g} s, but its last word at {last:g} s; the sound must be on the "
            "transcript's clock (dataset.audio, words.shift)"
        )


def nuisance_band(words, runs, times, tr, names, delays, sound=None):
    """The nuisance features as they enter a fit, of every run.

    Features are made on the run's whole grid of scans, delayed there, and then cut to the rows that there are. So is
    the position in the run, which is not delayed: rows that were dropped move no other.

    Parameters
    ----------
    words : DataFrame, the words table
    runs, times : arrays (n_scans,), run and acquisition (s) of each row of the responses
    tr : float
    names : list of str, see `nuisance_of_run`, and `position`
    delays : list of int, scans
    sound : DataFrame, optional: stimulus, time_s, envelope

    Returns
    -------
    float array (n_scans, n_columns)
    """
    delayable, bands = [name for name in names if name != "position"], []
    for run in dict.fromkeys(runs):
        heard, lead = words[words["run"] == run], max(delays)
        grid, rows = scan_grid(times[runs == run], tr, lead)
        mine = None
        if sound is not None:
            mine = sound[sound["stimulus"].isin(heard["stimulus"])]
            check_sound(mine, heard, run)
        band = delay(nuisance_of_run(heard, grid, tr, delayable, mine), rows, delays)
        position = position_basis(len(grid) - lead)[rows - lead]
        bands.append(np.column_stack([band, position]) if "position" in names else band)
    return np.concatenate(bands)


def word_band(values, words, activation_words, runs, times, tr, delays):
    """Word vectors averaged into scans and delayed, run by run, as `nuisance_band` does it.

    Parameters
    ----------
    values : float array (n_activation_words, n_features)
    words : DataFrame
        The words table, all runs.
    activation_words : DataFrame
        Columns stimulus, index: the words that the rows of `values` belong to, each stimulus once.
    runs, times : arrays (n_scans,)
    tr : float
    delays : list of int, scans

    Returns
    -------
    float32 array (n_scans, n_features * len(delays))
    """
    places = {
        key: row for row, key in enumerate(zip(activation_words["stimulus"], activation_words["index"], strict=True))
    }
    band = np.zeros((len(runs), values.shape[1] * len(delays)), dtype=np.float32)
    for run in dict.fromkeys(runs):
        heard, here = words[words["run"] == run], runs == run
        picked = values[[places[key] for key in zip(heard["stimulus"], heard["index"], strict=True)]]
        grid, rows = scan_grid(times[here], tr, max(delays))
        scans = words_to_scans(heard["onset"], heard["offset"], grid, tr) @ picked.astype(np.float32)
        band[here] = delay(scans, rows, delays)
    return band
