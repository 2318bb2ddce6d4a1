"""Shared fixtures. Tests that need real data read the folder in TRIPHASE_TEST_DATA and skip where it is absent."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parent.parent
TEST_DATA = Path(os.environ.get("TRIPHASE_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data():
    """Folder of real test data."""
    if not TEST_DATA.is_dir():
        pytest.skip(f"real data are not in {TEST_DATA} (TRIPHASE_TEST_DATA)")
    return TEST_DATA.resolve()


@pytest.fixture
def one_thread():
    """Linear algebra on one thread: products as small as those of a test only wait for others, long on busy cores."""
    with threadpool_limits(1):
        yield


class Project:
    """A copy of the project's files in a folder of its own, so that a run's results stay out of the working tree."""

    def __init__(self, folder):
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/")):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)

    @classmethod
    def copy_of(cls, folder, target):
        """A project with all that has been made in it: nothing is left to do there either."""
        subprocess.run(["cp", "-a", folder, target], check=True)
        project = cls.__new__(cls)
        project.folder = target
        return project

    def snakemake(self, *arguments, study=None, overlay=None, env=None, program=("-m", "snakemake")):
        """Run snakemake; `overlay` is merged over the study. Returns the finished process, output as text."""
        configs = [f"config/studies/{study}.yaml"] if study else []
        if overlay:
            (self.folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
            configs.append("overlay.yaml")
        configfiles = ["--configfile", *configs] if configs else []
        return subprocess.run(
            [sys.executable, *program, "--cores", "2", *arguments, *configfiles],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={
                **os.environ, "TRIPHASE_TEST_DATA": str(TEST_DATA.resolve()),
                # The copy's own library, and not the working tree's, which is installed.
                "PYTHONPATH": str(self.folder / "workflow/scripts"), **(env or {}),
            },
        )  # fmt: skip

    def planned(self, *arguments, **keywords):
        """Jobs that a dry run plans, by rule."""
        done = self.snakemake("-n", "--quiet", "rules", *arguments, **keywords)
        assert done.returncode == 0, done.stdout
        return job_counts(done.stdout)


def job_counts(output):
    """Snakemake's table of jobs by rule, without its total and target lines."""
    rows = re.findall(r"^(\w+) +(\d+)$", output.split("Job stats:")[-1], flags=re.M)
    return {rule: int(count) for rule, count in rows if rule not in ("total", "all")}


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """An unrun copy of the project, for dry runs."""
    return Project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def tiny_as_run(tmp_path_factory):
    """Folder of a project in which `tiny` has run, once for all workers: to be copied, not to be changed."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, running = base / "tiny_as_run", base / "tiny_running"
    with FileLock(base / "tiny_as_run.lock"):
        if not folder.exists():
            running.mkdir(exist_ok=True)
            done = Project(running).snakemake(study="tiny")
            assert done.returncode == 0, done.stdout[-5000:]
            running.rename(folder)
    return folder
