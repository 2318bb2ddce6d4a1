"""Reading of zipped Zarr through the memory map of the file."""

import mmap
import struct
import zipfile

import numpy as np
from zarr.storage import ZipStore

# A member's local header: its size, and where it gives the lengths of the name and of the extra field behind it.
HEADER, LENGTHS = 30, 26


class MappedZip(ZipStore):
    """A zip store that hands out its members where they lie in the file, instead of copying and summing them first.

    That the file is whole is known from its name (see `triphase.artefacts`). For reading alone.
    """

    def _get(self, key, prototype, byte_range=None):
        if not self._is_open:
            self._sync_open()
        try:
            member = self._zf.getinfo(key)
        except KeyError:
            return None
        if byte_range is not None or member.compress_type != zipfile.ZIP_STORED or not member.file_size:
            return super()._get(key, prototype, byte_range)
        if not hasattr(self, "_map"):
            # Closed when the last array that lies in it goes.
            self._map = mmap.mmap(self._zf.fp.fileno(), 0, access=mmap.ACCESS_READ)
        begin = member.header_offset
        name, extra = struct.unpack_from("<HH", self._map, begin + LENGTHS)
        start = begin + HEADER + name + extra
        return prototype.buffer.from_array_like(np.frombuffer(self._map, np.uint8, member.file_size, start))
