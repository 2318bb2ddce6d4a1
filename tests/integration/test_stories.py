"""The LeBel layout, from a DataLad data set to encoding scores and the data report, with responses of known delay."""

import numpy as np
import pytest
from layouts import DELAY, run_layout, write_stories
from project import Project

from triphase.core.artefacts import open_arrays, read_arrays, read_json, read_table

RUNS = ["souls", "legacy", "naked", *(f"wheretheressmoke-{k}" for k in (1, 2, 3))]


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """A study of the LeBel layout after its run."""
    project = Project(tmp_path_factory.mktemp("stories"))
    write_stories(project.folder / "data")
    return run_layout(project, "stories", {
        "dataset": {"name": "ds003020", "subjects": ["UTS01", "UTS04"], "runs": RUNS},
        "encoding": {"nuisance": ["word_rate", "envelope", "position"], "permutations": 99, "boot_draws": 99},
    })  # fmt: skip


def test_hearings_in_one_file_are_runs_of_their_own(stories):
    with open_arrays(stories.results / "responses/UTS01.zarr.zip") as data:
        run = data["run"].values
        assert dict(zip(*np.unique(run, return_counts=True), strict=True)) == dict.fromkeys(RUNS, 150)
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
    data = read_arrays(stories.results / "encoding/neox/step64/1.zarr.zip")
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


def test_the_report_knows_the_repeats_and_the_delay(stories):
    found = read_json(stories.results / "responses/description.json")
    assert {entry["run"] for entry in found["runs"]} == set(RUNS) and found["unit"] == "word"
    assert {row["kind"] for row in found["ceilings"]} == {"repeats"}
    voxels = read_table(stories.results / "responses/ceiling.parquet")
    assert voxels.loc[voxels["valid"], "reliability"].notna().all()
    (entry,) = found["timing"]["group"]
    assert entry["roi"] == "all" and entry["raw"]["lag"] == pytest.approx(DELAY, abs=2)
    assert entry["raw"]["p"] < 0.05 and found["timing"]["decisive"] == ["all"]
    page = (stories.results / "data.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3, "no brain: native space"
