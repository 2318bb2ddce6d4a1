"""What a reader gives of one run, and what the readers share."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np, pd
from triphase.core.types import Section

# Bytes that are read at a time.
SLAB_BYTES = 64_000_000


class Recording(NamedTuple):
    """One run, not read yet: its volumes, its TR in s (None where the file has none), and how to read it."""

    path: str
    volumes: int
    tr: float | None
    read: Callable[[], np.ndarray]


class ResponseReader(Protocol):
    """What a reader gives of a subject: `table`, with roi, x, y and z (mm) per voxel, and the `Recording` of a run."""

    table: pd.DataFrame

    def open(self, paths: list[str], run: Section) -> Recording:
        """Look at the headers of a run's files."""


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
        return np.array([f"roi-{value}" if value else "" for value in labels], dtype=object)
    if unnamed := sorted(set(labels.tolist()) - set(names) - {0}):
        raise InputError(f"{roi_table or rois}: no row for the label {unnamed[0]}, which {rois} holds")
    return np.array([names[value] if value else "" for value in labels], dtype=object)


def read_label_table(path: str | Path) -> dict[int, str]:
    """A table of labels with columns index and name (tab-separated): dict of int to str."""
    try:
        table = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, encoding="utf-8-sig")
        return dict(zip(table["index"].astype(int), table["name"].astype(str), strict=True))
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: needs the columns index (whole number) and name ({one_line(error)})") from None
