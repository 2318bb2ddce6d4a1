"""HDF5: (time, voxel) under a key, as in .hf5 files (LeBel et al. 2023) and MATLAB's v7.3 (Narrative Movie).

Columns are the voxels of a mask, or of the whole grid that the mask cuts, with x fastest: how many there are tells.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from triphase.config.readers import READERS
from triphase.core.content import check_content
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np
from triphase.core.messages import listed
from triphase.core.types import Section
from triphase.responses.readers.images import (
    Grid,
    check_placed,
    inside_of,
    on_grid,
    read_volume,
    whole_labels,
)
from triphase.responses.readers.recording import (
    AXES,
    SLAB_BYTES,
    TURNED,
    Recording,
    only,
    roi_names,
    table_of,
    unlabelled,
)

# Of the keys of a file that a message names.
MOST_KEYS = 8
OLD_MATLAB = b"MATLAB 5.0"
# Kinds of MATLAB's arrays that are stored as numbers, or as references, and are none.
NO_NUMBERS = ("char", "logical", "cell", "function_handle")


@READERS.register(
    name="hdf5",
    suffixes=(".hdf5", ".hf5", ".h5", ".mat"),
    files=("mask", "reference", "rois", "roi_table"),
    needs={"key": "Text"},
    accepts={"repeats_key": "Text", "mask_key": "Text", "first_index": "Literal[0, 1]"} | AXES,
    templates=("key", "repeats_key"),
)
class Hdf5Reader:
    """One file per run or stimulus; a file may hold several hearings of its stimulus."""

    def __init__(self, example: list[str], paths: Mapping[str, list[str]], source: Section):
        """Settle which voxels are read.

        Parameters
        ----------
        example : list of one of the subject's files, which tells the number of voxels where there is no mask
        paths : dict of role to list of path: `mask`, a NIfTI image (non-zero inside), or with `mask_key` a .mat file
            with linear indices of voxels; `reference`, an image whose grid and affine are those of the voxels;
            `rois`, a label image on that grid, and `roi_table`
        source : dict with `key`, the name of the data (time, voxel), a template where a file holds several runs, and
            optionally `repeats_key` (hearing, time, voxel), `mask_key`, and `first_index`, what the first voxel is
            called there (1, as in MATLAB, or 0), and `axes`, how the two last axes lie as h5py shows them: MATLAB's own
            order is the reverse
        """
        self.key, self.repeats_key = source["key"], source.get("repeats_key")
        self.turned, self.told = source.get("axes") == TURNED, "axes" in source
        one = {role: path for role in ("mask", "reference", "rois", "roi_table") if (path := only(paths, role))}
        space: Grid | None = None
        self.masked = "mask" in one
        if "reference" in one:
            values, space = read_volume(one["reference"])
        if not self.masked:
            (self.where,), self.grid = example, None
            with opened(self.where) as file:
                self.offsets = np.arange(self._lying(self._data(file, self.where, None).shape)[1])
        elif source.get("mask_key"):
            self.where = one["mask"]
            self.offsets = read_indices(self.where, source["mask_key"], source.get("first_index", 1))
            self.grid = None if space is None else int(np.prod(space.shape))
        else:
            self.where = one["mask"]
            mask, own = read_volume(self.where)
            if space is not None:
                on_grid(values, space, own)
            # The order of the columns is the mask's, whatever way the reference is stored.
            space, inside = own, inside_of(mask, self.where)
            self.offsets, self.grid = np.flatnonzero(inside.ravel(order="F")), mask.size
            if not len(self.offsets):
                raise InputError(f"{self.where}: no voxel is inside the mask")
        coordinates, names = None, unlabelled(len(self.offsets))
        if space is not None:
            check_placed(space, source.get("space"))
            if self.offsets.max() >= np.prod(space.shape):
                raise InputError(
                    f"{self.where}: {len(self.offsets)} voxels up to number {self.offsets.max()} (from 0), but the "
                    f"grid {space.shape} has {int(np.prod(space.shape))}"
                )
            coordinates = space.places(np.stack(np.unravel_index(self.offsets, space.shape, order="F"), axis=1))
        if "rois" in one:
            if space is None:
                raise InputError(
                    f"{one['rois']}: on which grid the voxels of {self.where} lie is not known: give the "
                    "source a mask image, or a reference"
                )
            values, own = read_volume(one["rois"])
            labels = whole_labels(on_grid(values, own, space), one["rois"]).ravel(order="F")[self.offsets]
            names = roi_names(labels, one["rois"], one.get("roi_table"))
        self.table = table_of(names, coordinates)

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run: `paths` holds its one file. An HDF5 file says nothing of its TR."""
        (path,) = paths
        with opened(path) as file:
            volumes, columns = self._lying(self._data(file, path, run).shape)
            self._chosen(columns, path, volumes)
        # A mask tells which axis is which, unless the other one could be its voxels too.
        told = self.told or (self.masked and volumes not in (len(self.offsets), self.grid))
        other = None if told else columns
        return Recording(path, volumes, None, lambda: self._read(path, run), other)

    def _lying(self, of_array):
        """Of the two last axes of an array, in the file's order, time before voxel."""
        return tuple(of_array[-2:][::-1] if self.turned else of_array[-2:])

    def _data(self, file, path, run):
        """The array of a run: under `key`, or for one of several hearings under `repeats_key`; of any run for None."""
        import h5py

        repeat = (run or {}).get("repeat")
        if repeat and not self.repeats_key:
            raise InputError(
                f"dataset.source.repeats_key: not set, but run {run['name']} is hearing {repeat} in {path}; name the "
                "array (hearing, time, voxel)"
            )
        template, axes = (str(self.repeats_key), 3) if repeat else (self.key, 2)
        key = find_key(file, path, template, run)
        data = file.get(key)
        if not isinstance(data, h5py.Dataset):
            sparse = isinstance(data, h5py.Group) and "MATLAB_sparse" in data.attrs
            what = (
                f"{key!r} is a sparse array; save full({key}); the" if sparse else f"no data under the key {key!r}; the"
            )
            raise InputError(f"{path}: {what} file has {listed(keys_in(file), MOST_KEYS)}")
        kind = _matlab_class(data)
        if data.ndim != axes or data.dtype.kind not in "fiu" or not data.size or kind in NO_NUMBERS:
            wanted = "(hearing, time, voxel)" if repeat else "(time, voxel)"
            what = f"MATLAB's {kind} {data.shape}" if kind else f"shape {data.shape} and type {data.dtype}"
            remedy = "; save each of its arrays under a name of its own" if kind == "cell" else ""
            raise InputError(f"{path}: {key!r} has {what}; it must be numbers {wanted}{remedy}")
        if repeat and repeat > len(data):
            raise InputError(f"{path}: {len(data)} hearings, but run {run['name']} is number {repeat}")
        return data

    def _chosen(self, columns, path, volumes=None):
        """Which columns of a file are the voxels; None where it holds no others."""
        if columns == len(self.offsets):
            return None
        fits = columns > self.offsets.max() if self.grid is None else columns == self.grid
        if self.masked and fits:
            return self.offsets
        grid = f", on a grid of {self.grid}" if self.grid else ""
        turned = volumes in (len(self.offsets), self.grid)
        hint = f"; the array's other axis has {volumes}: set the source's `axes` to the other order" if turned else ""
        raise InputError(f"{path}: {columns} voxels, but {self.where} has {len(self.offsets)}{grid}{hint}")

    def _read(self, path, run):
        with opened(path) as file:
            data = self._data(file, path, run)
            shape = self._lying(data.shape)
            columns = self._chosen(shape[1], path)
            values = np.empty((shape[0], len(self.offsets)), np.float32)
            hearing = (run["repeat"] - 1,) if run.get("repeat") else ()
            for rows, wide in tiles(shape, data.chunks and self._lying(data.chunks), data.dtype.itemsize):
                part = data[(*hearing, *self._lying((rows, wide)))]
                part = part.T if self.turned else part
                if columns is None:
                    values[rows, wide] = part
                else:
                    first, last = np.searchsorted(columns, (wide.start, wide.stop))
                    values[rows, first:last] = part[:, columns[first:last] - wide.start]
        return values


