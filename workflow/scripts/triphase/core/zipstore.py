"""Zipped Zarr, sealed, without copies of what is read or written; the one module that knows zarr from the inside.

`_get`, `_set`, `_is_open`, `_sync_open` and `_zf` of its store are private: tests/unit/core/test_zipstore.py fails when
they change.
"""

import mmap
import struct
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.storage import MemoryStore, ZipStore

from triphase.core.seals import AnyPath, DamagedError, open_zip, zip_seal

# A member's local header: its size, and where it gives the lengths of the name and of the extra field behind it.
HEADER, LENGTHS = 30, 26
MODE = 0o644 << 16
DESCRIPTION = "zarr.json"


class MappedZip(ZipStore):
    """A zip store that reads members where they lie in the file, and writes arrays from where they lie.

    A member is verified by its checksum when it is first read, and the list of members by the seal of the file.

    Parameters
    ----------
    path : path of the file
    mode : "r" or "w"
    final : path that a file which is written will have, which its seal names; that of the file where none is given

    Raises
    ------
    DamagedError : on reading, the file or a member is not what was written
    """

    def __init__(self, path: Path, *, mode: Any = "r", final: AnyPath | None = None) -> None:
        super().__init__(path, mode=mode)
        self._final, self._verified = final or path, set[str]()

    def _sync_open(self) -> None:
        if self._zmode == "r":
            open_zip(self.path).close()
        super()._sync_open()
        if self._zmode == "r":
            # At once, since zarr reads the descriptions of all arrays side by side and leaves all but one error behind.
            for member in self._zf.infolist():
                if member.filename.endswith(DESCRIPTION):
                    self._member(member)

    def close(self) -> None:
        """Close the file; one that is written gets its seal."""
        if not self._is_open:  # it could not be opened
            return
        if self._zf.mode == "w":
            self._zf.comment = zip_seal(self._zf, self._final)
        super().close()

    def create_array(self, name: str, **description: Any) -> zarr.Array[Any]:
        """Create an array, as `zarr.create_array` does, before the group that it lies in.

        The attributes of the group are known last, and zarr would write an empty group before any array in it, which in
        a zip stays there: so the description of the array is made elsewhere and put in its place.
        """
        elsewhere: dict[str, Any] = {}
        zarr.create_array(MemoryStore(elsewhere), name=name, **description)
        self._set(f"{name}/zarr.json", elsewhere[f"{name}/zarr.json"])
        # A chunk of zeros is written as well: to find out costs more. `open_array` takes this setting and ignores it.
        return zarr.open_array(self, path=name, mode="r+").with_config({"write_empty_chunks": True})

    def _get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        if not self._is_open:
            self._sync_open()
        try:
            member = self._zf.getinfo(key)
        except KeyError:
            return None
        if self._zf.mode != "r":
            return super()._get(key, prototype, byte_range)
        return prototype.buffer.from_array_like(self._member(member)[_wanted(byte_range)])

    def _member(self, member: zipfile.ZipInfo) -> np.ndarray:
        """The bytes of a member, as they lie in the file."""
        if not hasattr(self, "_map"):
            assert self._zf.fp
            # Closed when the last array that lies in it goes.
            self._map = mmap.mmap(self._zf.fp.fileno(), 0, access=mmap.ACCESS_READ)
        begin = member.header_offset
        name, extra = struct.unpack_from("<HH", self._map, begin + LENGTHS)
        start = begin + HEADER + name + extra
        content = np.frombuffer(self._map, np.uint8)[start : start + member.file_size]
        if member.filename not in self._verified:
            if zlib.crc32(content.data) != member.CRC:
                raise DamagedError(self.path, f"{member.filename} in it is not what its checksum says")
            self._verified.add(member.filename)
        return content

    def _set(self, key: str, value: Any) -> None:
        if not self._is_open:
            self._sync_open()
        member = zipfile.ZipInfo(key, time.localtime()[:6])
        member.compress_type, member.external_attr = self.compression, MODE
        self._zf.writestr(member, np.ascontiguousarray(value.as_numpy_array()).data)


def _wanted(byte_range: Any) -> slice:
    """The part of a member that zarr asks for."""
    match byte_range:
        case None:
            return slice(None)
        case RangeByteRequest(start=start, end=end):
            return slice(start, end)
        case OffsetByteRequest(offset=offset):
            return slice(offset, None)
        case SuffixByteRequest(suffix=suffix):
            return slice(-suffix, None)
    raise TypeError(f"{byte_range}: no range of bytes")
