"""`execution/keep_raw: false` in a real run: raw files go once the responses are whole, and come back when needed."""

from pathlib import Path

from triphase.core.artefacts import read_arrays, read_json
from triphase.sources import clones

TARGET = "results/tiny/responses/sub-01.zarr.zip"


def raw_files(run):
    """Which of the subject's annexed files are there, by path."""
    files = read_json(run.folder / "results/tiny/sources/subjects/sub-01.json")["files"]
    paths = [run.folder / file["path"] for group in files.values() for file in group.values()]
    return {path.name: path.is_file() for path in paths if path.is_symlink()}


def test_raw_files_are_dropped_and_fetched_again(run):
    overlay = {"execution": {"keep_raw": False}}
    first = read_arrays(run.folder / TARGET)
    for _ in range(2):
        done = run.snakemake(TARGET, "--forcerun", "clean_responses", study="tiny", overlay=overlay)
        assert done.returncode == 0, done.stdout
        assert first.identical(read_arrays(run.folder / TARGET))
        assert raw_files(run) and not any(raw_files(run).values())
    # How files are fetched changes no result, so another choice makes nothing anew.
    overlay = {"execution": {"keep_raw": True, "transfers": 1, "retries": 0}}
    assert run.planned("--nocolor", TARGET, study="tiny", overlay=overlay) == {}
    done = run.snakemake(TARGET, "--forcerun", "clean_responses", study="tiny")
    assert done.returncode == 0, done.stdout
    assert all(raw_files(run).values())
    log = Path(run.folder, "results/tiny/logs/clean_responses/sub-01.log").read_text()
    assert f"of which {len(raw_files(run))} (" in log and "dropped" not in log


def test_a_transcript_that_was_dropped_or_deleted_comes_again(run):
    words = "results/tiny/stimuli/words.parquet"
    clones.remove(next((run.folder / "resources/datasets").glob("[!.]*")))
    done = run.snakemake(words, "--forcerun", "build_words", study="tiny")
    assert done.returncode == 0, done.stdout[-3000:]
