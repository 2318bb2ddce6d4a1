"""The layout of the Narrative Movie: annotations of each second, one subject, runs that overlap, raw files dropped."""

import numpy as np
import pytest
from layouts import DELAY, run_layout, write_movie
from project import Project

from triphase.core.artefacts import open_arrays, read_arrays, read_json, read_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    """A study of the Narrative Movie layout after its run."""
    project = Project(tmp_path_factory.mktemp("movie"))
    write_movie(project.folder / "data")
    return run_layout(project, "movie", {
        "execution": {"keep_raw": False},
        "dataset": {
            "name": "ds005531", "transcript": "speech_en", "subjects": ["S01"],
            "runs": [f"suits_run-0{k}" for k in (1, 2, 3)],
        },
        "encoding": {
            "nuisance": ["word_rate", "position"], "delays": [4, 6, 8], "permutations": 99, "boot_draws": 99,
        },
    })  # fmt: skip


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
    data = read_arrays(movie.results / "encoding/neox/step64/1.zarr.zip")
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


def test_the_report_makes_no_ceiling_up(movie):
    found = read_json(movie.results / "responses/description.json")
    assert found["unit"] == "annotation" and len(found["runs"]) == 3
    assert all(row["ceiling"] is None for row in found["ceilings"]), "neither a repeat nor a second subject"
    assert any("No ceiling is known" in item for item in found["findings"])
    (entry,) = found["timing"]["group"]
    assert entry["raw"]["lag"] == pytest.approx(DELAY, abs=2) and entry["raw"]["p"] < 0.05
    page = (movie.results / "data.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3, "no brain: native space"
