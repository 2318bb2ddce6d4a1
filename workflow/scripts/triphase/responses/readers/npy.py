"""Arrays of NumPy: (time, voxel), mapped into memory and not read before they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triphase.config.readers import READERS
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np
from triphase.core.types import Section
from triphase.responses.readers.recording import SLAB_BYTES, Recording, refuse_repeat, table_of, unlabelled


class NpyReader:
    """One .npy file per run."""

    def __init__(self, example: str, columns: Sequence[str] | None = None):
        """Settle the voxels.

        Parameters
        ----------
        example : path of one of the subject's files, which tells the number of voxels
        columns : list of str, optional, a ROI name per voxel; without it voxels have no name
        """
        self.voxels = _mapped(example).shape[1]
        self.where = example
        if columns and len(columns) != self.voxels:
            raise InputError(
                f"{example}: {self.voxels} columns, but the source's `columns` names {len(columns)}: "
                + ", ".join(columns)
            )
        self.table = table_of(columns or unlabelled(self.voxels))

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run; the file says nothing of its TR."""
        (path,) = paths
        refuse_repeat(run, path)
        array = _mapped(path)
        if array.shape[1] != self.voxels:
            raise InputError(
                f"{path}: {array.shape[1]} voxels, but {self.where} has {self.voxels}; all runs need the same"
            )
        return Recording(path, len(array), None, lambda: _read(path))


@READERS.register(name="npy", suffixes=(".npy",), accepts={"columns": "SomeNames"})
def open_npy(example: list[str], paths: Mapping[str, list[str]], source: Section) -> NpyReader:
    """An `NpyReader`; see `triphase.config.readers.Reader`."""
    return NpyReader(example[0], source.get("columns"))


def _mapped(path):
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; get it again") from None
    except Exception as error:
        # The header is Python text: a damaged one ends in errors of many kinds.
        raise InputError(
            f"{path}: truncated, or not a .npy array of numbers ({one_line(error)}); get the file again"
        ) from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        shape = f"shape {array.shape}, {array.dtype}" if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"{path}: {shape}; a run is one array of numbers (time, voxel)")
    return array


def _read(path):
    array = _mapped(path)
    values = np.empty(array.shape, np.float32)
    step = max(1, SLAB_BYTES // (array.shape[1] * array.itemsize))
    for start in range(0, len(array), step):
        values[start : start + step] = array[start : start + step]
        # A new mapping for every slab: pages of one that stays would count as memory of this process.
        array = _mapped(path)
    return values
