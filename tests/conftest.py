"""Shared fixtures. Tests that need real data read the folder in TRIPHASE_TEST_DATA and skip where it is absent."""

import os

import pytest
from filelock import FileLock
from project import TEST_DATA, Project
from threadpoolctl import threadpool_limits


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
