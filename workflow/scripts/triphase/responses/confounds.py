"""Confounds of a run: read, chosen, expanded, and the motion that they tell of.

All is done on the whole table, before the rows of dropped volumes are cut, so that the first volume kept has its true
difference to the one before it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.tables import NUMBER, UNKNOWN, number_advice, read_cells, to_number
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.responses.motion import framewise_displacement, motion_parameters
from triphase.responses.readers.text import read_numbers

log = logging.getLogger(__name__)

# fMRIPrep's columns that compare a volume with the one before it, and so have no value for volume 0.
DIFFERENCES = ("*_derivative1*", "framewise_displacement", "*dvars", "rmsd")


def read_confounds(path: str | Path, patterns: Sequence[str] | Literal[True] = True) -> pd.DataFrame:
    """Confounds of one run as a DataFrame: a .tsv or .csv table with a header, or plain columns, named "1", "2" ...

    `n/a` in the first row of a column that compares with the volume before (fMRIPrep's derivatives, framewise
    displacement, DVARS) is 0: nothing is known to have changed. Any other missing value stays NaN.

    Parameters
    ----------
    path : path of the table
    patterns : as in `choose_columns`; columns that are not chosen may hold text

    Raises
    ------
    InputError : no table; a chosen column without a name, or with something that is no number
    """
    table = choose_columns(_read(path), patterns, path)
    remedy = "name those that are confounds in responses/confounds, or leave this one out of the table"
    for name, column in table.items():
        if not name:
            raise InputError(
                f"{path}: a column of its header has no name, as an index written along has none; {remedy}"
            )
        if column.dtype != float:
            row, text = next((row, text) for row, text in enumerate(column) if np.isnan(to_number(text)))
            what = f"column {name} is {text!r} in row {row} below the header, no number{number_advice(text)}"
            raise InputError(f"{path}: {what}; {remedy}")
    return table


def _read(path):
    """All columns, those of numbers as floats, any other as text."""
    if Path(path).suffix.lower() not in (".tsv", ".csv"):
        values = read_numbers(path)
        return pd.DataFrame(values, columns=[str(number + 1) for number in range(values.shape[1])])
    table = read_cells(path)
    if all(NUMBER.fullmatch(name) for name in table.columns):
        raise InputError(
            f"{path}: its first line is numbers, so it has no header; put the names of its columns before it, or "
            "name it .txt, with its columns set apart by white space"
        )
    if table.empty:
        raise InputError(f"{path}: the table has a header and no rows")
    table = pd.DataFrame({name: _numbers(column) for name, column in table.items()}).reset_index(drop=True)
    for name in table.columns:
        if any(fnmatchcase(name, pattern) for pattern in DIFFERENCES) and table[name].dtype == float:
            table.loc[0, name] = np.nan_to_num(table[name].iloc[0], nan=0.0)
    return table


def _numbers(column):
    missing = column.str.strip().str.lower().isin(UNKNOWN)
    numbers = column.map(to_number).astype(float)
    return column if (numbers.isna() & ~missing).any() else numbers


def choose_columns(table: pd.DataFrame, patterns: Sequence[str] | Literal[True], path: str | Path) -> pd.DataFrame:
    """The columns that any of some globs matches, in the table's order; all where `patterns` is True.

    Raises
    ------
    InputError : a glob that matches no column, with those there are
    """
    chosen = ["*"] if patterns is True else [composed(pattern) for pattern in patterns]
    for pattern in chosen:
        if not any(fnmatchcase(name, pattern) for name in table.columns):
            names = ", ".join(table.columns[:12]) + (" ..." if len(table.columns) > 12 else "")
            raise InputError(f"responses/confounds: {pattern!r} matches no column of {path}; it has {names}")
    return table[[name for name in table.columns if any(fnmatchcase(name, pattern) for pattern in chosen)]]


def expand(table: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """Confounds with their expansions.

    Parameters
    ----------
    table : DataFrame (volume, confound)
    kinds : list among "derivatives", each column minus itself one volume before, 0 for the first; and "squares", of the
        columns and, where there are any, of their derivatives. Both make 24 of six motion parameters: the set of
        Friston et al. (1996) in the form of Satterthwaite et al. (2013) and fMRIPrep, with the difference to the volume
        before where Friston et al. have that volume's own value.

    Returns
    -------
    DataFrame, the given columns first
    """
    if "derivatives" in kinds:
        change = table.diff()
        change.iloc[0] = 0.0
        table = pd.concat([table, change.add_suffix(" derivative")], axis=1)
    if "squares" in kinds:
        table = pd.concat([table, (table**2).add_suffix(" squared")], axis=1)
    return table


@dataclass(frozen=True)
class Rows:
    """Which rows of a table of confounds belong to a run.

    Attributes
    ----------
    volumes : of the response
    dropped : volumes of the scan that its file lacks at its start and at its end
    part : first row of the run and rows of the response's file, where that holds more than this run
    """

    volumes: int
    dropped: tuple[int, int] = (0, 0)
    part: tuple[int, int] | None = None

    def first(self, rows: int) -> int | None:
        """The row of the response's first volume in a table of so many rows; None where none fits.

        A table has a row per volume of the run, or of the file that holds it; or one from volume 0 of the scan on, with
        or without the volumes missing at the end.
        """
        if rows == self.volumes:
            return 0
        begin, whole = self.part or (0, self.volumes)
        start, end = self.dropped
        if rows == whole:
            return begin
        return start + begin if rows in (start + whole, start + whole + end) else None


def match_rows(table: pd.DataFrame, rows: Rows, path: str | Path) -> pd.DataFrame:
    """Confounds of the volumes of a run.

    Parameters
    ----------
    table : DataFrame (time, confound)
    rows : of the run
    path : str, for the message
    """
    first, volumes, dropped = rows.first(len(table)), rows.volumes, sum(rows.dropped)
    if first is None:
        also = f" (or {volumes + dropped}, with the {dropped} dropped volumes)" if dropped else ""
        also += f" of the {rows.part[1]} of its file" if rows.part else ""
        raise InputError(f"{path}: {len(table)} rows, but the response has {volumes} volumes{also}")
    table = table.iloc[first : first + volumes]
    wrong = ~np.isfinite(table.to_numpy())
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{path}: column {table.columns[column]} has no number for volume {row}; a confound needs one for every "
            "volume (responses/confounds can leave the column out)"
        )
    return table


def run_confounds(path: str | Path, rows: Rows, cleaning: Section) -> pd.DataFrame:
    """What is regressed out of a run.

    Parameters
    ----------
    path : path of the run's confounds
    rows : of the run
    cleaning : dict with confounds (list of glob, or True for all) and confound_expansion (as in `expand`)

    Returns
    -------
    DataFrame (volume of the response, confound)
    """
    table = read_confounds(path, cleaning["confounds"])
    return match_rows(expand(table, cleaning.get("confound_expansion") or []), rows, path)


def motion_summary(path: str | Path, rows: Rows) -> dict[str, float]:
    """Mean and largest framewise displacement over the volumes of a response: dict with mean_fd and max_fd, mm, or {}.

    A description of the data: where the table does not tell, or does not fit, nothing is said.
    """
    try:
        motion = motion_parameters(_read(path), rotations_first=Path(path).suffix == ".par")
    except (InputError, ValueError) as error:  # also text among the parameters
        log.warning("no motion summary: %s", error)
        return {}
    if motion is None or (first := rows.first(len(motion))) is None:
        return {}
    moved = framewise_displacement(motion)[max(first, 1) : first + rows.volumes]
    if not len(moved) or not np.isfinite(moved).all():
        return {}
    return {"mean_fd": float(moved.mean()), "max_fd": float(moved.max())}
