"""Draws of psychometric power over the checkpoints of a study."""

import pandas as pd

from triphase.core.types import Entries
from triphase.tasks.reading_times import POWER, reading_draws


def reading_series(series: Entries, tables: list[pd.DataFrame], n_draws: int, seed: int) -> Entries:
    """Bootstrap draws of psychometric power, readers drawn alike at every checkpoint of every model.

    Parameters
    ----------
    series : list of dict
    tables : list of DataFrame, from `measure_reading`, in the order of `series`
    """
    rows = []
    for entry, table in zip(series, tables, strict=True):
        gain, n = table["gain"].to_numpy(float), table["n"].to_numpy(float)
        own = {"measure": POWER, "target": table.attrs["name"], "main": True, "n": int(n.sum())}
        drawn = {"boot": reading_draws(gain, n, n_draws, seed), "freedom": len(gain) - 1.0}
        rows.append(entry | own | drawn | {"value": float(gain.sum() / n.sum())})
    return rows
