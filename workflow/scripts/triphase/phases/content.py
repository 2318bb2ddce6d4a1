"""What of a model's alignment is more than its words: gains over every nuisance set, and unique variance."""

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Section
from triphase.encoding.analyses import NUISANCE_SETS, Analysis
from triphase.phases.curves import Trajectory, average_subjects, selected_curves, subject_curves
from triphase.stats.intervals import half_width
from triphase.table.selection import Selection, analyses_of, main_analysis
from triphase.table.tidy import ALIGNMENT, UNIQUE

# Of unique variance, in the order of the table.
PARTS = ("model", "identity", "surprisal")


def content(table: pd.DataFrame, boot: xr.Dataset, roi: str, seed: int) -> Section:
    """Alignment over every nuisance set, and unique variance, at the last checkpoint, and their change since the first.

    Parameters
    ----------
    table, boot : tidy rows and paired draws of one model
    roi : str
    seed : int, by which subjects are resampled

    Returns
    -------
    dict with `over` (nuisance set) and `unique` (part), each a dict of name to checkpoint, value, interval (95 %),
    since (the first checkpoint), tokens (of first and last, None where they are unknown), change, change_interval;
    names that the study does not have are missing, and an interval is None without draws
    """
    over = {name: subject_curves(table, boot, roi, analysis) for name, analysis in gains_over(table).items()}
    rows = unique_rows(table)
    unique = {part: selected_curves(rows, boot, Selection(UNIQUE, (part,), roi)) for part in PARTS}
    means = {
        kind: {
            name: average_subjects(list(curves.values()), np.random.default_rng(seed))
            for name, curves in each.items()
            if curves
        }
        for kind, each in {"over": over, "unique": unique}.items()
    }
    return {
        kind: {name: _ends(mean) for name, mean in each.items() if len(mean.values)} for kind, each in means.items()
    }


def gains_over(table: pd.DataFrame) -> dict[str, Analysis]:
    """The headline's analysis, and those that differ from it in their nuisance set alone, by that set."""
    analyses = analyses_of(table[table["measure"] == ALIGNMENT])
    own = main_analysis(analyses)
    alike = {str(one.nuisance): one for one in analyses if one.differs(own) in ([], ["nuisance"])}
    return {name: alike[name] for name in NUISANCE_SETS if name in alike}


def unique_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of unique variance at each subject's headline layer, of which alone there are draws."""
    layers = table.loc[table["measure"] == ALIGNMENT, ["subject", "layer"]].drop_duplicates()
    return table[table["measure"] == UNIQUE].merge(layers)


def _ends(mean: Trajectory) -> Section:
    values, draws = mean.values, mean.draws

    def interval(value: float, drawn: np.ndarray) -> list[float] | None:
        half = float(half_width(np.std(drawn, ddof=1), mean.freedom))
        return [float(value - half), float(value + half)] if np.isfinite(half) else None

    change, ends = values[-1] - values[0], mean.tokens[[0, -1]]
    return {
        "checkpoint": mean.checkpoint[-1],
        "value": float(values[-1]),
        "interval": None if draws is None else interval(values[-1], draws[-1]),
        "since": mean.checkpoint[0],
        "tokens": [float(tokens) for tokens in ends] if np.isfinite(ends).all() else None,
        "change": float(change),
        "change_interval": None if draws is None else interval(change, draws[-1] - draws[0]),
    }
