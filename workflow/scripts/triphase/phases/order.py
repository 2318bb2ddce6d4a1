"""Which perspective moves first in one training run: lags of turning points, lead and lag of changes.

Within one run neighbouring checkpoints depend on each other and all curves follow training, so that correlations over
checkpoints are description: they come without p-values, which `triphase.phases.across` takes over runs instead.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Section
from triphase.phases.behaviour import between_grid_points, declared
from triphase.phases.curves import Undetermined, read_curve
from triphase.phases.transitions import WORDS, Settings, merged, pattern
from triphase.phases.verdict import Judged
from triphase.stats.intervals import LEVEL
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT
from triphase.tasks.reading_times import POWER

FEWEST = 5  # pairs of values that a correlation is taken from
FARTHEST = 3  # lag in checkpoints
EVENTS = {
    "onset": "its rise is under way at the first checkpoint",
    "peak": "it rises until the last checkpoint",
    "trough": "it falls until the last checkpoint",
}
SCOPE = "description of one training run: no p-values"


def turning_points(kinds: list[str]) -> dict[str, int]:
    """Borders of segments that are turning points of a curve.

    Parameters
    ----------
    kinds : list of "rise", "fall", "plateau", neighbours differ

    Returns
    -------
    dict of event to the number of the segment that begins there: `onset` of the first rise, `peak` where that rise
    ends, `trough` where the next fall ends. 0 and len(kinds) are the ends of the grid, where the course was under way
    or goes on; an event that the curve does not have is left out.
    """
    if "rise" not in kinds:
        return {}
    rise = kinds.index("rise")
    events = {"onset": rise, "peak": rise + 1}
    if "fall" in kinds[rise:]:
        events["trough"] = kinds.index("fall", rise) + 1
    return events


class Events:
    """Turning points of one fitted curve: `kinds`, `points` (event to border), `places` (event to grid index), draws.

    Parameters
    ----------
    judged : verdict.Judged
    """

    def __init__(self, judged: Judged) -> None:
        signs, knots = judged.signs, judged.curve.fit.shape.knots
        self.t = judged.t
        self.kinds = [WORDS[sign] for sign in merged(signs)]
        self.points = turning_points(self.kinds)
        # Columns of the refits: the grid's ends and every knot; borders of merged segments are some of these.
        borders = [0, *(i + 1 for i in range(len(knots)) if signs[i] != signs[i + 1]), len(knots) + 1]
        columns = {event: borders[point] for event, point in self.points.items()}
        ends = [0, *knots, len(self.t) - 1]
        self.places = {event: ends[column] for event, column in columns.items()}
        self.draws = {event: judged.edges[:, column] for event, column in columns.items()}

    def censored(self, event: str) -> bool:
        """Whether the event lies at an end of the grid, so that where it is cannot be seen."""
        return self.points[event] in (0, len(self.kinds))


def order(
    table: pd.DataFrame,
    boot: xr.Dataset,
    headline: Section,
    fits: Mapping[str, Judged],
    settings: Settings,
    rng: np.random.Generator,
) -> Section:
    """The entry `order` of phases.json.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    boot : xarray.Dataset
        Paired draws of the same model.
    headline : dict with tasks and adherence
    fits : dict of name to verdict.Judged
        Perspectives that are fitted already: alignment, accuracy, adherence, where they could be.
    settings : transitions.Settings
    rng : numpy.random.Generator
    """
    fits, entries = dict(fits), {}
    asked = {"alignment": Selection(ALIGNMENT), **declared(headline)}
    for name, (selection, rows) in internal_states(table).items():
        asked[name] = selection
        try:
            fits[name] = Judged(read_curve(rows, boot, selection), settings, rng)
        except Undetermined as problem:
            entries[name] = named(selection) | {"pattern": None, "events": {}, "reason": str(problem)}
    events = {name: Events(fit) for name, fit in fits.items()}
    for name, found in events.items():
        seen = [event for event in found.places if not found.censored(event)]
        places = {event: round(10 ** found.t[found.places[event]]) for event in seen}
        words = pattern(fits[name].signs)
        entries[name] = named(asked[name]) | {"pattern": words, "events": places, "reason": None}
    pairs = list(combinations(fits, 2))
    return {
        "scope": SCOPE,
        "perspectives": entries,
        "lags": [
            {"first": a, "second": b, **lag({a: events[a], b: events[b]}, event)}
            for a, b in pairs
            for event in EVENTS
            if event in events[a].points and event in events[b].points
        ],
        "lead_lag": [{"first": a, "second": b, **lead_lag(*shared(fits[a], fits[b]))} for a, b in pairs],
        "correlations": [{"first": a, "second": b, **correlations(*shared(fits[a], fits[b]))} for a, b in pairs],
    }


def named(selection: Selection) -> Section:
    """What a perspective is measured by, for JSON."""
    return {"measure": selection.measure, "targets": selection.targets and list(selection.targets)}


def internal_states(table: pd.DataFrame) -> dict[str, tuple[Selection, pd.DataFrame]]:
    """Perspectives on internal states, name to (selection, tidy rows): probes at the headline's layer, psychometric
    power, and surprisal.

    Surprisal is counted negative: like the others it rises as a model learns. The layer is the one that most subjects
    have as theirs.
    """
    layers = Selection(ALIGNMENT).rows(table)["layer"].dropna()
    concepts = table.loc[table["measure"] == "selectivity", "target"].dropna().unique()
    surprisal, found = Selection("surprisal"), {}
    if len(concepts) and len(layers):
        probes = Selection("selectivity", tuple(sorted(map(str, concepts))))
        found["probes"] = probes, table[table["layer"] == layers.mode().iloc[0]]
    if len(Selection(POWER).rows(table)):
        found["reading"] = Selection(POWER), table
    if len(rows := surprisal.rows(table)):
        found["surprisal"] = surprisal, rows.assign(value=-rows["value"])
    return found


def lag(names: Mapping[str, Events], event: str) -> Section:
    """Lag of an event from one perspective to another (`names`, two), as a factor in tokens, with its interval.

    The interval is that of the paired draws. A grid locates each of the two no finer than its own steps, so each draw
    is spread over half a step to either side.
    """
    entry = dict.fromkeys(("factor", "interval", "order", "reason")) | {"event": event, "interval_level": LEVEL}
    censored = [name for name, events in names.items() if events.censored(event)]
    if censored:
        return entry | {"reason": f"{' and '.join(censored)}: {EVENTS[event]}"}
    one, other = names.values()
    number = min(len(one.draws[event]), len(other.draws[event]))
    first, second = between_grid_points(one.t, other.t, one.draws[event][:number], other.draws[event][:number])
    low, high = np.quantile(second - first, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    resolved = "second later" if low > 0 else "second earlier" if high < 0 else "not resolved"
    middle = other.t[other.places[event]] - one.t[one.places[event]]
    return entry | {"factor": float(10**middle), "interval": [float(10**low), float(10**high)], "order": resolved}


def shared(one: Judged, other: Judged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log10 tokens and values of two fitted curves at the checkpoints that both have."""
    t, here, there = np.intersect1d(one.t, other.t, return_indices=True)
    return t, one.curve.values[here], other.curve.values[there]


