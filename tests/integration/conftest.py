"""What tests of whole runs share."""

import pytest
from project import Project


@pytest.fixture(scope="module")
def run(tiny_as_run, tmp_path_factory):
    """A project of a module's own in which `tiny` has run; its tests may change it, one after the other."""
    project = Project.copy_of(tiny_as_run, tmp_path_factory.mktemp("tiny") / "project")
    project.results = project.folder / "results/tiny"
    return project
