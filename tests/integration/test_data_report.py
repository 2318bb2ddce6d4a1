"""The data report of the published layouts: native space, repeats inside one file, annotations instead of words."""

import pytest
from layouts import DELAY, write_movie, write_stories
from project import Project

from triphase.core.artefacts import read_json, read_table

SMALL = {
    "encoding": {"nuisance": ["word_rate"]},
    "states": {"probes": {"concepts": []}},
    "tasks": {"evaluations": [], "adherence": []},
    "phases": {"headline": {"roi": "all", "tasks": [], "adherence": []}},
}


def reported(folder, study, dataset):
    """The description of a made-up data set, after the report's rules have run on it."""
    project = Project(folder)
    overlay = SMALL | {"study": study, "dataset": dataset | {"overrides": {"url": str(folder / "data")}}}
    done = project.snakemake(f"results/{study}/data.html", overlay=overlay)
    assert done.returncode == 0, done.stdout[-4000:]
    page = (folder / f"results/{study}/data.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3  # no brain: native space
    return read_json(folder / f"results/{study}/responses/description.json")


def test_stories_with_a_story_heard_several_times(tmp_path):
    write_stories(tmp_path / "data")
    runs = ["souls", "legacy", "naked", *(f"wheretheressmoke-{k}" for k in (1, 2, 3))]
    dataset = {"name": "ds003020", "subjects": ["UTS01", "UTS04"], "runs": runs}
    found = reported(tmp_path, "stories", dataset)
    assert {entry["run"] for entry in found["runs"]} == set(runs) and found["unit"] == "word"
    assert {row["kind"] for row in found["ceilings"]} == {"repeats"}
    voxels = read_table(tmp_path / "results/stories/responses/ceiling.parquet")
    assert voxels.loc[voxels["valid"], "reliability"].notna().all()
    (entry,) = found["timing"]["group"]
    assert entry["roi"] == "all" and entry["raw"]["lag"] == pytest.approx(DELAY, abs=2)
    assert entry["raw"]["p"] < 0.05 and found["timing"]["decisive"] == ["all"]


def test_a_movie_with_annotations_and_a_single_subject(tmp_path):
    write_movie(tmp_path / "data")
    dataset = {"name": "ds005531", "subjects": ["S01"], "transcript": "speech_en"}
    found = reported(tmp_path, "movie", dataset | {"runs": [f"suits_run-0{k}" for k in (1, 2, 3)]})
    assert found["unit"] == "annotation" and len(found["runs"]) == 3
    # Neither a repeat nor a second subject: no ceiling is known, and none is made up.
    assert all(row["ceiling"] is None for row in found["ceilings"])
    assert any("No ceiling is known" in item for item in found["findings"])
    (entry,) = found["timing"]["group"]
    assert entry["raw"]["lag"] == pytest.approx(DELAY, abs=2) and entry["raw"]["p"] < 0.05
