"""The whole workflow on the smallest study: every stage runs, reruns do what they should, faults lose nothing."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from measured import assert_as_described
from project import ROOT, Project, job_counts

from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.encoding.analyses import Analysis
from triphase.table.selection import analyses_of

TINY = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
JOINS = [
    "join_trajectories", "fit_phases", "tabulate_specifications", "compare_models", "simulate_power",
    "write_summary", "draw_page",
]  # fmt: skip
FIGURES = {"draw_figure": 9}  # those that read the trajectories or what follows from them
COLUMNS = ["study", "model", "checkpoint", "step", "tokens", "layer", "subject", "roi", "measure", "target", "setting",
           "reference", "scaling", "delays", "nuisance", "normalised", "main", "value", "se", "n"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tiny_as_run, tmp_path_factory):
    """A project in which `tiny` has run."""
    project = Project.copy_of(tiny_as_run, tmp_path_factory.mktemp("tiny") / "project")
    project.results = project.folder / "results/tiny"
    return project


def models_with(**checkpoint):
    """The study's models with one more checkpoint in the middle."""
    model = json.loads(json.dumps(TINY["models"][0]))
    model["checkpoints"].insert(2, checkpoint)
    return {"models": [model]}


def test_every_result_is_where_it_is_looked_for(run):
    table = read_table(run.results / "trajectories.parquet")
    assert list(table.columns) == COLUMNS
    expected = {
        "alignment", "gain", "r", "ceiling", "r_floor", "kernel_top_share", "surprisal", "intrinsic_dimension",
        "participation_ratio", "cka", "probe", "selectivity", "probe_types", "probe_learning", "probe_identity",
        "gride", "anisotropy", "cka_layer", "accuracy", "adherence",
    }  # fmt: skip
    assert expected <= set(table["measure"])
    assert_as_described(table)
    analyses = analyses_of(table[table["measure"] == "alignment"])
    (main,) = [analysis for analysis, own in analyses.items() if own]
    assert main == Analysis("zscore", "headline", "N1")
    assert {"over step 0", "over N2", "center"} <= {analysis.label(main) for analysis in analyses}
    assert set(table["checkpoint"].dropna()) == {"step0", "step16", "step64"}
    assert (table["tokens"].dropna() == table["step"].dropna() * 640).all()
    phases = read_json(run.results / "phases.json")
    assert list(phases) == ["neox"]
    assert phases["neox"]["verdict"] == "undetermined" and "grid too coarse" in phases["neox"]["reason"]
    for name in ("triple", "layers", "rois", "tasks", "brain"):
        assert (run.results / f"figures/{name}_neox.png").stat().st_size > 10_000
        assert (run.results / f"figures/{name}_neox.svg").read_text().startswith("<?xml")
    for name in ("runs", "timing", "ceilings", "brain"):
        assert (run.results / f"figures/data_{name}.png").stat().st_size > 10_000
        assert (run.results / f"figures/data_{name}.svg").read_text().startswith("<?xml")
    description = read_json(run.results / "responses/description.json")
    assert description["timing"]["plausible"] is True and description["timing"]["decisive"] == ["Aud"]
    assert (run.results / "data.html").read_text().count("data:image/png;base64,") == 4


def test_scores_have_their_parts_and_their_provenance(run):
    result = read_arrays(run.results / "encoding/neox/step64/1.zarr.zip")
    np.testing.assert_allclose(result["r_llm"] + result["r_nuisance"], result["r"], atol=1e-5)
    np.testing.assert_allclose(result["r"] - result["r_nuisance_alone"], result["gain"][0], atol=1e-5)
    assert result["p"].min() >= 1 / 1001 and result["p"].max() <= 1
    manifest = read_json(run.results / "models/neox/step64.json")
    assert result.attrs["commit"] == manifest["commit"] and result.attrs["fingerprint"] == manifest["fingerprint"]
    source = read_json(run.results / "sources/sub-01.json")
    assert read_arrays(run.results / "responses/sub-01.zarr.zip").attrs["dataset_commit"] == source["commit"]


