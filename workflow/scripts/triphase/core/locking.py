"""Locks on files, across processes and users, with one policy: the kernel's locks, else lease files.

The kernel frees a lock when its holder ends, however it ends. Some file systems have no locks: lease files stand in for
them there (`triphase.core.leases`), which is told once. Machines of which some can lock a file system and others cannot
respect each other's, but for one case: who holds a lease alone does not see who shares the lock by the kernel.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from triphase.core.errors import InputError
from triphase.core.leases import Lease, describe_holder, holder_text
from triphase.core.retry import poll

log = logging.getLogger(__name__)

# How a file system says that it has no locks: NFS without its lock service (ENOLCK), Lustre mounted without flock
# (ENOSYS), others (ENOTSUP, EOPNOTSUPP, EINVAL), and NFS where a file can be read only (EBADF).
NO_LOCKS = tuple(
    dict.fromkeys((errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF))
)
# Seconds between two looks at whether a lease is free.
LOOK = 0.2

# Numbers of the file systems that have no locks and were told of.
_told: set[int] = set()


class NoLocksError(InputError):
    """The file system of a lock file has no locks, and no lease can be made there."""


class Lock:
    """A lock on a file, held by one process alone or shared by several.

    Two objects never hold a lock together by accident, not even within one process. The file is made where it is not
    there and is never removed: whoever waits for it would hold a lock on a file that others no longer see. That of
    another user need only be readable.

    Parameters
    ----------
    path : path of the file; a link is refused
    mode : permissions of a file that is made, less the user's umask; None makes none, which raises FileNotFoundError
    signed : whether who holds the lock alone writes so into the file; not in files that hold something else

    Raises
    ------
    InputError : the file is a link, or cannot be made
    """

    def __init__(self, path: str | Path, mode: int | None = 0o664, *, signed: bool = True) -> None:
        self.path = Path(path)
        self._signed, self._alone = signed, False
        self._lease, self._without_kernel = Lease(self.path), False
        self._descriptor: int | None = None
        flags = os.O_NOFOLLOW | (0 if mode is None else os.O_CREAT)
        try:
            if mode is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._descriptor = os.open(self.path, os.O_RDWR | flags, mode or 0)
            except PermissionError:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise InputError(f"{self.path}: this lock file is a link; remove it, or find out who made it") from None
            if error.errno in (errno.EROFS, errno.EACCES):
                raise InputError(
                    f"{self.path}: this lock file cannot be made ({error.strerror}); the folder must be writable"
                ) from None
            raise

    def acquire(self, *, shared: bool = False, wait: bool = True, waiting: str | None = None) -> bool:
        """Hold the lock, alone or shared; false when others hold it and `wait` is false.

        A lock that is held already changes to the other kind; others may hold it alone in between, and where the
        answer is false nothing is held any more. Where others hold it now and this waits, `waiting` (text) is written
        to the log, with who that is.

        Raises
        ------
        NoLocksError : the file system has no locks, and no lease can be made
        """
        assert self._descriptor is not None, f"{self.path}: acquired after its release"
        if self._held(shared, wait=False):
            return True
        if not wait:
            return False
        holder = self.holder()
        log.info("%s%s", waiting or f"waiting for the lock {self.path}", f", held by {holder}" if holder else "")
        return poll(lambda: self._held(shared, wait=True) or None, LOOK)

    def holder(self) -> str:
        """Words for who holds the lock alone; "" where that is not known."""
        return self._lease.holder() or (describe_holder(self.path) if self._signed else "")

    def release(self) -> None:
        """Give the lock up; more than once does no harm."""
        if self._descriptor is not None:
            self._sign(b"")
            self._lease.release()
            os.close(self._descriptor)
            self._descriptor = None

    def _held(self, shared: bool, *, wait: bool) -> bool:
        """Hold the lock now, or once the kernel gives it; false where others hold it."""
        self._sign(b"")
        if not self._without_kernel:
            try:
                self._flock(fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait=wait)
                if self._lease.taken(shared=shared):
                    self._flock(fcntl.LOCK_UN)
                    return False
            except BlockingIOError:
                self._flock(fcntl.LOCK_UN)
                return False
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                self._without_kernel = True
                _tell(self.path, error)
        if self._without_kernel and not self._leased(shared):
            return False
        self._alone = not shared
        self._sign(holder_text())
        return True

    def _leased(self, shared: bool) -> bool:
        try:
            if not self._lease.acquire(shared=shared):
                return False
        except OSError as error:
            raise NoLocksError(
                f"{self.path}: this file system has no locks, and no lease file can be made beside it "
                f"({error.strerror}); make the folder writable, or keep it on a local disk"
            ) from None
        # A file that can only be read can be shared still, which keeps out whoever holds it alone by the kernel.
        try:
            self._flock(fcntl.LOCK_SH)
        except BlockingIOError:
            self._lease.release()
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        return True

    def _flock(self, kind: int, *, wait: bool = False) -> None:
        assert self._descriptor is not None
        fcntl.flock(self._descriptor, kind if wait else kind | fcntl.LOCK_NB)

    def _sign(self, text: bytes) -> None:
        """Write who holds the lock alone into its file, or nothing any more; a courtesy, which may fail."""
        if not (self._signed and self._alone and self._descriptor is not None):
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text, 0)
        self._alone = bool(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@contextmanager
def locked(path: str | Path, waiting: str | None = None) -> Iterator[None]:
    """Hold a lock alone while the block lasts; `waiting` is written to the log where others hold it now."""
    with Lock(path) as lock:
        lock.acquire(waiting=waiting)
        yield


def _tell(path: Path, error: OSError) -> None:
    """Warn, once for each file system, that it has no locks."""
    device = path.parent.stat().st_dev
    if device not in _told:
        _told.add(device)
        log.warning(
            "%s: this file system has no locks (%s): lease files stand in for them; what a machine that went down held "
            "is free after two minutes",
            path.parent,
            error.strerror,
        )
