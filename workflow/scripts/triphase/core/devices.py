"""GPUs of a machine, each given to one job at a time.

Snakemake's `gpu` resource counts jobs and sets no device, so each job takes the locks of the devices that it uses. The
kernel frees a lock when its holder dies, however it dies; there is no service to start or to clean up after.
"""

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.locking import Lock, locked
from triphase.core.retry import poll
from triphase.core.scratch import runtime_folder

log = logging.getLogger(__name__)

# Seconds between two looks at whether enough devices are free.
LOOK = 0.5
# Where Slurm, PBS, LSF and Grid Engine say which of their jobs this is.
JOB_NUMBERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
# What stands for no device; the word is Slurm's.
NONE = ("", "-1", "NoDevFiles")


@contextmanager
def device_slot(count: int = 1, *, devices: int | None = None, folder: str | Path | None = None) -> Iterator[list[str]]:
    """Take `count` GPUs for this process alone while the block lasts, and let CUDA see only them.

    To be entered before anything initialises CUDA. Where the scheduler or the user has set CUDA_VISIBLE_DEVICES, only
    devices named there are taken. On a machine without GPUs nothing is taken.

    Parameters
    ----------
    count : int, how many devices the job uses
    devices : int, optional, how many devices the machine has; counted where it is not given
    folder : path, optional
        Where the lock files lie; by default a folder of this user's on this machine. Jobs of other users do not wait
        for these: a machine that several use has a scheduler, or CUDA's exclusive mode.

    Yields
    ------
    list of str, the devices

    Raises
    ------
    InputError
        The machine, or CUDA_VISIBLE_DEVICES, has fewer devices than the job needs; the folder is not this user's.
    """
    candidates = visible_devices(devices)
    if not candidates or not count:
        yield []
        return
    if count > len(candidates):
        raise InputError(
            f"resources/gpu: a job needs {count} GPUs, and it can see {len(candidates)}: {', '.join(candidates)}"
        )
    folder = Path(folder or runtime_folder() / "devices")
    held = _take(count, candidates, folder)
    if held is None:
        waiting = f"waiting for {count} of the devices {', '.join(candidates)}; {_holders(candidates, folder)}"
        held = poll(lambda: _take(count, candidates, folder), LOOK, waiting)
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = list(held)
    try:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        log.info("device %s", ", ".join(chosen))
        yield chosen
    finally:
        if before is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before
        for lock in held.values():
            lock.release()


def visible_devices(devices: int | None = None) -> list[str]:
    """Names of the devices that a job may use: those in CUDA_VISIBLE_DEVICES, else all of the machine."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in NONE]
    return [str(number) for number in range(count_devices() if devices is None else devices)]


def count_devices() -> int:
    """Number of NVIDIA GPUs of this machine, without initialising CUDA."""
    if (found := Path("/proc/driver/nvidia/gpus")).is_dir():
        return len(list(found.iterdir()))
    if not shutil.which("nvidia-smi"):
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def device_memory() -> float | None:
    """Bytes of memory of this machine's smallest NVIDIA GPU, or None where there is none."""
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout.split()
    return min((float(mebibytes) * 2**20 for mebibytes in listed if mebibytes.isdigit()), default=None)


def _take(count: int, candidates: list[str], folder: Path) -> dict[str, Lock] | None:
    """Held locks of as many devices, by device; None, and nothing held, where fewer are free."""
    held = {}
    # One at a time may choose: two jobs that each held half of what they need would wait forever.
    with locked(folder / "choosing"):
        for device in candidates:
            lock = Lock(_lock_path(folder, device))
            if not lock.acquire(wait=False):
                lock.release()
                continue
            held[device] = lock
            if len(held) == count:
                return held
        for lock in held.values():
            lock.release()
    return None


def _holders(candidates: list[str], folder: Path) -> str:
    """Words for who holds devices now."""
    held = {}
    for device in candidates:
        with Lock(_lock_path(folder, device)) as lock:
            held[device] = lock.holder()
    return ", ".join(f"{device} is held by {who}" for device, who in held.items() if who) or "they are just given back"


def _lock_path(folder: Path, device: str) -> Path:
    """Where a device's lock lies.

    A scheduler that names devices may number those of each of its jobs from 0: they are told apart by the job. Where it
    names none, the numbers are the machine's, and its jobs must not share them either.
    """
    given = "CUDA_VISIBLE_DEVICES" in os.environ
    job = next((os.environ[name] for name in JOB_NUMBERS if given and name in os.environ), "")
    return folder / f"{job}_{device}".replace("/", "_")
