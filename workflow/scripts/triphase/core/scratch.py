"""Folders of this user alone on this machine: for the locks of devices, and for what a process keeps while it runs."""

import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.locking import Lock

log = logging.getLogger(__name__)

OWNER_ONLY = 0o700
# Seconds after which a folder that nobody holds was left by a process that was killed, and not just made; and those
# after which one without a lock was.
LEFT, UNLOCKED = 60.0, 86400.0
LOCK = ".lock"


def runtime_folder() -> Path:
    """A folder of this user alone, for files that matter while processes run.

    Below XDG_RUNTIME_DIR, which is one, where that is set; else `triphase-<user's number>` in the temporary folder,
    where others can make a folder of that name first.

    Raises
    ------
    InputError : the folder is another user's, a link, or no folder
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_own(Path(runtime)):
        folder = Path(runtime) / "triphase"
    else:
        folder = Path(tempfile.gettempdir()) / f"triphase-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=OWNER_ONLY)
    if not _is_own(folder):
        raise InputError(
            f"{folder} must be a folder of this user's, and it is {_described(folder)}; remove it, or let TMPDIR name "
            "a folder that nobody else writes to"
        )
    folder.chmod(OWNER_ONLY)
    return folder


class HeldFolder:
    """A new folder in the temporary one, removed by `close`; after a kill, by whoever makes the next.

    Parameters
    ----------
    prefix : how its name begins; a name of its own for each purpose
    """

    def __init__(self, prefix: str) -> None:
        _remove_left(prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        self._lock = Lock(self.path / LOCK)
        self._lock.acquire()

    def close(self) -> None:
        """Remove the folder; more than once does no harm."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _remove_left(prefix: str) -> None:
    """Remove folders of this user's that processes have left which were killed."""
    for folder in _own_folders(prefix):
        with suppress(OSError, InputError):  # what cannot be removed hinders no work
            if _left(folder):
                shutil.rmtree(folder, ignore_errors=True)
                log.info("removed %s, which a process that was killed had left", folder)


def _left(folder: Path) -> bool:
    """Whether nobody holds a folder, nor is about to."""
    age = time.time() - folder.stat().st_mtime
    try:
        with Lock(folder / LOCK, mode=None) as lock:
            return age > LEFT and lock.acquire(wait=False)
    except FileNotFoundError:
        return age > UNLOCKED


def _own_folders(prefix: str) -> Iterator[Path]:
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if _is_own(path):
            yield path


def _is_own(path: Path) -> bool:
    """Whether a path is a folder of this user's, and no link to one."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _described(path: Path) -> str:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return "a link"
    return f"one of user {found.st_uid}" if stat.S_ISDIR(found.st_mode) else "no folder"
