"""Shared fixtures. Tests that need real data read the folder in TRIPHASE_TEST_DATA and skip where it is absent."""

import os
import shutil

import hypothesis
import pytest
from project import TEST_DATA, Project
from threadpoolctl import threadpool_limits
from warm_snakemake import run_snakemake

from triphase.core.locking import locked

Project.run = staticmethod(run_snakemake)

# How long an example takes depends on what else the machine does; folders that examples share do no harm.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
hypothesis.settings.load_profile("patient")


def pytest_ignore_collect(collection_path, config):
    """Do not even import files whose every test needs a model where none is to run: that alone takes seconds."""
    if "not model" in config.option.markexpr and collection_path.suffix == ".py":
        return "\npytestmark = pytest.mark.model\n" in collection_path.read_text(encoding="utf-8") or None
    return None


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


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A function of (name, make) that returns a folder which `make(folder)` has filled, once for all workers.

    What is in it is to be copied, not to be changed.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def once(name, make):
        folder, done = base / name, base / f"{name}.made"
        with locked(base / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """An unrun copy of the project, for dry runs."""
    return Project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def tiny_as_run(made_once):
    """Folder of a project in which `tiny` has run."""

    def make(folder):
        done = Project(folder).snakemake(study="tiny")
        assert done.returncode == 0, done.stdout[-5000:]

    return made_once("tiny_as_run", make)
