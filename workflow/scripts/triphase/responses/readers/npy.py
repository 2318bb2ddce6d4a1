"""Arrays of NumPy: (time, voxel), mapped into memory and not read before they are needed."""

from __future__ import annotations

from collections.abc import Mapping

from triphase.config.readers import READERS
from triphase.core.content import check_content
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np
from triphase.core.types import Section
from triphase.responses.readers.recording import (
    AXES,
    SLAB_BYTES,
    TURNED,
    Recording,
    refuse_repeat,
    table_of,
    unlabelled,
)


@READERS.register(name="npy", suffixes=(".npy",), accepts={"columns": "SomeNames"} | AXES)
class NpyReader:
    """One .npy file per run."""

    def __init__(self, example: list[str], paths: Mapping[str, list[str]], source: Section):
        """Settle the voxels.

        Parameters
        ----------
        example : list of one of the subject's files, which tells the number of voxels
        source : dict with, optionally, `columns`, a ROI name per voxel; without it voxels have no name; and `axes`, how
            the arrays lie
        """
        (self.where,), columns = example, source.get("columns")
        self.turned, self.told, self.named = source.get("axes") == TURNED, "axes" in source, bool(columns)
        self.voxels = _mapped(self.where, self.turned).shape[1]
        if columns and len(columns) != self.voxels:
            raise InputError(
                f"{self.where}: {self.voxels} columns, but the source's `columns` names {len(columns)}: "
                + ", ".join(columns)
            )
        self.table = table_of(columns or unlabelled(self.voxels))

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run; the file says nothing of its TR."""
        (path,) = paths
        refuse_repeat(run, path)
        array = _mapped(path, self.turned)
        if array.shape[1] != self.voxels:
            hint = "; arrays (voxel, time) need `axes: voxel, time`" if len(array) == self.voxels else ""
            raise InputError(
                f"{path}: {array.shape[1]} voxels, but {self.where} has {self.voxels}; all runs need the same{hint}"
            )
        # Names tell which axis is which, unless there are as many time points.
        other = None if self.told or (self.named and len(array) != self.voxels) else self.voxels
        return Recording(path, len(array), None, lambda: _read(path, self.turned), other)


def _mapped(path, turned):
    check_content(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        # The header is Python text: a damaged one ends in errors of many kinds.
        raise InputError(
            f"{path}: truncated, or not a .npy array of numbers ({one_line(error)}); get the file again"
        ) from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        shape = f"shape {array.shape}, {array.dtype}" if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"{path}: {shape}; a run is one array of numbers (time, voxel)")
    return array.T if turned else array


def _read(path, turned):
    array = _mapped(path, turned)
    values = np.empty(array.shape, np.float32)
    step = max(1, SLAB_BYTES // (array.shape[1] * array.itemsize))
    for start in range(0, len(array), step):
        values[start : start + step] = array[start : start + step]
        # A new mapping for every slab: pages of one that stays would count as memory of this process.
        array = _mapped(path, turned)
    return values
