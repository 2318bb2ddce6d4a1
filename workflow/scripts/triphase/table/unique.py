"""Paired draws of unique variance at the headline layer."""

from collections.abc import Mapping

import pandas as pd

from triphase.core.artefacts import open_arrays
from triphase.core.types import Entries
from triphase.table.draws import drawn_row
from triphase.table.tidy import ALIGNMENT, UNIQUE


def unique_series(table: pd.DataFrame, files: Mapping[tuple[str, str, int], str]) -> Entries:
    """Bootstrap draws of unique variance at the headline layer, for every subject, region and part.

    Parameters
    ----------
    table, files : as of `alignment_series`

    Returns
    -------
    list of dict as of `alignment_series`; empty where a study has no partition
    """
    chosen = table.loc[table["measure"] == ALIGNMENT, ["model", "checkpoint", "layer", "subject"]].drop_duplicates()
    unique, rows = table[table["measure"] == UNIQUE].merge(chosen), []
    for place, group in unique.groupby(["model", "checkpoint", "layer"], sort=False):
        with open_arrays(files[place]) as result:
            boot, freedom = result["boot_unique"].load(), float(result["freedom"])
        for entry in group.to_dict("records"):
            where = {"listener": entry["subject"], "region": entry["roi"], "part": entry["target"]}
            rows.append(drawn_row(entry, entry["value"], boot.sel(where).values, freedom))
    return rows