def lead_lag(t: np.ndarray, first: np.ndarray, second: np.ndarray) -> Section:
    """Correlation of the changes per decade of tokens at lags in checkpoints; above 0 the first changes before.

    None where fewer than five pairs of changes are left, or one of the two does not vary.
    """
    lags = list(range(-FARTHEST, FARTHEST + 1))
    a, b = np.diff(first) / np.diff(t), np.diff(second) / np.diff(t)
    pairs = [(a[: len(a) - k], b[k:]) if k >= 0 else (a[-k:], b[: len(b) + k]) for k in lags]
    return {"lags": lags, "r": [correlation(*pair) for pair in pairs], "n": [len(pair[0]) for pair in pairs]}


def correlations(t: np.ndarray, first: np.ndarray, second: np.ndarray) -> Section:
    """Correlation of two curves over checkpoints, and the same given log10 tokens; None for fewer than five."""
    entry = {"r": None, "partial": None, "given": "log10 tokens", "n": len(t)}
    if len(t) < FEWEST:
        return entry
    rest = [beyond_trend(t, values) for values in (first, second)]
    return entry | {"r": correlation(first, second), "partial": correlation(*rest)}


def beyond_trend(t: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Residuals of a straight line over t; 0 where they are rounding."""
    rest = values - np.polynomial.Polynomial.fit(t, values, 1)(t)
    return np.where(np.abs(rest) > 1e-9 * np.abs(values).max(), rest, 0)


def correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Pearson r, or None for fewer than five pairs or without variance."""
    if len(a) < FEWEST or not np.ptp(a) or not np.ptp(b):
        return None
    return float(np.corrcoef(a, b)[0, 1])
