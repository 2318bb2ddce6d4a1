"""`snakemake synthesis` joins finished studies, and says before any job what cannot be joined."""

import json
import re

import pytest
import yaml
from joined_studies import finished, write_study
from project import ROOT

CONFIG = {"synthesis": "mine", "studies": ["results/first", "results/second"], "seed": 3}


@pytest.fixture
def joins(project):
    """A function that runs the synthesis of two finished studies with changes of its config; returns the process."""
    for seed, name in enumerate(("first", "second")):
        write_study(finished(name, seed=seed), project.folder / "results" / name)

    def run(*arguments, **changes):
        (project.folder / "synthesis.yaml").write_text(yaml.safe_dump(CONFIG | changes))
        return project.snakemake("synthesis", *arguments, "--configfile", "synthesis.yaml")

    return run


def test_finished_studies_become_one_page(joins, project):
    done = joins()
    assert done.returncode == 0, done.stdout
    out = project.folder / "results/syntheses/mine"
    joined = json.loads((out / "synthesis.json").read_text())
    assert joined["synthesis"] == "mine" and joined["provenance"]["seed"] == 3
    assert joined["verdicts"]["all"]["counts"]["supported"] == 4
    page = (out / "index.html").read_text()
    assert "supported in 4 of 4" in page and "data:image/png" in page
    assert (out / "figures/synthesis.svg").is_file() and (out / "logs/join_studies.log").is_file()
    assert "supported in 4 of 4" in (out / "summary.md").read_text()
    again = joins("-n")
    assert "Nothing to be done" in again.stdout, again.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"studies": ["results/first", "results/third"]},
            r"studies: results/third is no finished study.*results/first",
        ),
        ({"studies": ["results/first", "results/./first"]}, "studies: results/./first is named twice"),
        ({"studies": ["results/first"]}, "studies: .*at least 2"),
        ({"bond": 0.3}, "bond: no such key .*did you mean bound"),
        ({"bound": -1}, "bound: -1 must be a number > 0"),
    ],
)
def test_what_cannot_be_joined_is_said_before_any_job(joins, changes, said):
    done = joins("-n", **changes)
    assert done.returncode != 0 and re.search(said, done.stdout), done.stdout
    assert "Traceback" not in done.stdout


def test_another_definition_ends_in_one_line(joins, project):
    write_study(finished("second", seed=1), project.folder / "results/second", **{"encoding/delays": [2]})
    done = joins()
    assert done.returncode != 0 and "encoding/delays: [4, 6, 8] in first, [2]" in done.stdout, done.stdout


def test_a_study_writes_what_its_alignment_is(project):
    """Without any other job, so that a finished study of before is soon ready to be joined."""
    done = project.snakemake("results/tiny/definition.json", study="tiny")
    assert done.returncode == 0, done.stdout
    about = json.loads((project.folder / "results/tiny/definition.json").read_text())
    assert (about["study"], about["language"], about["models"]["neox"]["language_share"]) == ("tiny", "en", None)
    definition, tiny = about["definition"], yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
    assert definition["phases/headline/measure"] == "alignment"
    assert definition["phases/headline/roi"] == tiny["phases"]["headline"]["roi"]
    assert definition["encoding/delays"] == [2, 4, 6, 8]  # the default
    assert definition["encoding/scalings"] == tiny["encoding"]["scalings"][0] == "zscore"
    assert definition["encoding/delays_as"] == "columns" and definition["version"]


@pytest.mark.parametrize("path", sorted((ROOT / "config/syntheses").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_syntheses_join_studies_that_ship(path):
    for folder in yaml.safe_load(path.read_text())["studies"]:
        assert (ROOT / "config/studies" / f"{folder.removeprefix('results/')}.yaml").is_file()
