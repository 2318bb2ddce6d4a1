"""From words to design matrices on the scanner's clock."""

import numpy as np
import scipy.sparse as sp
from pandas.api.types import is_numeric_dtype

from triphase.errors import InputError

# Columns of the position band: enough for a slow trend within a run, too few to follow the text.
POSITION_ORDER = 3


def words_to_scans(onsets, offsets, times, tr):
    """Averaging matrix from the words of one run to its scans.

    A word counts for the scan in whose interval [time, time + TR) its midpoint lies; scans without words are zero.

    Parameters
    ----------
    onsets, offsets : float arrays (n_words,)
        Seconds.
    times : float array (n_scans,)
        Acquisition of each scan, seconds on the same clock, evenly spaced by `tr`.
    tr : float
        Seconds.

    Returns
    -------
    scipy.sparse.csr_array (n_scans, n_words), rows summing to 1 or 0
    """
    midpoints = (np.asarray(onsets) + np.asarray(offsets)) / 2
    scan = np.floor((midpoints - times[0]) / tr).astype(int)
    inside = (scan >= 0) & (scan < len(times))
    counts = np.bincount(scan[inside], minlength=len(times))
    words = np.flatnonzero(inside)
    return sp.csr_array((1.0 / counts[scan[inside]], (scan[inside], words)), shape=(len(times), len(midpoints)))


def delays_in_scans(delays, tr):
    """Delays in seconds rounded to scans; InputError when two of them fall on the same scan or one is negative."""
    scans = [int(round(delay / tr)) for delay in delays]
    if len(set(scans)) < len(scans) or min(scans) < 0:
        raise InputError(
            f"encoding/delays: {list(delays)} s are {scans} scans at TR {tr} s; each must be >= 0 and on its own scan"
        )
    return scans


def delay(features, runs, delays):
    """Finite-impulse-response delays inside runs: nothing crosses a run boundary and nothing wraps.

    Parameters
    ----------
    features : array (n_scans, n_columns)
    runs : array (n_scans,)
        Run label of each scan; a run's scans are contiguous.
    delays : list of int
        Scans.

    Returns
    -------
    array (n_scans, n_columns * len(delays)), blocks of columns in the order of `delays`, zero where a run has no past
    """
    features = np.asarray(features)
    delayed = np.zeros((len(features), len(delays), features.shape[1]), dtype=features.dtype)
    for run in dict.fromkeys(runs):
        rows = np.flatnonzero(runs == run)
        for column, lag in enumerate(delays):
            delayed[rows[lag:], column] = features[rows[: len(rows) - lag]]
    return delayed.reshape(len(features), -1)


def position_basis(n_scans):
    """Low-order cosines over one run (DCT-II without the constant), shape (n_scans, POSITION_ORDER)."""
    phase = (np.arange(n_scans) + 0.5) / n_scans
    return np.cos(np.pi * phase[:, None] * np.arange(1, POSITION_ORDER + 1))


def nuisance_of_run(words, times, tr, names):
    """Undelayed nuisance features of one run, by name.

    Parameters
    ----------
    words : DataFrame
        One run of the words table.
    names : list of str
        `word_rate` (words per second), `word_length` (characters), or a numeric label column of the words table.

    Returns
    -------
    float array (n_scans, len(names))

    Raises
    ------
    InputError
        A name is neither built in nor a numeric column.
    """
    averaging = words_to_scans(words["onset"], words["offset"], times, tr)
    counts = np.diff(averaging.indptr)
    columns = []
    for name in names:
        if name == "word_rate":
            columns.append(counts / tr)
        elif name == "word_length":
            columns.append(averaging @ words["word"].str.len().to_numpy(float))
        elif name in words and is_numeric_dtype(words[name]):
            values = words[name].to_numpy(float)
            columns.append(averaging @ np.where(np.isfinite(values), values, np.nanmean(values)))
        else:
            numeric = [column for column in words if is_numeric_dtype(words[column])]
            raise InputError(
                f"encoding/nuisance: {name!r} is neither word_rate, word_length, position nor a numeric column of the "
                f"words table; numeric columns: {', '.join(numeric)}"
            )
    return np.column_stack(columns) if columns else np.zeros((len(times), 0))
