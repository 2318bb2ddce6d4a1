"""`execution/keep_raw: false` in a real run: raw files go once the responses are whole, and come back when needed."""

from pathlib import Path

import pytest
from project import Project

from triphase.core.artefacts import read_arrays, read_json
from triphase.sources import clones

TARGET = "results/tiny/responses/sub-01.zarr.zip"


@pytest.fixture(scope="module")
def tiny(tiny_as_run, tmp_path_factory):
    return Project.copy_of(tiny_as_run, tmp_path_factory.mktemp("keep_raw") / "project")


def raw_files(tiny):
    """Which of the subject's annexed files are there, by path."""
    files = read_json(tiny.folder / "results/tiny/sources/sub-01.json")["files"]
    paths = [tiny.folder / file["path"] for group in files.values() for file in group.values()]
    return {path.name: path.is_file() for path in paths if path.is_symlink()}


def test_raw_files_are_dropped_and_fetched_again(tiny):
    overlay = {"execution": {"keep_raw": False}}
    first = read_arrays(tiny.folder / TARGET)
    for _ in range(2):
        done = tiny.snakemake(TARGET, "--forcerun", "clean_responses", study="tiny", overlay=overlay)
        assert done.returncode == 0, done.stdout
        assert first.identical(read_arrays(tiny.folder / TARGET))
        assert raw_files(tiny) and not any(raw_files(tiny).values())
    # How files are fetched changes no result, so another choice makes nothing anew.
    overlay = {"execution": {"keep_raw": True, "transfers": 1, "retries": 0}}
    assert tiny.planned("--nocolor", TARGET, study="tiny", overlay=overlay) == {}
    done = tiny.snakemake(TARGET, "--forcerun", "clean_responses", study="tiny")
    assert done.returncode == 0, done.stdout
    assert all(raw_files(tiny).values())
    log = Path(tiny.folder, "results/tiny/logs/clean_responses/sub-01.log").read_text()
    assert f"of which {len(raw_files(tiny))} (" in log and "dropped" not in log


def test_a_transcript_that_was_dropped_or_deleted_comes_again(tiny):
    words = "results/tiny/stimuli/words.parquet"
    clones.remove(next((tiny.folder / "resources/datasets").glob("[!.]*")))
    done = tiny.snakemake(words, "--forcerun", "build_words", study="tiny")
    assert done.returncode == 0, done.stdout[-3000:]
