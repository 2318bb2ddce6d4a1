"""Confounds of a run: read, chosen, expanded, and the motion that they tell of.

All is done on the whole table, before the rows of dropped volumes are cut, so that the first volume kept has its true
difference to the one before it.
"""

import csv
import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from triphase.core.errors import InputError, one_line
from triphase.core.types import Section
from triphase.responses.motion import framewise_displacement, motion_parameters
from triphase.responses.readers.text import read_numbers

log = logging.getLogger(__name__)

# fMRIPrep's columns that compare a volume with the one before it, and so have no value for volume 0.
DIFFERENCES = ("*_derivative1*", "framewise_displacement", "*dvars", "rmsd")


def read_confounds(path: str | Path) -> pd.DataFrame:
    """Confounds of one run as a DataFrame: a .tsv table with a header, or plain columns, named "1", "2" ...

    `n/a` in the first row of a column that compares with the volume before (fMRIPrep's derivatives, framewise
    displacement, DVARS) is 0: nothing is known to have changed. Any other missing value stays NaN.
    """
    if Path(path).suffix != ".tsv":
        values = read_numbers(path)
        return pd.DataFrame(values, columns=[str(number + 1) for number in range(values.shape[1])])
    try:
        table = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, encoding="utf-8-sig", na_values=["n/a"])
        table = table.astype(float)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: not a table of numbers with one header ({one_line(error)})") from None
    if table.empty or not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path}: not a table with one header and rows of equal length")
    for name in table.columns:
        if any(fnmatchcase(name, pattern) for pattern in DIFFERENCES) and np.isnan(table[name].iloc[0]):
            table.loc[0, name] = 0.0
    return table


def choose_columns(table: pd.DataFrame, patterns: Sequence[str] | Literal[True], path: str | Path) -> pd.DataFrame:
    """The columns that any of some globs matches, in the table's order; all where `patterns` is True.

    Raises
    ------
    InputError : a glob that matches no column, with those there are
    """
    if patterns is True:
        return table
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in table.columns):
            names = ", ".join(table.columns[:12]) + (" ..." if len(table.columns) > 12 else "")
            raise InputError(f"responses/confounds: {pattern!r} matches no column of {path}; it has {names}")
    return table[[name for name in table.columns if any(fnmatchcase(name, pattern) for pattern in patterns)]]


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


def first_row(rows: int, volumes: int, dropped: tuple[int, int]) -> int | None:
    """The row of a confound table that belongs to the first volume of the response file; None where none fits.

    Parameters
    ----------
    rows : int, rows of the table; one per volume of the response file, or from volume 0 of the scan on, with or without
        the volumes missing at the end
    volumes : int, volumes in the response file
    dropped : tuple of int, volumes missing at its start and at its end
    """
    start, end = dropped
    return 0 if rows == volumes else start if rows in (start + volumes, start + volumes + end) else None


def match_rows(table: pd.DataFrame, volumes: int, dropped: tuple[int, int], path: str | Path) -> pd.DataFrame:
    """Confounds of the volumes that the response file holds.

    Parameters
    ----------
    table : DataFrame (time, confound)
    volumes, dropped : as in `first_row`
    path : str, for the message
    """
    first = first_row(len(table), volumes, dropped)
    if first is None:
        also = f" (or {volumes + sum(dropped)}, with the {sum(dropped)} dropped volumes)" if sum(dropped) else ""
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


def run_confounds(path: str | Path, volumes: int, dropped: tuple[int, int], cleaning: Section) -> pd.DataFrame:
    """What is regressed out of a run.

    Parameters
    ----------
    path : path of the run's confounds
    volumes, dropped : as in `first_row`
    cleaning : dict with confounds (list of glob, or True for all) and confound_expansion (as in `expand`)

    Returns
    -------
    DataFrame (volume of the response, confound)
    """
    table = choose_columns(read_confounds(path), cleaning["confounds"], path)
    return match_rows(expand(table, cleaning.get("confound_expansion") or []), volumes, dropped, path)


def motion_summary(path: str | Path, volumes: int, dropped: tuple[int, int]) -> dict[str, float]:
    """Mean and largest framewise displacement over the volumes of a response: dict with mean_fd and max_fd, mm, or {}.

    A description of the data: where the table does not tell, or does not fit, nothing is said.
    """
    try:
        motion = motion_parameters(read_confounds(path))
    except InputError as error:
        log.warning("no motion summary: %s", error)
        return {}
    if motion is None or (first := first_row(len(motion), volumes, dropped)) is None:
        return {}
    moved = framewise_displacement(motion)[max(first, 1) : first + volumes]
    if not len(moved) or not np.isfinite(moved).all():
        return {}
    return {"mean_fd": float(moved.mean()), "max_fd": float(moved.max())}