def test_the_checkpoint_file_holds_what_the_table_holds(run):
    table = read_table(run.results / "trajectories.parquet")
    alone = read_table(run.results / "checkpoints/neox/step16.parquet")
    keys = ["layer", "subject", "roi", "measure", "target", "setting", "reference", "scaling", "delays", "nuisance",
            "normalised"]  # fmt: skip
    both = alone.merge(table[table["checkpoint"] == "step16"], on=keys, suffixes=("", "_joined"))
    assert len(both) == len(alone)
    pd.testing.assert_series_equal(both["value"], both["value_joined"], check_names=False)


def test_a_second_run_does_nothing_and_says_so(run):
    done = run.snakemake(study="tiny")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout
    assert run.planned(study="tiny") == {}


def test_deleting_a_checkpoints_file_remakes_it_and_the_joins(run):
    path = run.results / "checkpoints/neox/step16.parquet"
    before = read_table(path)
    path.unlink()
    assert run.planned(study="tiny") == dict.fromkeys(["join_checkpoint", *JOINS], 1) | FIGURES
    done = run.snakemake("results/tiny/checkpoints/neox/step16.parquet", study="tiny")
    assert done.returncode == 0 and job_counts(done.stdout) == {"join_checkpoint": 1}
    pd.testing.assert_frame_equal(read_table(path), before)
    done = run.snakemake(study="tiny")
    assert done.returncode == 0, done.stdout[-3000:]


def test_adding_a_checkpoint_runs_that_checkpoint_and_the_joins(run):
    overlay = models_with(name="step32", revision="step32", step=32)
    planned = run.planned(study="tiny", overlay=overlay)
    one = ["fetch_checkpoint", "fingerprint_checkpoint", "extract_activations", "fit_encoding", "measure_states",
           "compare_checkpoints", "compare_alignment", "evaluate_tasks", "join_checkpoint"]  # fmt: skip
    assert planned == dict.fromkeys([*one, "check_integrity", "join_changes", *JOINS], 1) | {"draw_figure": 10}


def test_adding_a_layer_runs_its_fits_and_the_joins(run):
    planned = run.planned(study="tiny", overlay={"models": [TINY["models"][0] | {"layers": [0, 1]}]})
    changed = dict.fromkeys(["fit_encoding", "join_checkpoint"], 3) | {"compare_alignment": 2, "join_changes": 1}
    assert planned == changed | dict.fromkeys(JOINS, 1) | FIGURES


def test_mechanism_joins_a_checkpoint_where_the_study_measures_it(run):
    mechanism = {"length": 32, "unseen": "resources/texts/embedded_unseen.txt"}
    overlay = {"states": {"mechanism": mechanism}}
    path = "results/tiny/states/mechanism/neox/step64.parquet"
    done = run.snakemake(path, study="tiny", overlay=overlay)
    assert done.returncode == 0 and job_counts(done.stdout) == {"measure_mechanism": 1}, done.stdout[-3000:]
    table = read_table(run.folder / path)
    assert {"induction_head_max", "attention_entropy", "contamination"} <= set(table["measure"])
    assert table["value"].notna().all() and table.attrs["missing"] == {}
    plan = run.snakemake("-n", "results/tiny/checkpoints/neox/step64.parquet", study="tiny", overlay=overlay)
    assert job_counts(plan.stdout) == {"join_checkpoint": 1}


def test_local_data_changes_nothing_for_a_study_without_any(run, tmp_path):
    for folder in (str(tmp_path), ""):
        assert run.planned(study="tiny", env={"TRIPHASE_TEST_DATA": folder}) == {}


def test_a_docstring_reruns_nothing_and_a_function_its_users(run):
    module = run.folder / "workflow/scripts/triphase/stats/scoring.py"
    text = module.read_text()
    try:
        module.write_text(text.replace('"""', '"""Note. ', 1))
        assert run.planned(study="tiny") == {}
        module.write_text(text.replace("LARGEST_R = 1 - 1e-6", "LARGEST_R = 1 - 1e-7"))
        planned = run.planned(study="tiny")
        assert planned["fit_encoding"] == 3 and planned["prepare_encoding"] == 1
        assert not {"extract_activations", "evaluate_tasks", "train_model", "measure_states"} & set(planned)
    finally:
        module.write_text(text)


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


def test_a_series_that_is_not_what_its_names_say_stops_or_is_told_of(run):
    overlay = {"study": "twice", "models": [TWICE], "integrity": "error"}
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
