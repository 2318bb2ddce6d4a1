"""Zipped Zarr without copies of what is read or written; the one module that knows zarr from the inside.

`_get`, `_set`, `_is_open`, `_sync_open` and `_zf` of its store are private: tests/unit/core/test_zipstore.py fails when
they change.
"""

import mmap
import struct
import time
import zipfile
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore, ZipStore

# A member's local header: its size, and where it gives the lengths of the name and of the extra field behind it.
HEADER, LENGTHS = 30, 26
MODE = 0o644 << 16


class MappedZip(ZipStore):
    """A zip store that reads uncompressed members where they lie in the file, and writes arrays from where they lie.

    What is read is not summed to check it: that the file is whole is known from its name (see `artefacts`).
    """

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
        stored = member.compress_type == zipfile.ZIP_STORED and member.file_size
        if self._zf.mode != "r" or byte_range is not None or not stored:
            return super()._get(key, prototype, byte_range)
        if not hasattr(self, "_map"):
            assert self._zf.fp
            # Closed when the last array that lies in it goes.
            self._map = mmap.mmap(self._zf.fp.fileno(), 0, access=mmap.ACCESS_READ)
        begin = member.header_offset
        name, extra = struct.unpack_from("<HH", self._map, begin + LENGTHS)
        start = begin + HEADER + name + extra
        return prototype.buffer.from_array_like(np.frombuffer(self._map, np.uint8, member.file_size, start))

    def _set(self, key: str, value: Any) -> None:
        if not self._is_open:
            self._sync_open()
        member = zipfile.ZipInfo(key, time.localtime()[:6])
        member.compress_type, member.external_attr = self.compression, MODE
        self._zf.writestr(member, np.ascontiguousarray(value.as_numpy_array()).data)
