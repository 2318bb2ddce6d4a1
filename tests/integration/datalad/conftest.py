"""A small DataLad data set, made and cloned once in a session: each test has copies of its own."""

import pytest
from datalad_origin import adopt, copy, fetch, isolate, make_dataset

from triphase.sources.clones import prepare_environment


@pytest.fixture(autouse=True)
def unattended(monkeypatch):
    isolate(monkeypatch)
    prepare_environment()


@pytest.fixture(scope="session")
def made(made_once):
    """Folder of a data set, `origin`, and of its clone with the content of run 1, in `datasets`."""

    def make(folder):
        with pytest.MonkeyPatch.context() as patch:
            isolate(patch)
            fetch(make_dataset(folder / "origin"), folder)

    return made_once("datalad_origin", make)


@pytest.fixture
def origin(made, tmp_path):
    """A data set with a transcript and two runs."""
    return copy(made / "origin", tmp_path / "origin")


@pytest.fixture
def fetched(made, origin, tmp_path):
    """Manifest of run 1 and the transcript of `origin`, which have been fetched."""
    adopt(next((made / "datasets").glob("mini-*")), origin, tmp_path)
    return fetch(origin, tmp_path)