def _matlab_class(data):
    """What MATLAB calls the kind of an array that it has saved; "" for any other."""
    name = data.attrs.get("MATLAB_class", b"")
    return name.decode() if isinstance(name, bytes) else ""


def keys_in(file: Any) -> list[str]:
    """The names of all arrays of a file, with their groups."""
    import h5py

    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(names)


def find_key(file: Any, path: str, template: str, run: Section | None) -> str:
    """The key that a template stands for: `{run}` and `{stimulus}` filled in, and a glob matched by one array.

    Without a run, which only the number of voxels is asked for, any key that fits the template.

    Raises
    ------
    InputError : no array, or several, of the file
    """
    run_name, stimulus = (run.get("called", run["name"]), run["stimulus"]) if run else ("*", "*")
    key = template.format(run=run_name, stimulus=stimulus)
    if not set("*?[") & set(key):
        return key
    there = keys_in(file)
    found = [name for name in there if fnmatchcase(name, key)]
    if len(found) == 1 or (found and run is None):
        return found[0]
    trouble = f"{len(found)} arrays fit the key {key!r} ({listed(found, MOST_KEYS)})" if found else ""
    trouble = trouble or f"no array fits the key {key!r}; the file has {listed(there, MOST_KEYS)}"
    raise InputError(f"{path}: {trouble}; one array is a run (dataset/sources/key)")


