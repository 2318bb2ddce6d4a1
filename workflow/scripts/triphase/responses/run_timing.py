"""Whether every run follows what was heard in it, when it was heard: runs in a wrong order, or one with a clock apart.

All runs together tell a clock that is wrong in all of them (`triphase.responses.timing`). A run that was given another
run's words, or whose own onset is wrong, hides among the others; here each is looked at alone, against its own words at
every lag and against the words of every other stimulus. What counts as a difference is this project's own choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from triphase.core.types import Entries
from triphase.responses.electrodes import COURSE_RATE
from triphase.responses.timing import (
    FEWEST_SCANS,
    LAGS,
    SIGNIFICANT_P,
    STEP,
    haemodynamic_response,
    inner_scans,
    rate_at_lags,
)
from triphase.stats.autocorrelation import effective_size
from triphase.stats.scoring import fisher_z, pearson

# Seconds that the response to the last event takes to die away.
TAIL = 40.0
# Seconds after the middle of a word within which the envelope of high gamma follows it [ours].
CORTICAL_LAGS = (-0.5, 1.0)
# Standard errors by which one correlation must exceed another: 5 % of two sides.
APART = 1.96


@dataclass(frozen=True)
class Expected:
    """What the mean response of the deciding regions should look like.

    Attributes
    ----------
    tr : s, between rows of the course
    response : float array on a grid of `STEP`, that each event is followed by; None: the rate itself
    earliest, latest : s; lags of the best prediction that are plausible
    """

    tr: float
    response: np.ndarray | None
    earliest: float
    latest: float

    @classmethod
    def of_rows(cls, row: str, tr: float) -> "Expected":
        """What is expected of scans, a haemodynamic response within one TR, or of a cortical recording."""
        if row == "word":
            return cls(1 / COURSE_RATE, None, *CORTICAL_LAGS)
        return cls(tr, haemodynamic_response(), -tr, tr)

    @property
    def lags(self) -> np.ndarray:
        """Those of `LAGS` that are plausible."""
        return np.array([lag for lag in LAGS if self.allows(lag)])

    def allows(self, lag: float) -> bool:
        """Whether a lag is plausible."""
        return self.earliest - 1e-9 <= lag <= self.latest + 1e-9


def check_runs(
    events: Mapping[str, np.ndarray],
    stimuli: Mapping[str, str],
    courses: Mapping[str, np.ndarray],
    times: Mapping[str, np.ndarray],
    expected: Expected,
) -> Entries:
    """What each run by itself says of its clock and of what was heard in it.

    A run is told to follow other words where these predict it above chance, over all comparisons, and better than its
    own by `APART` standard errors; its clock is told to be wrong where its own words at a lag that is not plausible do.

    Parameters
    ----------
    events : dict of run to float array (event,), midpoints, s
    stimuli : dict of run to the name of its stimulus
    courses : dict of run to float array (time,), mean of the deciding regions
    times : dict of run to float array (time,), s
    expected : Expected

    Returns
    -------
    list of dict with run, r (of its own words, the best of the plausible lags), lag (s, of the best of all lags, or
    None), other (a stimulus whose words it follows instead, or None), plausible (bool; None where it does not tell)
    and reason
    """
    from scipy.stats import norm

    heard: dict[str, np.ndarray] = {}
    for run, middles in events.items():
        if run in courses and len(middles):
            heard.setdefault(stimuli[run], middles)
    totals = {stimulus: _cumulated(middles, expected.response) for stimulus, middles in heard.items()}
    looked = [run for run in courses if np.isfinite(courses[run]).all() and len(courses[run]) >= FEWEST_SCANS]
    comparisons = max(1, len(looked) * (len(heard) - 1 + len(LAGS) // max(1, len(expected.lags))))
    needed = norm.isf(SIGNIFICANT_P / comparisons)
    found = []
    for run in courses:
        entry: dict[str, Any] = {
            "run": run,
            "r": None,
            "lag": None,
            "other": None,
            "plausible": None,
            "reason": "too few scans",
        }
        found.append(entry)
        if run not in looked or run not in events or not len(events[run]):
            continue
        course, own = courses[run], stimuli[run]
        scores = {name: _best(total, course, times[run], expected) for name, total in totals.items()}
        mine, size = scores[own]
        entry["r"], entry["reason"] = mine, "does not follow its own words above chance"
        if fisher_z(mine) * np.sqrt(size - 3) > norm.isf(SIGNIFICANT_P):
            entry |= {"plausible": True, "reason": "follows its own words"}
        entry["lag"], peak = _peak(events[run], course, times[run], expected)
        rivals = {name: score for name, score in scores.items() if name != own and _beats(score, mine, needed)}
        other = max(rivals, key=lambda name: rivals[name][0], default=None)
        apart = entry["lag"] is not None and not expected.allows(entry["lag"]) and _beats(peak, mine, needed)
        if other and not (apart and peak[0] > rivals[other][0]):
            entry |= {"other": other, "plausible": False}
            entry["reason"] = (
                f"follows the words of {other} (r = {rivals[other][0]:.2f}) and not its own (r = {mine:.2f})"
            )
        elif apart:
            side = "later" if entry["lag"] > 0 else "earlier"
            entry["plausible"] = False
            entry["reason"] = (
                f"follows its words {abs(entry['lag']):g} s {side} than expected (r = {peak[0]:.2f}; at the expected "
                f"lag {mine:.2f})"
            )
    return found


def _beats(score, mine, needed):
    """Whether a correlation is above chance, and above that of a run's own words at the plausible lags."""
    r, size = score
    root = np.sqrt(size - 3)
    return fisher_z(r) * root > needed and (fisher_z(r) - fisher_z(mine)) * root / np.sqrt(2) > APART


