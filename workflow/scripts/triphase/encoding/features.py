"""From words to design matrices on the scanner's clock."""

import numpy as np
import scipy.sparse as sp
from pandas.api.types import is_numeric_dtype

from triphase.errors import InputError

# Columns of the position band: enough for a slow trend within a run, too few to follow the text.
POSITION_ORDER = 3
# Share of a TR by which the clock of a row may be off by rounding.
CLOCK_TOLERANCE = 1e-6


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


def scan_grid(times, tr, lead=0):
    """Every scan of a run that what was heard can reach, beside the rows that the responses hold.

    Volumes may be dropped at the start of a run, and rows be cut there. What was heard during them still drives the
    rows that follow, so features are made on this grid and delayed there, and only then cut to the rows.

    Parameters
    ----------
    times : float array (n_rows,)
        Acquisition of the rows that the responses hold, s on the words' clock, in order.
    tr : float
        Seconds.
    lead : int
        Scans of the grid before time 0 of the clock: the longest delay. They hold what was heard before the first
        scan, and zeros as a rule.

    Returns
    -------
    grid : float array (n_scans,)
        From `lead` scans before the scan at time 0 (the one in [0, tr)) to the last row, seconds.
    rows : int array (n_rows,)
        Place of each row on the grid, at least `lead`.

    Raises
    ------
    InputError
        The rows do not lie on one grid of `tr`.
    """
    times = np.asarray(times, float)
    first = max(int(np.floor(times[0] / tr + CLOCK_TOLERANCE)), 0) + lead
    steps = (times - times[0]) / tr
    rows = np.round(steps).astype(int)
    if np.abs(steps - rows).max() > CLOCK_TOLERANCE * max(len(rows), 1) or (np.diff(rows) < 1).any():
        raise InputError(f"responses: the rows of a run are not whole multiples of the TR, {tr} s, apart and in order")
    return times[0] + (np.arange(first + rows[-1] + 1) - first) * tr, rows + first


def delay(features, rows, delays):
    """Finite-impulse-response delays of one run: features as many scans before each row as its delay is long.

    Parameters
    ----------
    features : array (n_scans, n_columns)
        On the grid of `scan_grid`, with a lead of at least the longest delay.
    rows : int array (n_rows,)
        Place of each row on the grid.
    delays : list of int
        Scans.

    Returns
    -------
    array (n_rows, n_columns * len(delays)), blocks of columns in the order of `delays`
    """
    if len(rows) and min(rows) < max(delays):
        raise ValueError("the grid begins later than the longest delay before the first row")
    return np.concatenate([np.asarray(features)[np.asarray(rows) - lag] for lag in delays], axis=1)


def position_basis(n_scans):
    """Low-order cosines over one run (DCT-II without the constant), shape (n_scans, POSITION_ORDER)."""
    phase = (np.arange(n_scans) + 0.5) / n_scans
    return np.cos(np.pi * phase[:, None] * np.arange(1, POSITION_ORDER + 1))


def nuisance_of_run(words, times, tr, names, sound=None):
    """Undelayed nuisance features of one run, by name.

    Parameters
    ----------
    words : DataFrame
        One run of the words table.
    names : list of str
        `word_rate` (words per second), `word_length` (characters), `envelope` (of the sound), or a numeric label column
        of the words table. For annotations a word is one annotation.
    sound : DataFrame, optional
        time_s and envelope of the run's stimulus; scans after its end are silent.

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
        elif name == "envelope" and sound is not None:
            columns.append(words_to_scans(sound["time_s"], sound["time_s"], times, tr) @ sound["envelope"].to_numpy())
        elif name in words and is_numeric_dtype(words[name]):
            values = words[name].to_numpy(float)
            columns.append(averaging @ np.where(np.isfinite(values), values, np.nanmean(values)))
        else:
            numeric = [column for column in words if is_numeric_dtype(words[column])]
            raise InputError(
                f"encoding/nuisance: {name!r} is neither word_rate, word_length, envelope, position nor a numeric "
                f"column of the words table; numeric columns: {', '.join(numeric)}"
            )
    return np.column_stack(columns) if columns else np.zeros((len(times), 0))
