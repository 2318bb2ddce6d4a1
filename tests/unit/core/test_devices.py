import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from patience import PATIENCE, wait_until
from project import ROOT

from triphase.core import devices
from triphase.core.devices import device_slot, visible_devices
from triphase.core.errors import InputError

# Takes a slot, enters what it holds, and stays there for a while, or until it is killed.
JOB = """
import sys, time
from triphase.core.devices import device_slot
count, total, folder, log, seconds = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5])
with device_slot(count, devices=total, folder=folder) as held:
    with open(log, "a") as file:
        file.write(f"{time.time()} in {' '.join(held)}\\n")
    time.sleep(seconds)
    with open(log, "a") as file:
        file.write(f"{time.time()} out {' '.join(held)}\\n")
"""


@pytest.fixture(autouse=True)
def free_environment(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", *devices.JOB_NUMBERS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(devices, "LOOK", 0.02)


def job(folder, count=1, total=2, seconds=0.3, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", JOB, str(count), str(total), str(folder / "locks"), str(folder / "log"), str(seconds)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts"), **environment},
    )


def test_a_job_sees_its_own_device_and_the_environment_comes_back(tmp_path):
    with device_slot(1, devices=2, folder=tmp_path) as first:
        assert (first, os.environ["CUDA_VISIBLE_DEVICES"]) == (["0"], "0")
        del os.environ["CUDA_VISIBLE_DEVICES"]
        with device_slot(1, devices=2, folder=tmp_path) as second:
            assert second == ["1"]
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_without_gpus_nothing_is_taken(tmp_path):
    with device_slot(1, devices=0, folder=tmp_path) as held:
        assert held == [] and "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2,3", ["2", "3"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("GPU-ab, MIG-cd", ["GPU-ab", "MIG-cd"]),
        (None, ["0", "1", "2", "3"]),
    ],
)
def test_what_the_scheduler_gave_is_honoured(monkeypatch, given, expected):
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_devices(4) == expected


def test_more_devices_than_there_are_is_refused(tmp_path):
    with pytest.raises(InputError, match="a job needs 3 GPUs, and it can see 2: 0, 1"):
        with device_slot(3, devices=2, folder=tmp_path):
            pass


@pytest.mark.parametrize("sizes", [[1] * 6, [2, 1, 2, 1, 2]])
def test_jobs_never_share_a_device(tmp_path, sizes):
    jobs = [job(tmp_path, count, seconds=0.1) for count in sizes]
    assert [process.wait(PATIENCE) for process in jobs] == [0] * len(jobs)
    held = set()
    for line in sorted((tmp_path / "log").read_text().splitlines(), key=lambda line: float(line.split()[0])):
        _, what, *names = line.split()
        if what == "in":
            assert not held & set(names)
            held |= set(names)
        else:
            held -= set(names)
    assert not held


def test_a_killed_job_leaves_its_device_free(tmp_path):
    process = job(tmp_path, total=1, seconds=60)
    while not (tmp_path / "log").exists():
        assert process.poll() is None
        time.sleep(0.02)
    after = job(tmp_path, total=1, seconds=0)
    time.sleep(0.5)
    assert after.poll() is None, "the device was given twice"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert after.wait(PATIENCE) == 0


@pytest.mark.parametrize("number", devices.JOB_NUMBERS)
def test_jobs_of_a_scheduler_that_numbers_from_0_do_not_wait_for_each_other(tmp_path, number):
    with device_slot(1, devices=1, folder=tmp_path / "locks"):
        assert job(tmp_path, total=1, seconds=0, **{number: "7"}, CUDA_VISIBLE_DEVICES="0").wait(PATIENCE) == 0


def test_jobs_of_a_scheduler_that_names_no_device_do_not_share_one(tmp_path):
    with device_slot(1, devices=1, folder=tmp_path / "locks"):
        del os.environ["CUDA_VISIBLE_DEVICES"]
        other = job(tmp_path, total=1, seconds=0, SLURM_JOB_ID="7")
        time.sleep(0.5)
        assert other.poll() is None, "the device was given twice"
    assert other.wait(PATIENCE) == 0


def test_a_wait_says_who_holds_the_devices(tmp_path, caplog):
    caplog.set_level("INFO")
    process = job(tmp_path, total=1, seconds=0.5)
    wait_until((tmp_path / "log").exists)
    with device_slot(1, devices=1, folder=tmp_path / "locks") as held:
        assert held == ["0"]
    told = [message for message in caplog.messages if message.startswith("waiting for 1 of the devices 0; ")]
    assert told and f"0 is held by process {process.pid} of " in told[0]
    assert process.wait(PATIENCE) == 0


def test_locks_lie_in_a_folder_of_the_users_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with device_slot(1, devices=1):
        assert (tmp_path / "triphase/devices/_0").is_file()
    assert stat.S_IMODE((tmp_path / "triphase").stat().st_mode) == 0o700
