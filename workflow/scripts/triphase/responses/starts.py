"""Runs that begin at other moments of what is heard, as by onsets of their own: compared where they hear the same."""

import logging
from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

log = logging.getLogger(__name__)

# Share of a row (a scan) by which clocks may be apart and still count as one; [ours]. A trigger is logged with some
# milliseconds of jitter, and a haemodynamic response takes seconds.
TOLERANCE = 0.1
Key = TypeVar("Key", bound=Hashable)


def rows_before(starts: Mapping[Key, float], step: float, what: str) -> dict[Key, int]:
    """Rows that are left out at the start of each of some series, so that all begin where the last one does.

    Parameters
    ----------
    starts : dict of key to when its first row begins, s on the words' clock
    step : s between rows
    what : what the series are of, for the log, where they are still more than `TOLERANCE` of a row apart
    """
    latest = max(starts.values(), default=0.0)
    rows = {key: round((latest - start) / step) for key, start in starts.items()}
    apart = max((abs(latest - start - rows[key] * step) for key, start in starts.items()), default=0.0)
    if apart > TOLERANCE * step:
        log.warning(
            "rows of %s are up to %.2g s apart, counted from what is heard: correlations between them come out lower",
            what,
            apart,
        )
    return rows


def steps_from(times: np.ndarray, start: float, step: float) -> tuple[np.ndarray, float]:
    """Places of rows on a grid of `step` from `start` (s), int array; how far a row is from its place at most, s."""
    places = np.rint((times - start) / step).astype(int)
    return places, float(np.abs(times - start - places * step).max(initial=0.0))
