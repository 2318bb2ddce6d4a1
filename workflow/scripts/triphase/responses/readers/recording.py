"""What a reader gives of one run, and what the readers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from triphase.core.errors import InputError
from triphase.core.lazy import np, pd
from triphase.core.tables import MISSING, need_column, read_cells, to_number
from triphase.core.types import Section
from triphase.responses.readers.images import LARGEST_LABEL

# Bytes that are read at a time.
SLAB_BYTES = 64_000_000


class Recording(NamedTuple):
    """One run, not read yet.

    path : of its file; volumes : in it; tr : s, None where the file has none; read : gives (time, voxel)
    other : length of the array's other axis, where nothing but the place of the axes says which of them is time
    part : first row of this run and the number of rows of its file, where that holds more
    """

    path: str
    volumes: int
    tr: float | None
    read: Callable[[], np.ndarray]
    other: int | None = None
    part: tuple[int, int] | None = None


# The order of the axes of an array, where a source says it.
AXES = {"axes": "Literal['time, voxel', 'voxel, time']"}
TURNED = "voxel, time"


class ResponseReader(Protocol):
    """What a reader gives of a subject: `table`, with roi, x, y and z (mm) per voxel, and the `Recording` of a run."""

    table: pd.DataFrame

    def open(self, paths: list[str], run: Section) -> Recording:
        """Look at the headers of a run's files."""


def only(paths: Mapping[str, list[str]], role: str) -> str | None:
    """The one file of a role, or None without any; InputError where there are several, as of a path with {run}."""
    found = paths.get(role, [])
    if len(found) > 1:
        raise InputError(
            f"{found[1]}: the source's `{role}` stands for {len(found)} files, this one and {found[0]}; one counts for "
            "all runs of a subject: leave {run} and {stimulus} out of its path"
        )
    return found[0] if found else None


def refuse_repeat(run: Section, path: str | Path) -> None:
    """InputError where a run is one of several hearings in a file that holds a single one."""
    if run.get("repeat"):
        raise InputError(
            f"dataset.runs: {run['name']} is hearing {run['repeat']} of {path}, but that file holds one; only source "
            "files of reader hdf5 with a repeats_key hold several"
        )


def table_of(roi: Sequence[str] | np.ndarray, coordinates: np.ndarray | None = None) -> pd.DataFrame:
    """The table of a reader: roi (text per voxel) and x, y, z (mm; NaN without `coordinates`, an array (voxel, 3))."""
    if coordinates is None:
        coordinates = np.full((len(roi), 3), np.nan)
    return pd.DataFrame({"roi": roi, **{axis: coordinates[:, i] for i, axis in enumerate("xyz")}})


def unlabelled(voxels: int) -> np.ndarray:
    """ROI names of voxels that have none."""
    return np.full(voxels, "", dtype=object)


def roi_names(
    labels: np.ndarray, rois: str, roi_table: str | None = None, known: Mapping[int, str] | None = None
) -> np.ndarray:
    """Names of whole-number labels; 0 is no ROI.

    Parameters
    ----------
    labels : int array (voxel,)
    rois : path of the file that the labels are from, for messages
    roi_table : path of a table with columns index and name (tab-separated), optional
    known : dict of label to name that the file itself holds, optional

    Raises
    ------
    InputError : the table has no such columns, or lacks a label
    """
    names = read_label_table(roi_table) if roi_table else known or {}
    if not roi_table and not names:
        if negative := [value for value in labels if value < 0]:
            raise InputError(f"{rois}: the label {negative[0]} is negative; 0 is no region, and labels count from 1")
        return np.array([f"roi-{value}" if value else "" for value in labels], dtype=object)
    if unnamed := sorted(set(labels.tolist()) - set(names) - {0}):
        raise InputError(f"{roi_table or rois}: no row for the label {unnamed[0]}, which {rois} holds")
    return np.array([names[value] if value else "" for value in labels], dtype=object)


def read_label_table(path: str | Path) -> dict[int, str]:
    """A table of labels with columns index and name: dict of int to str, without those that have no name.

    Raises
    ------
    InputError : a column lacks, an index is no whole number, or two rows give one index different names
    """
    table = read_cells(path)
    names: dict[int, str] = {}
    for column in ("index", "name"):
        need_column(path, table, column, "a label table has index and name")
    for row, index, name in zip(table.index, table["index"], table["name"].str.strip(), strict=True):
        number = to_number(index)
        if not np.isfinite(number) or number != int(number) or abs(number) > LARGEST_LABEL:
            raise InputError(f"{path}, row {row}: index is {index!r}; it must be a whole number, as in the image")
        if name in MISSING:
            continue
        if names.setdefault(int(number), name) != name:
            raise InputError(f"{path}, row {row}: the label {int(number)} is {name!r} and {names[int(number)]!r}")
    return names