def _cumulated(middles, response):
    """Grid (s) and the number of events, each followed by the response, up to each of its points."""
    begin = middles.min() - STEP
    steps = int(np.ceil((middles.max() + TAIL - begin) / STEP)) + 1
    density = np.bincount(((middles - begin) / STEP).astype(int), minlength=steps).astype(float)
    if response is not None:
        density = np.convolve(density, response)[:steps]
    return begin + STEP * np.arange(steps + 1), np.concatenate([[0.0], np.cumsum(density)])


def _best(total, course, times, expected):
    """The highest correlation of a course with what a stimulus makes one expect, and its effective n."""
    starts = times - expected.lags[:, None]
    rates = np.interp(starts + expected.tr, *total) - np.interp(starts, *total)
    r = pearson(rates.T, course[:, None])
    if not np.isfinite(r).any():
        return 0.0, float(len(course))
    best = int(np.nanargmax(r))
    return float(r[best]), effective_size(rates[best], course)


def _peak(middles, course, times, expected):
    """The lag (s) of the highest correlation with a run's own words, and that with its effective n; None too few."""
    inner = inner_scans(middles, times, expected.tr)
    if inner.sum() < FEWEST_SCANS:
        return None, (0.0, float(len(course)))
    rates = rate_at_lags(middles, times, expected.tr, expected.response)[:, inner]
    r = pearson(rates.T, course[inner, None])
    if not np.isfinite(r).any():
        return None, (0.0, float(len(course)))
    best = int(np.nanargmax(r))
    return float(LAGS[best]), (float(r[best]), effective_size(rates[best], course[inner]))


def misfits(found: Entries, most: int = 8) -> str | None:
    """One sentence on the runs that are not what they should be; None where all are."""
    wrong = [f"{entry['run']} {entry['reason']}" for entry in found if entry["plausible"] is False]
    if not wrong:
        return None
    more = f"; and {len(wrong) - most} more" if len(wrong) > most else ""
    return "; ".join(wrong[:most]) + more
