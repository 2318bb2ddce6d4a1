"""A clock whose unit is the word, for responses that have a row per word and not per scan.

On it the k-th word of a run lasts from k to k + 1. Scans of length 1 then hold one word each, so that whatever lays
words on scans (`words_to_scans`, `scan_grid`) lays each word on its own row, and needs to know nothing of this.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

# Seconds; two onsets nearer than this are one moment to the rate of words.
SHORTEST_INTERVAL = 0.05


def on_word_clock(words: pd.DataFrame) -> pd.DataFrame:
    """The words table with onset and offset on the clock of words, and `rate`: words per second since the word before.

    The first word of a run has the run's median rate.
    """
    parts = []
    for _, heard in words.groupby("run", sort=False):
        since = np.diff(heard["onset"].to_numpy(float), prepend=np.nan)
        rate = 1 / np.maximum(since, SHORTEST_INTERVAL)
        rate[0] = np.nanmedian(rate) if len(rate) > 1 else 0.0
        place = heard["index"].to_numpy(float)
        parts.append(heard.assign(onset=place, offset=place + 1, rate=rate))
    clocked = pd.concat(parts).loc[words.index]
    clocked.attrs = words.attrs
    return clocked


def sound_on_word_clock(sound: pd.DataFrame | None, words: pd.DataFrame) -> pd.DataFrame | None:
    """Frames of sound on the clock of words: each lies within the word that began last; none before the first.

    Parameters
    ----------
    sound : DataFrame with stimulus, time_s (s) and envelope, or None
    words : DataFrame, the words table, with times in seconds
    """
    if sound is None:
        return None
    parts = []
    for stimulus, frames in sound.groupby("stimulus", sort=False):
        heard = words[words["stimulus"] == stimulus]
        heard = heard[heard["run"] == heard["run"].iloc[0]].sort_values("onset") if len(heard) else heard
        begun = np.searchsorted(heard["onset"].to_numpy(float), frames["time_s"].to_numpy(float), side="right") - 1
        kept = begun >= 0
        place = heard["index"].to_numpy(float)[begun[kept]] + 0.5
        parts.append(frames[kept].assign(time_s=place))
    return pd.concat(parts, ignore_index=True)


def row_seconds(attributes: Mapping[str, Any], tr: float) -> float:
    """Seconds between rows of the responses: the TR, or of words their mean distance.

    `attributes` : of a subject's file
    """
    return float(attributes.get("row_seconds", tr))


def least_gap(attributes: Mapping[str, Any], seconds: float) -> float:
    """The least gap, s, between sides of a split: that of the config, and no less than the windows of a word span."""
    return max(seconds, float(attributes.get("reach_seconds", 0.0)))


def on_rows(words: pd.DataFrame, sound: pd.DataFrame | None, row: str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Words and sound on the clock of the responses' rows, which are "scan" (seconds, as they come) or "word"."""
    if row != "word":
        return words, sound
    return on_word_clock(words), sound_on_word_clock(sound, words)
