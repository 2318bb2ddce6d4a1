"""Whether a file holds its content, or only says where that is kept: links and pointers of git-annex and Git LFS."""

import os
import re
import shlex
from pathlib import Path

from triphase.core.errors import InputError

# A link's target or a pointer file of git-annex, and the first line of one of Git LFS. All are shorter than this.
ANNEX = re.compile(rb"\S*annex[/\\]objects[/\\]\S+")
LFS = b"version https://git-lfs"
POINTER_BYTES = 2000


def unfetched(path: str | Path) -> str | None:
    """What is wrong with a file whose content is elsewhere, and the command that fetches it; None for any other."""
    path = Path(path)
    if path.is_symlink() and not path.exists():
        target = os.readlink(path)
        if not ANNEX.match(os.fsencode(target)):
            return f"{path}: a link to {target}, which is not there"
        return f"{path}: its content was not fetched; run `datalad get {shlex.quote(str(path))}`"
    try:
        if not path.is_file() or path.stat().st_size > POINTER_BYTES:
            return None
        head = path.read_bytes()
    except OSError:  # whoever opens the file says why it cannot be read
        return None
    if head.startswith(LFS):
        command = f"git -C {shlex.quote(str(path.parent))} lfs pull --include {shlex.quote(path.name)}"
        return f"{path}: its content was not fetched (this is a pointer of Git LFS); run `{command}`"
    if ANNEX.match(head):
        command = f"datalad get {shlex.quote(str(path))}"
        return f"{path}: its content was not fetched (this is a pointer of git-annex); run `{command}`"
    return None


def check_content(path: str | Path) -> None:
    """InputError where a file is not there, or only says where its content is kept; every reader asks this first."""
    if trouble := unfetched(path):
        raise InputError(trouble)
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such file; get it again")
