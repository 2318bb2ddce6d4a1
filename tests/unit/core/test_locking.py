import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from project import ROOT

from triphase.core.errors import InputError
from triphase.core.locking import Lock, locked

HOLDER = """
import sys, time
from triphase.core.locking import Lock
lock = Lock(sys.argv[1])
lock.acquire(shared=sys.argv[2] == "shared")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A function that starts a process which holds the lock of `tmp_path / "lock"`, alone or shared."""
    started = []

    def start(kind):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "lock"), kind],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_lock_keeps_other_processes_out_until_its_holder_dies(holder, tmp_path):
    process = holder("alone")
    with Lock(tmp_path / "lock") as lock:
        assert not lock.acquire(wait=False) and not lock.acquire(shared=True, wait=False)
        process.send_signal(signal.SIGKILL)
        assert lock.acquire()


def test_a_shared_lock_is_shared_and_keeps_out_whoever_wants_it_alone(holder, tmp_path):
    holder("shared")
    with Lock(tmp_path / "lock") as lock:
        assert lock.acquire(shared=True, wait=False) and not lock.acquire(wait=False)


def test_a_lock_changes_its_kind_and_is_free_after_its_release(tmp_path):
    one, two = Lock(tmp_path / "a/lock"), Lock(tmp_path / "a/lock")
    assert one.acquire() and not two.acquire(wait=False)
    assert one.acquire(shared=True) and two.acquire(shared=True)
    one.release()
    one.release()
    assert two.acquire(wait=False)
    two.release()


def test_who_waits_says_so_once_and_goes_on(tmp_path, caplog):
    caplog.set_level("INFO")
    first, held = Lock(tmp_path / "lock"), threading.Event()
    first.acquire()

    def wait():
        with locked(tmp_path / "lock", waiting="waiting for 100% of it"):
            held.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not held.wait(0.2)
    (message,) = caplog.messages
    assert message.startswith(f"waiting for 100% of it, held by process {os.getpid()} of ")
    first.release()
    thread.join(10)
    assert held.is_set() and len(caplog.messages) == 1


def test_who_held_a_lock_is_not_named_after_its_release_or_its_end(holder, tmp_path):
    with Lock(tmp_path / "lock") as lock:
        process = holder("alone")
        assert lock.holder().startswith(f"process {process.pid} of ")
        process.kill()
        process.wait()
        assert lock.holder() == ""
        lock.acquire()
        assert f"process {os.getpid()} " in lock.holder()
    assert (tmp_path / "lock").read_bytes() == b""


def test_a_file_that_holds_something_else_is_not_written_into(tmp_path):
    (tmp_path / "lock").write_text("content")
    with Lock(tmp_path / "lock", signed=False) as lock:
        lock.acquire()
    assert (tmp_path / "lock").read_text() == "content"


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="lock: this lock file is a link"):
        Lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_file_that_must_be_there_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "lock", mode=None)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_users_of_a_shared_folder_lock_what_others_made():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lock"
        Lock(path, mode=0o644).release()
        path.parent.chmod(0o1777)
        assert acquired_by_another_user(path)
        with Lock(path) as lock:
            lock.acquire()
            assert not acquired_by_another_user(path)


def acquired_by_another_user(path):
    """Whether a process of another user gets a lock at once."""
    if not (child := os.fork()):
        os.setuid(65534)
        os._exit(0 if Lock(path).acquire(wait=False) else 7)
    return {0: True, 7: False}[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]


def test_other_failures_of_locking_are_not_hidden(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output error"), locked(tmp_path / "lock"):
        pass
