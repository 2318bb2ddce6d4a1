"""The published layouts, from a DataLad data set to encoding scores, with responses whose delay is known."""

import numpy as np
import pytest
import yaml
from layouts import write_movie, write_stories
from project import ROOT, Project

from triphase.core.artefacts import open_arrays, read_arrays, read_table

TINY = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
MODEL = TINY["models"][0] | {"checkpoints": TINY["models"][0]["checkpoints"][-1:]}
SMALL = {
    "models": [MODEL],
    "states": {"probes": {"concepts": []}},
    "tasks": {"evaluations": [], "adherence": []},
    "phases": {"headline": {"roi": "all", "tasks": [], "adherence": []}},
}


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """A study of the LeBel layout after its run."""
    project = Project(tmp_path_factory.mktemp("stories"))
    write_stories(project.folder / "data")
    overlay = SMALL | {
        "study": "stories",
        "dataset": {
            "name": "ds003020", "overrides": {"url": str(project.folder / "data")}, "subjects": ["UTS01", "UTS04"],
            "runs": ["souls", "legacy", "naked", *(f"wheretheressmoke-{k}" for k in (1, 2, 3))],
        },
        "encoding": {"nuisance": ["word_rate", "envelope", "position"], "permutations": 99, "boot_draws": 99},
    }  # fmt: skip
    return run(project, overlay)


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    """A study of the Narrative Movie layout after its run."""
    project = Project(tmp_path_factory.mktemp("movie"))
    write_movie(project.folder / "data")
    overlay = SMALL | {
        "study": "movie",
        "execution": {"keep_raw": False},
        "dataset": {
            "name": "ds005531", "overrides": {"url": str(project.folder / "data")}, "transcript": "speech_en",
            "subjects": ["S01"],
            "runs": ["suits_run-01", "suits_run-02", "suits_run-03"],
        },
        "encoding": {
            "nuisance": ["word_rate", "position"], "delays": [4, 6, 8], "permutations": 99, "boot_draws": 99,
        },
    }  # fmt: skip
    return run(project, overlay)


def run(project, overlay):
    project.results = project.folder / "results" / overlay["study"]
    targets = ["encoding/neox/step64/1.zarr.zip", "responses/ceiling.parquet"]
    project.done = project.snakemake(*(f"results/{overlay['study']}/{name}" for name in targets), overlay=overlay)
    project.overlay = overlay
    assert project.done.returncode == 0, project.done.stdout[-4000:]
    return project


def scores(project):
    return read_arrays(project.results / "encoding/neox/step64/1.zarr.zip")


def test_hearings_in_one_file_are_runs_of_their_own(stories):
    with open_arrays(stories.results / "responses/UTS01.zarr.zip") as data:
        run = data["run"].values
        assert dict(zip(*np.unique(run, return_counts=True), strict=True)) == dict.fromkeys(
            ["souls", "legacy", "naked", *(f"wheretheressmoke-{k}" for k in (1, 2, 3))], 150
        )
        np.testing.assert_allclose(data["time_s"].values[:150], (np.arange(150) + 5) * 2.0)
        assert data.sizes["voxel"] == 24 and np.isfinite(data["x"].values).all()
    ceiling = read_table(stories.results / "responses/ceiling.parquet").query("subject == 'UTS01'")
    assert (ceiling["kind"] == "repeats").all()
    # Signal 1.5 beside noise 1: a share of 0.69 is the same at every hearing.
    driven, noise = ceiling["voxel"] < 18, ceiling["voxel"] >= 18
    assert abs(ceiling.loc[driven, "reliability"].mean() - 1.5**2 / (1 + 1.5**2)) < 0.06
    assert abs(ceiling.loc[noise, "reliability"].mean()) < 0.06


def test_words_of_textgrids_meet_the_responses_at_the_right_delay(stories):
    """Word rate and envelope, delayed by 2 to 8 s, explain responses 6 s after the words: the clocks agree."""
    data = scores(stories)
    driven = data["voxel"].values < 18
    r = data["r_nuisance_alone"].values
    assert r[driven].min() > 0.6 and abs(r[~driven].mean()) < 0.1
    words = read_table(stories.results / "stimuli/words.parquet")
    assert not words["word"].str.lower().isin(["sp", "br", "{br}"]).any() and len(words) > 500


def test_words_heard_before_the_first_row_reach_its_delayed_features(stories):
    """Shift, then cut: the first rows lie 10 s after the first words, so their delayed word rate is not zero."""
    shared = read_arrays(stories.results / "encoding/shared.zarr.zip")
    first = np.flatnonzero(shared["run"].values == "legacy")[0]
    rate = shared["band_nuisance"].values[first, :8]
    assert (np.abs(rate) > 0).sum() >= 4


def test_the_overlap_of_runs_is_cut_and_each_second_has_its_annotations(movie):
    with open_arrays(movie.results / "responses/S01.zarr.zip") as data:
        counts = dict(zip(*np.unique(data["run"].values, return_counts=True), strict=True))
        assert counts == {"suits_run-01": 240, "suits_run-02": 220, "suits_run-03": 220}
        assert data["time_s"].values[240] == 20.0
        assert data.sizes["voxel"] == 40
        np.testing.assert_allclose(data["x"].values, np.round(data["x"].values))
    words = read_table(movie.results / "stimuli/words.parquet")
    assert set(words["speaker"]) == {"A", "B"} and not words["word"].isin(["..", "不明", ""]).any()
    assert (words.groupby(["run", "onset"]).size() == 2).all()
    assert ((words["offset"] - words["onset"]) == 1).all()


def test_annotations_meet_the_responses_at_the_right_delay(movie):
    data = scores(movie)
    driven = data["voxel"].values < 30
    r = data["r_nuisance_alone"].values
    assert r[driven].min() > 0.5 and abs(r[~driven].mean()) < 0.15
    assert (data["r"].values[driven] > 0.5).all()


def test_raw_files_are_dropped_once_the_responses_are_whole_and_come_back_when_needed(movie):
    clone = next((movie.folder / "resources/datasets").glob("ds005531-*"))
    raw = clone / "derivatives/preprocessed_data/sub-S01/sub-S01_task-suits_run-01.mat"
    assert raw.is_symlink() and not raw.exists()
    target = movie.results / "responses/S01.zarr.zip"
    before = read_arrays(target)
    target.unlink()
    done = movie.snakemake(f"results/movie/{target.relative_to(movie.results)}", overlay=movie.overlay)
    assert done.returncode == 0, done.stdout[-3000:]
    assert read_arrays(target).equals(before) and not raw.exists()
