"""Dry runs of studies with tasks: what is told of missing data and of mistakes before anything starts."""

import json

import pytest
from project import Project, job_counts

from triphase.core.artefacts import read_json

OVERLAY = {
    "tasks": {"evaluations": [{"name": "quiz", "task": "sciq", "metric": "acc"}], "adherence": []},
    "phases": {"headline": {"tasks": ["quiz"], "adherence": []}},
}


@pytest.fixture(scope="module")
def own_project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("project"))


def test_missing_data_of_the_harness_s_tasks_are_told_before_anything_starts(own_project):
    done = own_project.snakemake("-n", study="tiny", overlay=OVERLAY)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    for text in ("data of 'sciq' are not here", "`snakemake fetch_tasks`", "resources/hub_tasks", "embedded_agreement"):
        assert text in done.stdout
    assert "Job stats" not in done.stdout


def test_what_the_study_will_cost_is_told_before_they_are_there(own_project):
    done = own_project.snakemake("plan", study="tiny", overlay=OVERLAY)
    assert done.returncode == 0, done.stdout
    assert "data of 'sciq' are not here" in done.stdout
    rules = {row["rule"]: row["jobs"] for row in read_json(own_project.folder / "results/tiny/plan.json")["rules"]}
    assert rules["evaluate_tasks"] == 3


def test_they_can_be_fetched_and_then_the_study_is_planned(own_project):
    done = own_project.snakemake("-n", "fetch_tasks", study="tiny", overlay=OVERLAY)
    assert job_counts(done.stdout) == {"fetch_tasks": 1}, done.stdout
    folder = own_project.folder / "resources/hub_tasks/sciq"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text("{}\n")
    splits = {"test": {"file": "test.jsonl"}}
    manifest = {"split": "test", "shots": 0, "shots_split": "train", "splits": splits}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    done = own_project.snakemake("-n", "results/tiny/tasks/neox/step0.parquet", study="tiny", overlay=OVERLAY)
    assert done.returncode == 0, done.stdout
    assert "resources/hub_tasks/sciq/manifest.json, resources/hub_tasks/sciq/test.jsonl" in done.stdout


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"task": "embedded_agreement", "metric": "f1"}, "tasks/evaluations/quiz/metric"),
        ({"task": "embedded_agreement", "metric": "exact_match"}, "'exact_match' of 'quiz' is not computed by"),
        ({"task": "blimp_pairs", "metric": "acc"}, "'blimp_pairs' names no data"),
        ({"task": "embedded_agreement", "metric": "acc", "shots": -1}, "tasks/evaluations/quiz/shots"),
    ],
)
def test_what_a_config_can_not_ask_for(own_project, entry, message):
    tasks = {"tasks": {"evaluations": [{"name": "quiz", **entry}], "adherence": []}}
    done = own_project.snakemake("-n", study="tiny", overlay={**OVERLAY, **tasks})
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert message in done.stdout, done.stdout


def test_a_study_without_mechanism_has_no_rule_for_it(own_project):
    done = own_project.snakemake("-n", "results/tiny/states/mechanism/neox/step0.parquet", study="tiny")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "No rule to produce results/tiny/states/mechanism/neox/step0.parquet" in done.stdout