def tiles(shape: tuple[int, int], chunks: tuple[int, int] | None, itemsize: int) -> Iterator[tuple[slice, slice]]:
    """Slices of rows and columns that cover an array, each of about SLAB_BYTES and of whole chunks.

    A file that is stored in chunks unpacks each of them once; where they span all rows, the tiles are wide columns.
    """
    rows, columns = shape
    tall, wide = chunks or (1, columns)
    wanted = SLAB_BYTES // itemsize
    step_rows = min(rows, tall * max(1, wanted // (tall * columns)))
    step_columns = min(columns, wide * max(1, wanted // (step_rows * wide)))
    for top in range(0, rows, step_rows):
        for left in range(0, columns, step_columns):
            yield slice(top, min(top + step_rows, rows)), slice(left, min(left + step_columns, columns))


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Yield an HDF5 file, open for reading; InputError where it is none, ends too early, or cannot be read."""
    import h5py

    check_content(path)
    with open(path, "rb") as file:
        head = file.read(len(OLD_MATLAB))
    if head == OLD_MATLAB:
        raise InputError(
            f"{path}: a MATLAB file older than v7.3, which is no HDF5; in MATLAB, load it and save it again with "
            "save(name, variables, '-v7.3'), or write it as .npy"
        )
    try:
        with h5py.File(path, "r") as content:
            yield content
    except (OSError, RuntimeError) as error:
        message = f"truncated, damaged, or not an HDF5 file ({one_line(error)}); get the file again"
        raise InputError(f"{path}: {message}") from None


# scipy's reader ends in errors of many kinds on a damaged file, and crashes on some: in a process of its own.
MAT = """
import pickle, sys
from scipy.io import loadmat
content = loadmat(sys.argv[1])
pickle.dump((content.get(sys.argv[2]), sorted(name for name in content if name[:2] != "__")), sys.stdout.buffer)
"""


def _read_mat(path, key):
    """What a MATLAB file older than v7.3 holds under a key (None: nothing), and all its keys."""
    done = subprocess.run([sys.executable, "-c", MAT, path, key], capture_output=True)
    if done.returncode:
        what = done.stderr.decode(errors="replace").strip().splitlines()[-1:] if done.returncode > 0 else []
        reason = what[0] if what else "reading it crashes"
        raise InputError(f"{path}: truncated, damaged, or not a .mat file ({reason}); get the file again")
    return pickle.loads(done.stdout)


def read_indices(path: str, key: str, first_index: int = 1) -> np.ndarray:
    """Linear voxel indices of a .mat file (v5, or v7.3 which is HDF5), ascending, from 0: int array (voxel,)."""
    import h5py

    check_content(path)
    if h5py.is_hdf5(path):
        with opened(path) as file:
            found = file[key][()] if isinstance(file.get(key), h5py.Dataset) else None
            keys = sorted(file)
    else:
        found, keys = _read_mat(path, key)
    if found is None:
        raise InputError(f"{path}: no data under the key {key!r} (mask_key); the file has {', '.join(keys) or 'none'}")
    values = np.asarray(found).ravel()
    if not values.size or values.dtype.kind not in "fiu" or not np.isfinite(values).all() or (values % 1).any():
        raise InputError(f"{path}: {key!r} holds no whole numbers; a mask is a list of voxel numbers")
    indices = values.astype(np.int64) - first_index
    if indices[0] < 0 or np.any(np.diff(indices) <= 0):
        raise InputError(
            f"{path}: {key!r} must be ascending voxel numbers from {first_index} (first_index); it starts at "
            f"{values[0]:g}, and its smallest is {values.min():g}"
        )
    return indices
