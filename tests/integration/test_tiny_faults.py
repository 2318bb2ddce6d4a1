"""Faults in a study that has run: each is one clear error, loses nothing, and is mended by the next run."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from project import ROOT, job_counts

from triphase.core.artefacts import read_json, read_table

TINY = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
# The data set and the model as they are, and not made another time to the changed config.
HERE = {"overrides": {"simulate": None}}
FROM_CACHE = {key: value for key, value in TINY["models"][0].items() if key != "train"} | {
    "cache_dir": "results/tiny/demo/hub"
}
STEP_99 = {"name": "step99", "revision": "step99", "step": 99}


@pytest.mark.parametrize(
    ("target", "overlay", "message"),
    [
        ("models/neox/step99.json", {"models": [FROM_CACHE | {"checkpoints": [STEP_99]}]},
         "revision 'step99' of 'triphase/neox' is not in results/tiny/demo/hub; there are: step0, step16"),
        ("encoding/neox/step16/7.zarr.zip", {"models": [FROM_CACHE | {"layers": [1, 7]}]},
         "layer 7 of 'triphase/neox' does not exist; it has 0 (embedding) to 1"),
        ("sources/stimuli.json", {"dataset": {"overrides": {"simulate": None, "version": "9.9.9"}}}, "9.9.9"),
        ("responses/sub-01.zarr.zip", {"dataset": {"overrides": {"simulate": None, "tr": 1.5}}}, "1.5"),
        ("encoding/shared.zarr.zip", {"dataset": HERE, "encoding": {"delays": [2, 40]}},
         "too short for delays up to 20 scans"),
        ("activations/neox/step16.zarr.zip",
         {"models": [FROM_CACHE], "activations": {"context": {"min": 48, "max": 200}}},
         "200 preceding tokens do not fit the model's context of 80"),
    ],
    ids=["revision", "layer", "version", "tr", "delays", "context"],
)  # fmt: skip
def test_bad_input_is_one_clear_error_and_loses_nothing_else(run, target, overlay, message):
    path = run.results / target
    others = {p for p in run.results.rglob("*.zarr.zip") if p != path}
    done = run.snakemake(f"results/tiny/{target}", study="tiny", overlay=overlay)
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if message in line]
    assert lines and any(": error: " in line for line in lines), done.stdout[-3000:]
    assert not path.exists()
    assert not list(run.results.rglob("*.part*")), "a half-written file was left"
    assert others <= set(run.results.rglob("*.zarr.zip")), "another result was lost"


# One set of weights under two names, as published series have had it.
TWICE = FROM_CACHE | {"checkpoints": [
    {"name": "step0", "revision": "step0", "step": 0},
    {"name": "step16", "revision": "step16", "step": 16},
    {"name": "step32", "revision": "step64", "step": 32},
    {"name": "step64", "revision": "step64", "step": 64},
]}  # fmt: skip


@pytest.mark.slow
def test_a_series_that_is_not_what_its_names_say_stops_or_is_told_of(run):
    overlay = {
        "study": "twice", "models": [TWICE], "integrity": "error",
        # What this is not about, and takes its time.
        "tasks": {"evaluations": [], "adherence": []}, "states": {"probes": {"concepts": []}},
        "phases": {"headline": {"tasks": [], "adherence": []}},
    }  # fmt: skip
    done = run.snakemake("results/twice/trajectories.parquet", "-k", study="tiny", overlay=overlay)
    assert done.returncode != 0
    (line,) = {line for line in done.stdout.splitlines() if "join_trajectories: error: integrity" in line}
    assert "step32" in line and "step64" in line and "`integrity: exclude`" in line
    findings = read_table(run.folder / "results/twice/integrity.parquet")
    faults = findings[findings["verdict"] == "fault"]
    assert set(faults["checkpoint"]) <= {"step32", "step64"} and "step32" in set(faults["checkpoint"])
    overlay["integrity"] = "exclude"
    done = run.snakemake("results/twice/phases.json", study="tiny", overlay=overlay)
    assert done.returncode == 0, done.stdout[-3000:]
    table = read_table(run.folder / "results/twice/trajectories.parquet")
    left = set(table["checkpoint"].dropna()) - {""}
    assert "step32" not in left and {"step0", "step16"} <= left
    said = read_json(run.folder / "results/twice/phases.json")["neox"]["excluded"]
    assert [entry["checkpoint"] for entry in said] == sorted(set(faults["checkpoint"]))


QUIZ = """task: {name}
dataset_path: json
test_split: test
dataset_kwargs: {{data_files: {{test: more/{name}.jsonl}}}}
doc_to_text: "{{{{question}}}}"
doc_to_target: answer
"""
CHOICES = "output_type: multiple_choice\ndoc_to_choice: [cat, dog]\nmetric_list: [{metric: acc}]\n"
LONG = "output_type: generate_until\ngeneration_kwargs: {max_gen_toks: 200}\nmetric_list: [{metric: exact_match}]\n"


@pytest.mark.slow
def test_a_bad_task_stops_no_other_stage_and_the_table_says_what_is_missing(run):
    right, wrong = {"question": "cat", "answer": 1}, {"question": "dog", "answer": 2}
    items = {"quiz": [right, wrong], "long": [{"question": "cat", "answer": "dog"}]}
    (run.folder / "more").mkdir()
    for (name, own), kind in zip(items.items(), (CHOICES, LONG), strict=True):
        (run.folder / f"more/{name}.yaml").write_text(QUIZ.format(name=name) + kind)
        (run.folder / f"more/{name}.jsonl").write_text("\n".join(map(json.dumps, own)))
    evaluations = [*TINY["tasks"]["evaluations"], {"name": "quiz", "task": "quiz", "metric": "acc"},
                   {"name": "long", "task": "long", "metric": "exact_match"}]  # fmt: skip
    one_class = {"name": "number", "missing": ["none", "plural"]}
    overlay = {
        "tasks": {"include_path": ["resources/tasks", "more"], "evaluations": evaluations},
        "states": {"probes": {"concepts": [{"name": "pos"}, one_class, {"name": "lexical"}]}},
    }
    targets = ["results/tiny/checkpoints/neox/step16.parquet", "results/tiny/states/identity.parquet"]
    before = read_table(run.folder / targets[0])

    # An answer that is no choice: told by the job of the tasks, while the states are measured all the same.
    done = run.snakemake("--keep-going", "--cores", "1", *targets, study="tiny", overlay=overlay)
    assert done.returncode != 0
    error = "evaluate_tasks: error: tasks: item 1 of 'quiz' has the answer 2, which is none of ['cat', 'dog']"
    assert error in done.stdout, done.stdout[-3000:]
    assert done.stdout.index(error) < done.stdout.index("(Rule: measure_identity)"), "it went on"
    assert not (run.results / "tasks/neox/step16.parquet").exists()
    pd.testing.assert_frame_equal(read_table(run.folder / targets[0]), before)
    states = read_table(run.results / "states/neox/step16.parquet").set_index(["layer", "measure", "target"])
    assert np.isfinite(states.loc[(1, "probe", "pos"), "value"])

    # Mended: what is missing now is what this model, or this data set, cannot have.
    (run.folder / "more/quiz.jsonl").write_text(json.dumps(right))
    done = run.snakemake(*targets, study="tiny", overlay=overlay)
    assert done.returncode == 0, done.stdout[-3000:]
    assert job_counts(done.stdout) == {"evaluate_tasks": 1, "join_checkpoint": 1}
    table = read_table(run.folder / targets[0])
    missing = table.attrs["missing"]
    assert {kind: list(reasons) for kind, reasons in missing.items()} == {
        "tasks": ["long"], "concepts": ["number", "lexical"], "mechanism": []
    }  # fmt: skip
    assert "generates up to 200 tokens, the model's context is 80" in missing["tasks"]["long"]
    assert "no label 'lexical'; there are: " in missing["concepts"]["lexical"]
    assert "only 'singular' has as many" in missing["concepts"]["number"]
    probed = table["measure"].isin(["probe", "selectivity", "probe_types"]) & table["target"].isin(
        ["number", "lexical"]
    )
    lacking = table[probed | ((table["measure"] == "accuracy") & (table["target"] == "long"))]
    assert len(lacking) == 1 + 2 * 6 and lacking["value"].isna().all() and (lacking["n"] == 0).all()
    keys = [("accuracy", "agreement"), ("accuracy", "quiz"), ("adherence", "world"), ("probe", "pos")]
    there = table[pd.MultiIndex.from_frame(table[["measure", "target"]]).isin(keys)]
    assert len(there) == 3 + 2 and there["value"].notna().all() and (there["n"] > 0).all()


def test_after_the_faults_the_study_is_whole_again(run):
    done = run.snakemake(study="tiny")
    assert done.returncode == 0, done.stdout[-3000:]
    assert run.planned(study="tiny") == {}
