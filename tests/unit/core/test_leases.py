"""Locks of file systems that have none."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from patience import PATIENCE
from project import ROOT

from triphase.core import leases, locking
from triphase.core.artefacts import read_json, write_json
from triphase.core.locking import Lock, NoLocksError, locked

HOLDER = """
import fcntl, os, sys, time
number = int(sys.argv[3])
def refuse(*_):
    raise OSError(number, os.strerror(number))
if number:
    fcntl.flock = refuse
from triphase.core.locking import Lock
lock = Lock(sys.argv[1])
lock.acquire(shared=sys.argv[2] == "shared")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=locking.NO_LOCKS, ids=lambda number: errno.errorcode[number])
def no_locks(request, monkeypatch):
    """The number of the error with which the file system says that it has no locks."""

    def refuse(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locking, "_told", set())
    monkeypatch.setattr(locking, "LOOK", 0.02)
    return request.param


@pytest.fixture
def holder(tmp_path):
    """A function that starts a process which holds `tmp_path / "lock"`; `number`: of the error of its flock, or 0."""
    started = []

    def start(kind, number=0):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "lock"), kind, str(number)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_lease_keeps_other_processes_out_until_its_holder_dies(no_locks, holder, tmp_path):
    process = holder("alone", no_locks)
    with Lock(tmp_path / "lock") as lock:
        assert not lock.acquire(wait=False) and not lock.acquire(shared=True, wait=False)
        assert lock.holder().startswith(f"process {process.pid} of ")
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock.acquire()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"], "something was left"


def test_a_shared_lease_is_shared_and_keeps_out_whoever_wants_it_alone(no_locks, holder, tmp_path):
    process = holder("shared", no_locks)
    with Lock(tmp_path / "lock") as lock:
        assert lock.acquire(shared=True, wait=False) and not lock.acquire(wait=False)
        process.kill()
        process.wait()
        assert lock.acquire()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_lease_changes_its_kind_and_is_free_after_its_release(no_locks, tmp_path):
    one, two = Lock(tmp_path / "a/lock"), Lock(tmp_path / "a/lock")
    assert one.acquire() and not two.acquire(wait=False)
    assert one.acquire(shared=True) and two.acquire(shared=True)
    one.release()
    one.release()
    assert two.acquire(wait=False)
    two.release()


def test_threads_take_turns(no_locks, tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locked(tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(most) == 80 and max(most) == 1


def test_that_there_are_no_locks_is_told_once_and_files_are_written_all_the_same(no_locks, tmp_path, caplog):
    for name in ("a.json", "b.json"):
        write_json(tmp_path / name, {"a": 1})
        assert read_json(tmp_path / name) == {"a": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]
    (message,) = caplog.messages
    assert os.strerror(no_locks) in message and "lease files stand in for them" in message


def test_what_a_killed_write_left_is_removed(no_locks, tmp_path):
    left = tmp_path / ".a.json.99999999.part.json"
    left.write_text("{")
    os.utime(left, (0, 0))
    gone = {"process": 99999999, "started": "1", **leases._here()}
    left.with_name(f"{left.name}.lease").write_text(json.dumps(gone))
    write_json(tmp_path / "a.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(("age", "free"), [(10, False), (1000, True)])
def test_a_holder_on_another_machine_is_known_by_its_heartbeat(tmp_path, age, free):
    foreign = {"process": os.getpid(), "started": "1", "user": "ann", "machine": "elsewhere", "space": "x"}
    lease = tmp_path / "lock.lease"
    lease.write_text(json.dumps(foreign))
    os.utime(lease, (time.time() - age,) * 2)
    with Lock(tmp_path / "lock") as lock:
        assert free or lock.holder() == f"process {os.getpid()} of ann on elsewhere"
        assert lock.acquire(wait=False) == free


def test_a_process_of_the_same_number_is_not_its_holder(tmp_path):
    earlier = {"process": os.getpid(), "started": "1", **leases._here()}
    (tmp_path / "lock.lease").write_text(json.dumps(earlier))
    with Lock(tmp_path / "lock") as lock:
        assert lock.acquire(wait=False)


def test_a_lease_is_touched_while_it_is_held(no_locks, tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT", 0.01)
    monkeypatch.setattr(leases, "_heart", None)
    with Lock(tmp_path / "lock") as lock:
        lock.acquire()
        os.utime(tmp_path / "lock.lease", (0, 0))
        end = time.monotonic() + PATIENCE
        while (tmp_path / "lock.lease").stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert (tmp_path / "lock.lease").stat().st_mtime > 0


def test_a_holder_whose_lease_another_took_leaves_that_alone(no_locks, tmp_path, caplog):
    with Lock(tmp_path / "lock") as lock:
        lock.acquire()
        (tmp_path / "lock.lease").write_text("another's")
    assert (tmp_path / "lock.lease").read_text() == "another's"
    assert "was taken by another while this process stood still" in caplog.text


@pytest.mark.parametrize("mine", ["alone", "shared"])
def test_machines_with_and_without_locks_respect_each_other(holder, tmp_path, mine):
    holder("alone", errno.ENOLCK)
    with Lock(tmp_path / "lock") as lock:
        assert not lock.acquire(shared=mine == "shared", wait=False)


def test_a_file_that_can_only_be_read_is_shared_by_the_kernel_and_leased(holder, tmp_path, monkeypatch):
    real = fcntl.flock

    def only_shared(descriptor, kind):
        if kind & fcntl.LOCK_EX:
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(descriptor, kind)

    monkeypatch.setattr(locking, "_told", set())
    with Lock(tmp_path / "lock") as lock, Lock(tmp_path / "lock") as other:
        with monkeypatch.context() as patched:
            patched.setattr(fcntl, "flock", only_shared)
            assert lock.acquire(wait=False)
        assert not other.acquire(wait=False)
        lock.release()
        assert other.acquire(wait=False)


def test_where_no_lease_can_be_made_the_file_is_named(no_locks, tmp_path, monkeypatch):
    def refuse(path, flags, *mode):
        if str(path).endswith(".lease"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *mode)

    opened = os.open
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(NoLocksError, match=f"{tmp_path}/lock: this file system has no locks, and no lease .* writable"):
        with locked(tmp_path / "lock"):
            pass


def test_a_child_process_holds_none_of_its_parents_leases(no_locks, tmp_path):
    with Lock(tmp_path / "lock") as lock:
        lock.acquire()
        if not (child := os.fork()):
            os._exit(len(leases._held))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert socket.gethostname() in lock.holder()
