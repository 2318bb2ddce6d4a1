"""Plain text: one row per volume, one column per ROI, separated by white space."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

from triphase.config.readers import READERS
from triphase.core.content import check_content
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np
from triphase.core.tables import number_advice
from triphase.core.types import Section
from triphase.responses.readers.recording import AXES, TURNED, Recording, refuse_repeat, table_of


@READERS.register(name="text", needs={"columns": "SomeNames"}, accepts=AXES, megabytes=2000)
class TextReader:
    """Tables of numbers without a header. Small enough to be read whole."""

    def __init__(self, example: list[str], paths: Mapping[str, list[str]], source: Section):
        """Source : dict with `columns`, names of the ROIs in order, and optionally `axes`, how the tables lie."""
        self.turned, self.told = source.get("axes") == TURNED, "axes" in source
        self.columns = list(source["columns"])
        self.table = table_of(self.columns)

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run; a text file says nothing of its TR."""
        (path,) = paths
        refuse_repeat(run, path)
        values = read_numbers(path)
        values = values.T if self.turned else values
        if values.shape[1] != len(self.columns):
            turned = len(values) == len(self.columns)
            hint = " (its rows are as many: a row per region needs `axes: voxel, time`)" if turned else ""
            raise InputError(
                f"{path}: {values.shape[1]} columns, but the source's `columns` names {len(self.columns)}: "
                + ", ".join(self.columns)
                + hint
            )
        other = len(self.columns) if len(values) == len(self.columns) and not self.told else None
        return Recording(path, len(values), None, lambda: values.astype(np.float32), other)


def read_numbers(path: str | Path) -> np.ndarray:
    """A table of plain numbers without a header as (row, column) float64."""
    check_content(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="loadtxt: input contained no data")
            values = np.loadtxt(path, ndmin=2, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text in UTF-8 ({one_line(error)}); save it as UTF-8") from None
    except ValueError as error:
        found = re.search(r"string '([^']*)'", str(error))
        advice = number_advice(found[1]) if found else ""
        raise InputError(
            f"{path}: no table of numbers in rows of equal length, set apart by white space and without a header "
            f"({one_line(error)}){advice}"
        ) from None
    if not values.size:
        raise InputError(f"{path}: the table is empty; get the file again")
    return values
