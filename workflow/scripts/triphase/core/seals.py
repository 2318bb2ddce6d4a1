"""Seals: what says of a file that it is whole, unchanged, and the one that its path says.

Every file that passes between stages carries a SHA-256 and the place it was written for. A JSON or Parquet file has the
digest of its bytes, those of the digest itself as zeros; a zip has that of its list of members, which holds the
checksum of each, so that one member is verified without reading the others; a PNG has checksums of its own, and the
place as its title. A disk that loses or turns bits, a copy
that was cut short, and a file from elsewhere under this name are told apart from a result.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import hashlib
import os
import struct
import zipfile
import zlib
from pathlib import Path

from triphase.core.errors import InputError, one_line

AnyPath = str | os.PathLike[str]

RESULTS = "results"
MARK, BLANK = b"triphase sha256:", b"0" * 64
PNG, PNG_TITLE, PNG_END = b"\x89PNG\r\n\x1a\n", b"tEXtTitle\0", b"IEND"


class DamagedError(InputError):
    """A file is not what was written under its name.

    Parameters
    ----------
    path : path of the file
    reason : what is wrong with it
    """

    def __init__(self, path: AnyPath, reason: str) -> None:
        parts = Path(path).parts
        made = RESULTS in parts
        again = f", or snakemake --forcerun {Path(*parts[parts.index(RESULTS) :])}" if made else ""
        super().__init__(f"{path}: damaged: {reason}; delete it and run again{again}")


def place_of(path: AnyPath) -> str:
    """The place that a file is written for: its path below `results/`, which a move keeps; elsewhere its name."""
    parts = Path(path).parts
    return "/".join(parts[len(parts) - parts[::-1].index(RESULTS) :] if RESULTS in parts else parts[-1:])


def blank_seal(path: AnyPath) -> str:
    """The seal of a file of this path before its digest is known: text to be put into the file once."""
    return f"{MARK.decode()}{BLANK.decode()} {place_of(path)}"


def sealed(content: bytes) -> bytes:
    """The content of a file with the digest put into its blank seal."""
    at = content.rindex(MARK + BLANK) + len(MARK)
    return content[:at] + hashlib.sha256(content).hexdigest().encode() + content[at + len(BLANK) :]


def check_sealed(content: bytes, path: AnyPath) -> None:
    """Verify the content of a file that `sealed` made; DamagedError where it is not that of its digest."""
    at = content.rfind(MARK) + len(MARK)
    if at < len(MARK):
        raise DamagedError(path, "it has no digest")
    rest = memoryview(content)
    digest = hashlib.sha256(rest[:at])
    digest.update(BLANK)
    digest.update(rest[at + len(BLANK) :])
    if rest[at : at + len(BLANK)] != digest.hexdigest().encode():
        raise DamagedError(path, "its content is not that of its digest")


def check_place(seal: str, path: AnyPath) -> None:
    """DamagedError where a seal is of another place; a folder that was moved keeps the last parts of its paths."""
    written = seal.split(" ", 2)[-1]
    ours, theirs = place_of(path).split("/"), written.split("/")
    shared = min(len(ours), len(theirs))
    if ours[-shared:] != theirs[-shared:]:
        raise DamagedError(path, f"it was written as {written}, and is not of this place")


def zip_seal(archive: zipfile.ZipFile, path: AnyPath) -> bytes:
    """The comment that seals a zip as the file of a path, once all members are in it."""
    return blank_seal(path).encode().replace(BLANK, _members_digest(archive))


def _members_digest(archive: zipfile.ZipFile) -> bytes:
    members = [(m.filename, m.header_offset, m.CRC, m.compress_type, m.file_size) for m in archive.infolist()]
    return hashlib.sha256(repr(members).encode()).hexdigest().encode()


def open_zip(path: AnyPath) -> zipfile.ZipFile:
    """Open a sealed zip to be read.

    Raises
    ------
    DamagedError : its list of members is not what was written; what is wrong within a member shows where that is read
    FileNotFoundError
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise
    # What else a list of members can be wrong in shows as many kinds of errors.
    except Exception as error:
        raise DamagedError(path, one_line(error) or type(error).__name__) from None
    try:
        if not archive.comment.startswith(MARK + _members_digest(archive) + b" "):
            raise DamagedError(path, "its list of members is not that of its digest")
        check_place(archive.comment.decode(errors="replace"), path)
    except DamagedError:
        archive.close()
        raise
    return archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One member of a zip; KeyError where there is none of the name, DamagedError where it is not what was written."""
    try:
        return archive.read(name)
    except KeyError:
        raise
    except Exception as error:  # a header in front of it that is wrong shows as many kinds of errors
        raise DamagedError(str(archive.filename), f"{name} in it: {one_line(error)}") from None


def check_png(content: bytes, path: AnyPath) -> None:
    """Verify a PNG by the checksums of its chunks, and that its title is its place; DamagedError."""
    place, at, kind = "", len(PNG), b""
    while content.startswith(PNG) and kind != PNG_END:
        length = struct.unpack(">I", content[at : at + 4].rjust(4, b"\xff"))[0]
        chunk, at = content[at + 4 : at + 8 + length], at + 12 + length
        if zlib.crc32(chunk).to_bytes(4, "big") != content[at - 4 : at]:
            raise DamagedError(path, "its content is not that of its checksums")
        kind = chunk[:4]
        if chunk.startswith(PNG_TITLE):
            place = chunk[len(PNG_TITLE) :].decode("latin-1")
    if kind != PNG_END:
        raise DamagedError(path, "no PNG")
    check_place(f"{MARK.decode()} {place}", path)
