"""From words to design matrices on the scanner's clock."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike
from pandas.api.types import is_numeric_dtype

from triphase.core.errors import InputError
from triphase.core.texts import graphemes

# Columns of the position band: enough for a slow trend within a run, too few to follow the text.
POSITION_ORDER = 3
# How words become scans, and the lobes of the Lanczos window.
SAMPLINGS = ("mean", "sum", "last", "lanczos")
LOBES = 3
# Share of a TR by which the clock of a row may be off by rounding.
CLOCK_TOLERANCE = 1e-6


def words_to_scans(
    onsets: ArrayLike, offsets: ArrayLike, times: np.ndarray, tr: float, how: str = "mean"
) -> sp.csr_array:
    """Matrix that takes the words of one run to its scans.

    A word stands at its midpoint. `mean`, `sum` and `last` look at the words whose midpoint lies in the scan's interval
    [time, time + TR): their average, their sum, or the one that comes last. `lanczos` low-pass filters the words as a
    train of impulses at the Nyquist frequency of the scans and reads it in the middle of each interval:

        L(x) = sinc(x) sinc(x / 3) for |x| < 3, else 0, with x = (middle of the scan - midpoint of the word) / TR

    as in the encoding models of Huth et al. (2016) and LeBel et al. (2023): three lobes, and weights that are not
    normalised, so that like a sum it grows with the rate of words (its weights over evenly spaced words sum to about
    their number per TR). Scans that no word reaches are zero.

    Parameters
    ----------
    onsets, offsets : float arrays (n_words,)
        Seconds.
    times : float array (n_scans,)
        Acquisition of each scan, seconds on the same clock, evenly spaced by `tr`.
    tr : float
        Seconds.
    how : str
        mean, sum, last or lanczos.

    Returns
    -------
    scipy.sparse.csr_array (n_scans, n_words)

    Raises
    ------
    ValueError
        `how` is none of these.
    """
    if how not in SAMPLINGS:
        raise ValueError(f"words become scans by {', '.join(SAMPLINGS)}, not by {how!r}")
    midpoints = (np.asarray(onsets, float) + np.asarray(offsets, float)) / 2
    place = (midpoints - times[0]) / tr
    scan, word = np.floor(place).astype(int), np.arange(len(midpoints))
    if how == "lanczos":
        # Scan k stands at k + 1/2; 2 LOBES of them lie within the window of a word.
        scan = np.floor(place - 0.5).astype(int)[:, None] + np.arange(1 - LOBES, LOBES + 1)
        distance = scan + 0.5 - place[:, None]
        weight = (np.sinc(distance) * np.sinc(distance / LOBES)).ravel()
        scan, word = scan.ravel(), np.repeat(word, 2 * LOBES)
    inside = (scan >= 0) & (scan < len(times))
    scan, word = scan[inside], word[inside]
    if how == "last":
        # Words of one midpoint, as those of several annotators, count in their order.
        order = np.lexsort((word, midpoints[word], scan))
        final = order[np.flatnonzero(np.diff(scan[order], append=len(times)))]
        scan, word = scan[final], word[final]
    if how == "lanczos":
        weight = weight[inside]
    else:
        weight = 1.0 / np.bincount(scan)[scan] if how == "mean" else np.ones(len(scan))
    return sp.csr_array((weight, (scan, word)), shape=(len(times), len(midpoints)))


@dataclass(frozen=True, eq=False)
class Timeline:
    """When the rows of the responses were acquired, and how what was heard is laid on them.

    Attributes
    ----------
    runs, times : arrays (n_scans,), run and acquisition (s, on the words' clock) of each row
    tr : float, s
    delays : list of int, scans
    downsampling : str, see `words_to_scans`
    averaged : bool, whether features are the mean over the delays, in place of columns for each
    """

    runs: np.ndarray
    times: np.ndarray
    tr: float
    delays: list[int]
    downsampling: str = "mean"
    averaged: bool = False

    @property
    def column_delays(self) -> list[int]:
        """Delays that have columns of their own, of features that `blended` has made."""
        return [0] if self.averaged else self.delays

    def blended(self, features: np.ndarray) -> np.ndarray:
        """Features of a run's grid (n_scans, n_columns): the mean over the delays where they are averaged, else as they
        are. Scans before the longest delay, which no row of the responses is, are zeros then.
        """
        if not self.averaged:
            return features
        lead, n = max(self.delays), len(features)
        found = np.zeros_like(features)
        found[lead:] = np.mean([features[lead - lag : n - lag] for lag in self.delays], axis=0)
        return found


def shared_reach(how: str) -> int:
    """Scans by which two scans can lie apart and still hold a common word: what sampling adds to a gap."""
    return 2 * LOBES - 1 if how == "lanczos" else 0


def scan_grid(times: ArrayLike, tr: float, lead: int = 0) -> tuple[np.ndarray, np.ndarray]:
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


def delay(features: np.ndarray, rows: np.ndarray, delays: list[int]) -> np.ndarray:
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


def position_basis(n_scans: int) -> np.ndarray:
    """Low-order cosines over one run (DCT-II without the constant), shape (n_scans, POSITION_ORDER)."""
    phase = (np.arange(n_scans) + 0.5) / n_scans
    return np.cos(np.pi * phase[:, None] * np.arange(1, POSITION_ORDER + 1))


def nuisance_of_run(
    words: pd.DataFrame,
    times: np.ndarray,
    tr: float,
    names: list[str],
    sound: pd.DataFrame | None = None,
    how: str = "mean",
) -> np.ndarray:
    """Undelayed nuisance features of one run, by name.

    What belongs to words is sampled as the words' vectors are: a band that was sampled otherwise could gain by that
    alone. The rate is that of the same weights: words counted in each scan's interval, or with `lanczos` low-pass
    filtered. The envelope is a mean over the interval in any case.

    Parameters
    ----------
    words : DataFrame
        One run of the words table.
    names : list of str
        `word_rate` (words per second), `word_length` (graphemes), `envelope` (of the sound), or a numeric label column
        of the words table. For annotations a word is one annotation.
    sound : DataFrame, optional
        time_s and envelope of the run's stimulus; scans after its end are silent.
    how : str, see `words_to_scans`

    Returns
    -------
    float array (n_scans, len(names))

    Raises
    ------
    InputError
        A name is neither built in nor a numeric column.
    """
    sampling = words_to_scans(words["onset"], words["offset"], times, tr, how)
    columns = []
    for name in names:
        if name == "word_rate" and "rate" in words:  # rows are words, see `triphase.encoding.word_rows`
            columns.append(sampling @ words["rate"].to_numpy(float))
        elif name == "word_rate":
            counting = words_to_scans(
                words["onset"], words["offset"], times, tr, "lanczos" if how == "lanczos" else "sum"
            )
            columns.append(counting.sum(axis=1) / tr)
        elif name == "word_length":
            columns.append(sampling @ words["word"].map(graphemes).to_numpy(float))
        elif name == "envelope" and sound is not None:
            columns.append(words_to_scans(sound["time_s"], sound["time_s"], times, tr) @ sound["envelope"].to_numpy())
        elif name in words and is_numeric_dtype(words[name]):
            values = words[name].to_numpy(float)
            columns.append(sampling @ np.where(np.isfinite(values), values, np.nanmean(values)))
        else:
            numeric = [str(column) for column in words if is_numeric_dtype(words[column])]
            raise InputError(
                f"encoding/nuisance: {name!r} is neither word_rate, word_length, zipf_frequency, envelope, position "
                f"nor a numeric column of the words table; numeric columns: {', '.join(numeric)}"
            )
    return np.column_stack(columns) if columns else np.zeros((len(times), 0))
