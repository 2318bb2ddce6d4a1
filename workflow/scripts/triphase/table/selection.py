"""Which rows of the tidy table, and which of the paired draws, belong together: one measure under one analysis."""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from triphase.encoding.analyses import CHOICES, Analysis


@dataclass(frozen=True)
class Selection:
    """A measure, and what else to keep of it; all where not given.

    Attributes
    ----------
    measure : str
    targets : tuple of str
        What the measure is of, such as tasks or concepts.
    roi, subject : str
    analysis : Analysis
        The main one where not given.
    """

    measure: str
    targets: tuple[str, ...] | None = None
    roi: str | None = None
    subject: str | None = None
    analysis: Analysis | None = None

    @property
    def name(self) -> str:
        """The measure in words, with its targets and what is particular of its analysis."""
        targets = f" of {' and '.join(self.targets)}" if self.targets else ""
        choices = [str(value) for value in astuple(self.analysis) if value] if self.analysis else []
        return self.measure + targets + (f" ({', '.join(choices)})" if choices else "")

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a tidy table."""
        table = table[table["measure"] == self.measure]
        for key, wanted in self._conditions():
            table = table[table[key].isna() if wanted is None else table[key].isin(wanted)]
        return table

    def draws(self, boot: xr.Dataset) -> xr.Dataset:
        """The series of the paired draws, in which null is empty text."""
        kept = boot["measure"].values == self.measure
        for key, wanted in self._conditions():
            kept &= np.isin(boot[key].values, [""] if wanted is None else wanted)
        return boot.isel(series=kept)

    def _conditions(self) -> Iterator[tuple[str, tuple[Any, ...] | None]]:
        if self.targets is not None:
            yield "target", self.targets
        for key in ("roi", "subject"):
            if (wanted := getattr(self, key)) is not None:
                yield key, (wanted,)
        if self.analysis is None:
            yield "main", (True,)
            return
        for key in CHOICES:
            wanted = getattr(self.analysis, key)
            yield key, None if wanted is None else (wanted,)


def analyses_of(rows: pd.DataFrame) -> dict[Analysis, bool]:
    """The analyses that rows of the tidy table belong to, and of each whether it is the main one."""
    found = {}
    for row in rows[[*CHOICES, "main"]].drop_duplicates().to_dict("records"):
        choices: dict[str, Any] = {key: None if pd.isna(row[key]) else row[key] for key in CHOICES}
        found[Analysis(**choices)] = bool(row["main"])
    return found


def main_analysis(analyses: Mapping[Analysis, bool]) -> Analysis:
    """The main one of what `analyses_of` gives; one without choices where there is none."""
    return next((analysis for analysis, main in analyses.items() if main), Analysis())
