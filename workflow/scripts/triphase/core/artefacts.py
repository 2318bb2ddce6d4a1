"""Reading and writing the files that pass between stages.

Every file is written beside its target under a temporary name, brought to the disk and moved into place by
`os.replace`, so the name itself says that the file was whole when it was written; that it still is says its seal (see
`seals`), which every read verifies. Arrays are one `.zarr.zip` each: zipped Zarr format 3, which costs one inode and
reads a single chunk without unpacking the rest.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triphase.core.errors import InputError
from triphase.core.lazy import np
from triphase.core.locking import Lock
from triphase.core.seals import (
    RESULTS,
    AnyPath,
    DamagedError,
    blank_seal,
    check_place,
    check_sealed,
    sealed,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    import zarr

    from triphase.core.zipstore import MappedZip

# No space, no quota, or a file larger than the file system or the user's limits allow.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The variable by which children of a job, too, know whether they write through to the disk.
FSYNC = "TRIPHASE_FSYNC"
# Seconds after which a temporary file that nobody holds was left by a process that was killed, and not just made.
ABANDONED = 5
# Rows and columns of a chunk of 2 MB.
CHUNKS = 128, 4096
# Where JSON and Parquet have their seal: no name of a model, subject or label begins so.
SEAL = "_seal"
# How a file system says that a folder cannot be brought to the disk by itself.
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


@contextmanager
def replacing(path: AnyPath) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it to `path` when the block ends well, remove it when it does not.

    Leftovers of killed processes beside `path` are removed too.

    Raises
    ------
    InputError : the disk is full
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        with _held(temporary, f".{glob.escape(path.name)}.*.part{glob.escape(path.suffix)}"):
            yield temporary
            if durable():
                _to_disk(temporary)
            os.replace(temporary, path)
            if durable():
                _folder_to_disk(path.parent)
    except Exception as error:
        if any(getattr(cause, "errno", None) in FULL for cause in causes(error)):
            raise InputError(
                f"{path}: the disk, the quota or the largest file allowed is full; make room and run again"
            ) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def durable() -> bool:
    """Whether files are brought to the disk before they get their name: `execution/fsync`, as a job's start says."""
    return os.environ.get(FSYNC) != "0"


def _to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _folder_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _held(temporary: Path, pattern: str) -> Iterator[None]:
    """Lock a temporary file, and remove those of processes that were killed: the kernel has freed their locks."""
    with Lock(temporary, mode=0o644, signed=False) as lock:
        lock.acquire()
        _remove_abandoned(set(temporary.parent.glob(pattern)) - {temporary})
        yield


