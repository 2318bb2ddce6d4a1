"""Processes that get content: several at once, killed, and on a full disk."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from datalad_origin import BOTH, make_dataset
from patience import wait_until

from triphase.core.units import in_units
from triphase.sources import downloads
from triphase.sources.clones import clone_path

LIBRARY = str(Path(downloads.__file__).parents[2])
BOLD = {"response": {"run-1": "bold_run-1.nii"}}


def run_job(origin, tmp_path, files=BOLD, environment=None, **keywords):
    """Start a process that fetches, as a job of Snakemake does."""
    code = (
        "import json, logging, sys; sys.path.insert(0, sys.argv[1])\n"
        "from triphase.sources.downloads import fetch_dataset\n"
        "logging.basicConfig(level='INFO'); fetch_dataset(**json.loads(sys.argv[2]))"
    )
    request = {"files": files, "name": "mini", "url": str(origin), "version": "1.0.0", "user": "study/s1"}
    request |= {"execution": {"transfers": 2, "retries": 0}, "folder": str(tmp_path / "datasets"), **keywords}
    return subprocess.Popen(
        [sys.executable, "-c", code, LIBRARY, json.dumps(request)], text=True,
        env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.mark.parametrize("second", ["bold_run-1.nii", "bold_run-2.nii"])
def test_two_jobs_at_once(origin, tmp_path, second):
    jobs = [
        run_job(origin, tmp_path, {"response": {"": name}}, user=f"study/{number}")
        for number, name in enumerate(("bold_run-1.nii", second))
    ]
    said = [job.communicate()[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    (clone,) = (tmp_path / "datasets").glob("mini-*")
    assert (clone / "bold_run-1.nii").is_file() and (clone / second).is_file()


def annex_processes(folder):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                Path(os.readlink(process / "cwd")).is_relative_to(folder)
                and b"git-annex" in (process / "cmdline").read_bytes()
            ):
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("whom", ["job", "datalad"])
def test_a_download_that_is_killed_is_taken_up_again(tmp_path, whom):
    content = os.urandom(8_000_000)
    origin = make_dataset(tmp_path / "origin", content=content)
    slow = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "annex.bwlimit", "GIT_CONFIG_VALUE_0": "2mb"}
    job = run_job(origin, tmp_path, environment=slow)
    clone = clone_path("mini", str(origin), "1.0.0", tmp_path / "datasets")

    def part():
        return next((file.stat().st_size for file in (clone / ".git/annex/tmp").glob("MD5E*")), 0)

    wait_until(lambda: part() > 1_000_000 and annex_processes(clone))
    if whom == "job":
        os.kill(job.pid, signal.SIGKILL)
    else:
        (getter,) = subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(job.pid)], text=True).split()
        os.kill(int(getter), signal.SIGKILL)
    said = job.communicate()[0]
    assert job.returncode != 0
    # git-annex ends with whoever was killed: left alone it would hang and hold the transfer's lock.
    wait_until(lambda: not annex_processes(clone))
    left = part()
    assert 1_000_000 < left < 8_000_000 and not (clone / "bold_run-1.nii").exists()
    if whom == "datalad":
        assert "InputError" in said and "bold_run-1.nii" in said and "run again" in said
    again = run_job(origin, tmp_path)
    said = again.communicate()[0]
    assert again.returncode == 0, said
    assert (clone / "bold_run-1.nii").read_bytes() == content
    assert f"{in_units(left)} of them came before" in said


DISK = """
mount -t tmpfs -o size=200k tmpfs {disk} || exit 77
cd {disk}
{fetch} > {tmp}/clone.log 2>&1; echo $? > {tmp}/clone.rc
ls {disk}/datasets > {tmp}/clone.left
mount -o remount,size=12m {disk}
{fetch} > {tmp}/estimate.log 2>&1; echo $? > {tmp}/estimate.rc
find {disk} -name 'MD5E*' -type f > {tmp}/estimate.left
{lying} > {tmp}/full.log 2>&1; echo $? > {tmp}/full.rc
find {disk} -path '*annex/objects*' -name 'MD5E*' -type f > {tmp}/full.left
mount -o remount,size=64m {disk}
{fetch} > {tmp}/retry.log 2>&1; echo $? > {tmp}/retry.rc
sha256sum {disk}/datasets/mini-*/bold_run-*.nii > {tmp}/retry.sums
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a mount namespace of its own")
def test_a_full_disk(tmp_path):
    """No room for the clone; 12 MB for 24 MB: found beforehand, and found while getting; mended by more room."""
    origin, disk = make_dataset(tmp_path / "origin", content=os.urandom(8_000_000)), tmp_path / "disk"
    disk.mkdir()
    request = {"files": BOTH, "name": "mini", "url": str(origin), "version": "1.0.0", "user": "study/s1"}
    request |= {"execution": {"transfers": 1, "retries": 3}, "folder": str(disk / "datasets")}
    code = "import json, sys; sys.path.insert(0, sys.argv[1]); from triphase.sources import downloads\n"
    lie = "downloads.check_disk = lambda *_: None\n"
    call = "downloads.fetch_dataset(**json.loads(sys.argv[2]))"
    for name, text in (("fetch", code + call), ("lying", code + lie + call)):
        (tmp_path / f"{name}.py").write_text(text)
    commands = {
        name: f"{sys.executable} {tmp_path}/{name}.py {LIBRARY} '{json.dumps(request)}'" for name in ("fetch", "lying")
    }
    # Without its reserve git-annex fills the disk to the brim.
    reserve = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "annex.diskreserve", "GIT_CONFIG_VALUE_0": "0"}
    reserve |= {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["unshare", "-Urm", "bash", "-c", DISK.format(disk=disk, tmp=tmp_path, **commands)],
        env={**os.environ, **reserve}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("may not mount here")

    def of(name):
        return (tmp_path / name).read_text().strip()

    assert of("clone.rc") == "1" and of("clone.left") == ""
    message = of("clone.log").splitlines()[-1]
    for text in ("InputError", "mini", str(origin), "no space left", "make room on the disk"):
        assert text in message
    assert of("estimate.rc") == "1" and of("estimate.left") == ""
    message = of("estimate.log").splitlines()[-1]
    for text in ("InputError", "bold_run-1.nii and 1 other file", "24.0 MB are to come", "make room on the disk"):
        assert text in message
    assert of("full.rc") == "1"
    message = of("full.log").splitlines()[-1]
    for text in ("InputError", "bold_run-2.nii of data set mini", "space", "make room on the disk", "is kept"):
        assert text in message
    assert "again in" not in of("full.log")
    assert len(of("full.left").splitlines()) == 1
    assert of("retry.rc") == "0", of("retry.log")
    sums = subprocess.check_output(["sha256sum", *sorted(map(str, origin.glob("bold*")))], text=True)
    assert re.findall(r"^\w{64}", of("retry.sums"), re.M) == re.findall(r"^\w{64}", sums, re.M)
