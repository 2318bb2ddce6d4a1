"""Lease files: what stands in for locks on a file system that has none (see `triphase.core.locking`).

Whoever holds a lock alone has made `<lock>.lease`, which only one can do: making a file that must be new is one act
even on network file systems. Whoever shares it has made a file in `<lock>.leases` while nobody had `<lock>.lease`.
Holders touch their files every few seconds. One that ended without a word is known by its process, where that ran on
this machine, and elsewhere by a file that is no longer touched; its age is told by the file server's clock, so the
clocks of machines need not agree.
"""

import itertools
import json
import logging
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

# Seconds between two touches of a lease, and those after which one that was not touched is abandoned: a machine that
# swaps, or a server that does not answer, may keep a holder from touching it for a while.
BEAT = 10.0
ABANDONED = 120.0
# Seconds that the removal of an abandoned lease takes at most.
MOMENT = 10.0

_numbers = itertools.count()
_guard = threading.Lock()
_held: set[Path] = set()
_heart: threading.Thread | None = None


class Lease:
    """A lease on a lock file, alone or shared.

    Parameters
    ----------
    path : path of the lock file
    """

    def __init__(self, path: Path) -> None:
        self.alone = path.with_name(f"{path.name}.lease")
        self.shares = path.with_name(f"{path.name}.leases")
        self._own: Path | None = None

    def acquire(self, *, shared: bool) -> bool:
        """Hold the lease, in place of what was held before; false where others hold it, or one is just taking it.

        Raises
        ------
        OSError : no file can be made in the folder
        """
        self.release()
        if not _made(self.alone):
            return False
        own = self.alone
        if shared:
            own = self.shares / f"{socket.gethostname()}-{os.getpid()}-{next(_numbers)}"
            self.shares.mkdir(exist_ok=True)
            _made(own)
        if shared or self._shared():
            self.alone.unlink(missing_ok=True)
        if own.exists():
            self._own = own
            _keep_alive(own)
        return self._own is not None

    def taken(self, *, shared: bool) -> bool:
        """Whether others hold a lease that keeps out whoever wants the lock, alone or shared."""
        return (self.alone.exists() and not _gone(self.alone)) or (not shared and self._shared())

    def release(self) -> None:
        """Give the lease up; more than once does no harm."""
        if self._own is None:
            return
        with _guard:
            _held.discard(self._own)
        if _owner(self._own) == _me():
            self._own.unlink(missing_ok=True)
        else:
            log.warning("%s was taken by another while this process stood still", self._own)
        with suppress(OSError):  # there is none, or others share it still
            self.shares.rmdir()
        self._own = None

    def holder(self) -> str:
        """Words for who holds the lease alone; "" where nobody does."""
        return describe_holder(self.alone) if self.alone.exists() else ""

    def _shared(self) -> bool:
        """Whether others share the lease."""
        return self.shares.is_dir() and not all([_gone(path) for path in self.shares.glob("[!.]*")])


def describe_holder(path: Path) -> str:
    """Words for who made a file with `holder_text`; "" where that cannot be told, or its process has ended."""
    owner = _owner(path)
    if owner is None or (_is_here(owner) and not _lives(owner)):
        return ""
    return f"process {owner['process']} of {owner['user']} on {owner['machine']}"


def holder_text() -> bytes:
    """What this process writes into a file that it holds: who and where it is."""
    return json.dumps(_me()).encode()


def _me() -> dict[str, Any]:
    return {"process": os.getpid(), "started": _started(os.getpid()), **_here()}


@cache
def _here() -> dict[str, str]:
    """User and machine of this process; `space` tells apart what numbers processes anew: restarts and containers."""
    space = ""
    with suppress(OSError):
        space = Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"user {os.getuid()}"
    return {"user": user, "machine": socket.gethostname(), "space": space}


def _is_here(owner: dict[str, Any]) -> bool:
    """Whether the number of a holder's process means something to this one."""
    here = _here()
    return bool(here["space"]) and (owner["machine"], owner["space"]) == (here["machine"], here["space"])


def _lives(owner: dict[str, Any]) -> bool:
    return bool(_started(owner["process"]) == owner["started"])


def _started(process: int) -> str:
    """When a process of this machine started, in the kernel's clock; "" where there is no such process."""
    try:
        # The name, which stands in parentheses, may hold spaces.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _owner(path: Path) -> dict[str, Any] | None:
    """Who made a lease; None where it is gone, or just being written."""
    try:
        owner = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return (
        owner if isinstance(owner, dict) and {"process", "started", "user", "machine", "space"} <= set(owner) else None
    )


def _made(path: Path) -> bool:
    """Make a lease; false where there is one that is not abandoned."""
    if path.exists() and not _gone(path):
        return False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o664)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, holder_text())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return True


def _gone(path: Path) -> bool:
    """Whether there is no lease any more; one that its holder abandoned is removed."""
    if not _abandoned(path):
        return not path.exists()
    with _breaking(path) as mine:
        # Since it was looked at another may have removed it and made its own.
        if mine and _abandoned(path):
            log.warning("%s: removed, since its holder has ended", path)
            path.unlink(missing_ok=True)
    return not path.exists()


def _abandoned(path: Path) -> bool:
    """Whether the holder of a lease has ended, as far as can be known here."""
    owner = _owner(path)
    return not _lives(owner) if owner and _is_here(owner) else _age(path) > ABANDONED


@contextmanager
def _breaking(path: Path) -> Iterator[bool]:
    """Keep others from removing a lease while the block lasts; yields whether this process may."""
    mark = path.with_name(f".{path.name}.breaking")
    if mark.exists() and _age(mark) > MOMENT:
        mark.unlink(missing_ok=True)
    try:
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o664))
    except FileExistsError:
        yield False
        return
    try:
        yield True
    finally:
        mark.unlink(missing_ok=True)


def _age(path: Path) -> float:
    """Seconds since a file was touched, by its file system's clock; 0 where it is gone, or the clock cannot be read."""
    probe = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}.clock")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except OSError:
        return 0.0
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def _keep_alive(path: Path) -> None:
    """Touch a lease from now on, until it is released; one thread does so for all of a process."""
    global _heart
    with _guard:
        _held.add(path)
        if _heart is None:
            _heart = threading.Thread(target=_beat, name="leases", daemon=True)
            _heart.start()


def _beat() -> None:
    pause = threading.Event()
    while not pause.wait(BEAT):
        with _guard:
            held = list(_held)
        for path in held:
            with suppress(OSError):  # released since, or a server that does not answer now
                os.utime(path)


def _forget() -> None:
    """In the child of a fork, which holds none of its parent's leases and has no thread that touches them."""
    global _guard, _heart
    _guard, _heart = threading.Lock(), None
    _held.clear()


os.register_at_fork(after_in_child=_forget)