def _remove_abandoned(paths: set[Path]) -> None:
    """Remove temporary files that no process holds; one that cannot be removed (another user's, or gone) stays."""
    for path in paths:
        with suppress(OSError, InputError), Lock(path, mode=None, signed=False) as theirs:
            if theirs.acquire(wait=False) and time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that it came from: closing a file that could not be written raises once more."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def write_json(path: AnyPath, content: dict[str, Any], *, seal: bool = True) -> None:
    """Write a mapping as indented JSON, sealed unless people write the file as well.

    NaN is refused with ValueError because JSON has no NaN.
    """
    content = content | {SEAL: blank_seal(path)} if seal else content
    text = (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    with replacing(path) as temporary:
        temporary.write_bytes(sealed(text) if seal else text)


def read_json(path: AnyPath) -> dict[str, Any]:
    """Read and verify a JSON file that `write_json` wrote; what people have written outside of results has no seal.

    Raises
    ------
    DamagedError : it is not what was written
    FileNotFoundError
    """
    raw = Path(path).read_bytes()
    try:
        content = json.loads(raw)
    except ValueError as error:  # no UTF-8 either
        raise DamagedError(path, f"no JSON ({error})") from None
    if not isinstance(content, dict):
        raise DamagedError(path, "no mapping")
    if SEAL in content or RESULTS in Path(path).parts:
        check_sealed(raw, path)
        check_place(content.pop(SEAL), path)
    return content


def write_table(path: AnyPath, frame: pd.DataFrame, **metadata: Any) -> None:
    """Write a DataFrame as sealed Parquet, without its index; `metadata` is stored as JSON in the file's schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    extra = {key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **extra})
    buffer = pa.BufferOutputStream()
    # The checksums of pages are for other readers: ours verifies the seal, which is of the whole.
    with pq.ParquetWriter(buffer, table.schema, write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({SEAL: blank_seal(path)})
    with replacing(path) as temporary:
        temporary.write_bytes(sealed(buffer.getvalue().to_pybytes()))


def read_table(path: AnyPath, models: list[str | None] | None = None) -> pd.DataFrame:
    """Read and verify a Parquet file; `frame.attrs` of the pandas DataFrame holds the metadata given to `write_table`.

    Parameters
    ----------
    models : list of str, optional
        Read only rows of these (None among them: rows of no model); the others take no memory.

    Raises
    ------
    DamagedError : it is not what was written
    FileNotFoundError
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow.compute import field

    raw = Path(path).read_bytes()
    check_sealed(raw, path)
    check_place(pq.read_metadata(pa.BufferReader(raw)).metadata[SEAL.encode()].decode(), path)
    table = pq.read_table(pa.BufferReader(raw), filters=None if models is None else field("model").isin(models))
    frame = table.to_pandas()
    metadata = {key.decode(): value for key, value in (table.schema.metadata or {}).items()}
    frame.attrs = {key: json.loads(value) for key, value in metadata.items() if key not in ("pandas", "ARROW:schema")}
    return frame


def write_arrays(path: AnyPath, dataset: xr.Dataset, chunks: dict[str, tuple[int, ...]] | None = None) -> None:
    """Write an xarray Dataset as one `.zarr.zip`.

    Parameters
    ----------
    dataset : xarray.Dataset, attributes must be JSON-serialisable
    chunks : dict of str to tuple of int, optional
        Chunk shape per variable; a variable not named is one chunk.
    """
    import zarr

    from triphase.core.zipstore import MappedZip

    # zarr alone, since xarray's own writer sets attributes late, which leaves duplicate entries in a zip.
    with replacing(path) as temporary:
        with MappedZip(temporary, mode="w", final=path) as store:
            group = zarr.create_group(store, zarr_format=3, attributes=_group_attributes(dataset))
            _create_variables(group, dataset, chunks or {})


def _group_attributes(dataset: xr.Dataset) -> dict[str, Any]:
    coordinates = " ".join(str(name) for name in dataset.coords if name not in dataset.dims)
    return {**dataset.attrs, **({"coordinates": coordinates} if coordinates else {})}


def _create_variables(group: zarr.Group, dataset: xr.Dataset, chunks: dict[str, tuple[int, ...]]) -> None:
    for name, variable in dataset.variables.items():
        # Zarr 3 has a specified type for text of any length, and none for numpy's fixed width.
        text = variable.dtype.kind in "OUT"
        values = variable.values.astype(np.dtypes.StringDType()) if text else variable.values
        group.create_array(
            str(name),
            data=values,
            chunks=chunks.get(str(name)) or tuple(max(size, 1) for size in values.shape),
            dimension_names=[str(dim) for dim in variable.dims],
            attributes=dict(variable.attrs),
        )


@dataclass(frozen=True)
class ArraySpec:
    """One large array of a file.

    Attributes
    ----------
    name : str
    dims : tuple of str, names of its dimensions
    shape : tuple of int
    chunks : tuple of int, shape of a chunk
    axis : int, the dimension whose rows are written one after the other
    dtype : name of its type
    attributes : dict
    compressed : bool; values that do not compress are read faster as they are
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...] = CHUNKS
    axis: int = 0
    dtype: str = "float32"
    attributes: dict[str, Any] = field(default_factory=dict)
    compressed: bool = True


@contextmanager
def stream_arrays(path: AnyPath, spec: ArraySpec) -> Iterator[ArrayStream]:
    """Write a `.zarr.zip` whose large array arrives in rows and is never in memory as a whole.

    Yields
    ------
    ArrayStream
        `append` rows in order, each time as many as there are; then `finish` once, with all that goes beside the array.

    Raises
    ------
    ValueError : the block ends without all rows, or without `finish`
    """
    from triphase.core.zipstore import MappedZip

    with replacing(path) as temporary:
        with MappedZip(temporary, mode="w", final=path) as store:
            stream = ArrayStream(store, spec)
            yield stream
            if not stream.finished:
                total = spec.shape[spec.axis]
                raise ValueError(f"{spec.name}: closed after {stream.rows} of {total} rows without `finish`")


class ArrayStream:
    """The writing end of `stream_arrays`: holds at most the rows of one chunk, so that each chunk is written once."""

    def __init__(self, store: MappedZip, spec: ArraySpec) -> None:
        from zarr.codecs import BloscCodec

        self.array = store.create_array(
            spec.name,
            shape=spec.shape,
            dtype=spec.dtype,
            dimension_names=spec.dims,
            attributes=spec.attributes,
            chunks=tuple(max(1, min(wanted, size)) for wanted, size in zip(spec.chunks, spec.shape, strict=True)),
            compressors=BloscCodec(cname="lz4", shuffle="bitshuffle", clevel=1) if spec.compressed else None,
        )
        self.store, self.axis = store, spec.axis
        self.size = self.array.chunks[spec.axis]
        self.buffer = np.empty((*spec.shape[: spec.axis], self.size, *spec.shape[spec.axis + 1 :]), spec.dtype)
        self.rows, self.waiting, self.finished = 0, 0, False

    def append(self, values: np.ndarray) -> None:
        """Add rows: array of the stream's shape, but for its own number of rows."""
        count, total = values.shape[self.axis], self.array.shape[self.axis]
        if self.rows + count > total:
            raise ValueError(f"{self.array.path}: {self.rows + count} rows for {total}")
        taken = 0
        while taken < count:
            part = values[self._rows(taken, taken + self.size - self.waiting)]
            added = part.shape[self.axis]
            taken, self.rows, waiting = taken + added, self.rows + added, self.waiting + added
            if added < self.size:  # a whole chunk is written as it comes
                self.buffer[self._rows(self.waiting, waiting)] = part
                part = self.buffer[self._rows(0, waiting)]
            whole = waiting == self.size or self.rows == total
            if whole:
                self._write(part, self.rows - waiting)
            self.waiting = 0 if whole else waiting

    def _write(self, rows: np.ndarray, start: int) -> None:
        """Write the rows of whole chunks, for each place of the leading dimensions: zarr copies what it cuts itself."""
        leading = [range(0, size, step) for size, step in zip(rows.shape, self.array.chunks, strict=True)]
        for corner in product(*leading[: self.axis]):
            places = tuple(slice(at, at + step) for at, step in zip(corner, self.array.chunks, strict=False))
            self.array[*places, slice(start, start + rows.shape[self.axis])] = rows[places]

    def _rows(self, start: int, stop: int) -> tuple[slice, ...]:
        return (*[slice(None)] * self.axis, slice(start, stop))

    def finish(self, dataset: xr.Dataset) -> None:
        """Write the other variables and the attributes of the whole: an xarray Dataset, mostly of coordinates."""
        import zarr

        if self.rows != self.array.shape[self.axis]:
            raise ValueError(f"{self.array.path}: {self.rows} of {self.array.shape[self.axis]} rows")
        group = zarr.create_group(self.store, zarr_format=3, attributes=_group_attributes(dataset))
        _create_variables(group, dataset, {})
        self.finished = True


@contextmanager
def open_arrays(path: AnyPath) -> Iterator[xr.Dataset]:
    """Open a `.zarr.zip` as a lazily read xarray Dataset; values load on access and only while the block lasts.

    DamagedError where what is read is not what was written, when it is read.
    """
    import xarray as xr

    from triphase.core.zipstore import MappedZip

    with MappedZip(Path(path), mode="r") as store:
        with xr.open_zarr(store, consolidated=False, chunks=None) as dataset:
            text = {name: c.dims for name, c in dataset.coords.items() if c.dtype.kind == "T"}
            yield dataset.assign_coords(
                {name: (dims, np.array(list(dataset[name].values), dtype=str)) for name, dims in text.items()}
            )


def read_arrays(path: AnyPath) -> xr.Dataset:
    """Read a whole `.zarr.zip` into memory as an xarray Dataset."""
    with open_arrays(path) as dataset:
        return dataset.load()


def read_variables(path: AnyPath, *names: str) -> list[np.ndarray]:
    """Some variables of a `.zarr.zip` as numpy arrays, without xarray: faster where many files are read."""
    import zarr

    from triphase.core.zipstore import MappedZip

    with MappedZip(Path(path), mode="r") as store:
        return [np.asarray(zarr.open_array(store, path=name, mode="r")[...]) for name in names]


def finite_or_none(value: float | None) -> float | None:
    """A float for JSON: None where the value is NaN or infinite."""
    return float(value) if value is not None and np.isfinite(value) else None
