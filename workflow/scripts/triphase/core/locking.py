"""Locks on files, across processes and users. The kernel frees a lock when its holder ends, however it ends."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from triphase.core.errors import InputError

log = logging.getLogger(__name__)

# How a file system says that it has no locks.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class NoLocksError(InputError):
    """The file system of a lock file has no locks."""


class Lock:
    """A lock on a file, held by one process alone or shared by several.

    Two objects never hold a lock together by accident, not even within one process. The file is made where it is not
    there and is never removed: whoever waits for it would hold a lock on a file that others no longer see. That of
    another user need only be readable.

    Parameters
    ----------
    path : path of the file
    mode : permissions of a file that is made, less the user's umask; None makes none, which raises FileNotFoundError
    """

    def __init__(self, path: str | Path, mode: int | None = 0o664) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None
        if mode is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | (0 if mode is None else os.O_CREAT), mode or 0)
        except PermissionError:
            self._descriptor = os.open(self.path, os.O_RDONLY)

    def acquire(self, *, shared: bool = False, wait: bool = True) -> bool:
        """Hold the lock, alone or shared; false when others hold it and `wait` is false.

        A lock that is held already changes to the other kind; others may hold it alone in between.

        Raises
        ------
        NoLocksError : the file system has no locks
        """
        assert self._descriptor is not None, f"{self.path}: acquired after its release"
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            if error.errno in NO_LOCKS:
                raise NoLocksError(
                    f"{self.path}: this file system has no locks ({error.strerror}); keep the folder on a local disk, "
                    "or have it mounted with locks"
                ) from None
            raise
        return True

    def release(self) -> None:
        """Give the lock up; more than once does no harm."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@contextmanager
def locked(path: str | Path, waiting: str | None = None) -> Iterator[None]:
    """Hold a lock alone while the block lasts; `waiting` is written to the log where others hold it now."""
    with Lock(path) as lock:
        if waiting is None or not lock.acquire(wait=False):
            if waiting is not None:
                log.info(waiting)
            lock.acquire()
        yield
