"""Dry runs: what each study plans, and what a mistake in the config says before anything starts."""

import json
import re

import pytest
import yaml
from project import ROOT, TEST_DATA, Project, job_counts

from triphase.core.artefacts import read_json, write_json

CHECKPOINT_JOBS = {
    "fetch_checkpoint",
    "fingerprint_checkpoint",
    "extract_activations",
    "measure_states",
    "measure_mechanism",
    "evaluate_tasks",
    "join_checkpoint",
}


def expected(models, checkpoints, layers, subjects, pairs, brains=True, content=False):
    """Jobs by rule, from the grain that the design states; `content`: with fits beside embeddings or surprisal."""
    series = models * checkpoints
    joins = [
        "check_integrity",
        "prepare_encoding",
        "join_changes",
        "join_trajectories",
        "write_definition",
        "compare_models",
        "write_summary",
        "write_methods",
        "write_index",
        "measure_ceiling",
        "measure_identity",
        "describe_data",
        "write_data_page",
    ]
    once = dict.fromkeys(["fetch_stimuli", "build_words", *joins], 1)
    counts = once | dict.fromkeys(CHECKPOINT_JOBS, series) | {"fit_encoding": series * layers}
    counts |= {"fetch_responses": subjects, "clean_responses": subjects, "compare_checkpoints": models * pairs}
    counts["compare_alignment"] = models * pairs
    return (
        counts
        | dict.fromkeys(
            ["train_model", "fit_phases", "tabulate_specifications", "simulate_power"],
            models,
        )
        | {"draw_figure": (8 + content) * models + 4 + (models > 1) + brains * (2 * models + 1)}
        | ({"draw_page": models} if brains else {})
    )


def test_embedded_plan(project):
    planned = project.planned()
    assert planned == expected(2, 16, 2, 3, pairs=15) | {"simulate_dataset": 1}


def test_every_job_has_a_log_and_a_record_of_its_own(project):
    done = project.snakemake("-n", study="tiny")
    jobs = sum(job_counts(done.stdout).values())
    for kind, folder, suffix in (("log", "logs", "log"), ("benchmark", "benchmarks", "tsv")):
        places = re.findall(rf"^    {kind}: results/tiny/{folder}/([^,\n]+)\.{suffix}$", done.stdout, flags=re.M)
        assert len(places) == len(set(places)) == jobs
        assert {"join_changes", "fit_encoding/neox/step16/1", "compare_alignment/neox/step64/step0"} <= set(places)


def test_the_plan_of_a_study_is_printed(project):
    done = project.snakemake("plan", study="tiny")
    assert done.returncode == 0, done.stdout[-3000:]
    plan = read_json(project.folder / "results/tiny/plan.json")
    counts = expected(1, 3, 1, 1, pairs=2, content=True) | {"simulate_dataset": 1}
    del counts["measure_mechanism"]  # not in this study, which has to be fast
    assert {row["rule"]: row["jobs"] for row in plan["rules"]} == counts
    assert all(row["left"] == row["jobs"] for row in plan["rules"])
    total = sum(counts.values())
    assert f"study tiny: {total} jobs, {total} of them to run" in done.stdout
    assert "neox: 3 checkpoints of 7.63e+04 parameters" in done.stdout and "downloads: data 0 B" in done.stdout


def test_reading_times_add_one_job_a_checkpoint(project, tmp_path):
    (tmp_path / "all_stories.tok").write_text("word\tzone\titem\n")
    (tmp_path / "processed_RTs.tsv").write_text("WorkerId\titem\tzone\tRT\n")
    overlay = {"states": {"reading": {"folder": str(tmp_path)}}}
    counts = expected(1, 3, 1, 1, pairs=2, content=True) | {"simulate_dataset": 1, "measure_reading": 3}
    del counts["measure_mechanism"]
    assert project.planned(study="tiny", overlay=overlay) == counts


def test_alice_plan(project, real_data):
    study = yaml.safe_load((ROOT / "config/studies/alice.yaml").read_text())
    checkpoints, layers = len(study["models"][0]["checkpoints"]), len(study["models"][0]["layers"])
    assert len(study["models"]) == 2 and checkpoints == 8
    planned = project.planned(study="alice")
    pairs = planned["compare_checkpoints"] / 2
    # Blocks of its single run are held out, so the gap beside them is measured: once for the study.
    counts = expected(2, checkpoints, layers, 28, pairs=pairs, brains=False)
    assert planned == counts | {"measure_gap": 1, "draw_figure": counts["draw_figure"] + 1}


def test_a_checkpoint_that_the_lock_says_to_be_missing_has_no_jobs(tmp_path):
    project = Project(tmp_path / "project")
    model = {"name": "p", "family": "pythia", "size": "14m", "layers": [3], "checkpoints": {"steps": [0, 512, 1000]}}
    overlay = {"models": [model], "integrity": "exclude"}
    held = [{"name": "model.safetensors", "bytes": 9, "sha256": "a" * 64}]
    entries = {f"step{step}": {"revision": f"step{step}", "commit": "c" * 40, "files": held} for step in (0, 1000)}
    entries["step512"] = {"revision": "step512", "missing": "the nearest of 2 are step0, step1000"}
    lock = {"study": "embedded", "models": {"p": {"repository": "EleutherAI/pythia-14m", "checkpoints": entries}}}
    path = project.folder / "config/locks/embedded.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(lock))

    plan = project.snakemake("-n", overlay=overlay)
    assert plan.returncode == 0, plan.stdout
    counts = job_counts(plan.stdout)
    assert {counts[rule] for rule in CHECKPOINT_JOBS} == {2} and counts["compare_checkpoints"] == 1
    assert "step1000/step0.parquet" in plan.stdout, "the one before is the one before that is there"
    (line,) = [line for line in plan.stdout.splitlines() if "left out" in line]
    assert line.endswith("p/step512") and "the nearest of 2 are step0, step1000" not in line
    # Under `error` its fetch is planned, and refuses.
    counts = project.planned(overlay={**overlay, "integrity": "error"})
    assert {counts[rule] for rule in CHECKPOINT_JOBS} == {3}
    # Memory and time are by the registry's bytes, and by the checkpoint's own once they are known.
    target = "results/embedded/activations/p/step1000.zarr.zip"
    for known in ("mem_mb=4061, ", "mem_mb=26000, "):
        plan = project.snakemake("-n", target, overlay=overlay)
        (line,) = [line for line in plan.stdout.splitlines() if "resources:" in line and "gpu=1" in line]
        assert known in line
        manifest = {"files": {"model.safetensors": {"bytes": 10**10}}, "weights": ["model.safetensors"]}
        write_json(project.folder / "results/embedded/models/p/step1000.json", manifest)


@pytest.mark.parametrize("given", [True, False])
def test_alice_without_its_local_data_says_what_is_needed(project, tmp_path, given):
    done = project.snakemake("-n", study="alice", env={"TRIPHASE_TEST_DATA": str(tmp_path) if given else ""})
    assert done.returncode != 0 and "Traceback" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "local_data" in line]
    needed = [
        "alice/roi/s18-rp_*.txt (and 64 more)",
        "Brennan et al. (2016)",
        "CC BY 4.0",
        "TRIPHASE_TEST_DATA",
    ]
    for text in [*needed, f"the folder {tmp_path} lacks" if given else "local_data: not set"]:
        assert text in line
    assert "jsonl" not in done.stdout


def test_files_of_the_own_folder_are_inputs(project, real_data):
    def inputs(target, **keywords):
        done = project.snakemake("-n", target, study="alice", **keywords)
        assert done.returncode == 0, done.stdout
        return done.stdout

    plan = inputs("results/alice/sources/subjects/s18.json")
    for name in ("6mm/s18-timecourses.txt", "s18-rp_"):
        assert f"{real_data}/alice/roi/{name}" in plan
    plan = inputs("results/alice/demo/models/alice-neox.json")
    assert f"{real_data}/alice/alice-gutenberg.txt, results/alice/stimuli/words.parquet" in plan
    unseen = {"states": {"mechanism": {"unseen": "{local_data}/alice/alice-gutenberg.txt"}}}
    target = "results/alice/states/mechanism/alice-neox/step8.parquet"
    plan = inputs(target, overlay=unseen)
    assert f"results/alice/stimuli/words.parquet, {real_data}/alice/alice-gutenberg.txt" in plan
    textgrid = {"dataset": {"transcript": "textgrid"}, "encoding": {"nuisance": ["word_rate"]}}
    textgrid["states"] = {"probes": {"concepts": []}}
    assert f"{real_data}/alice/Down" in inputs("results/alice/sources/stimuli.json", overlay=textgrid)


TASK_X = {"phases": {"headline": {"tasks": ["x"]}}}


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"modles": []}, "overlay.yaml, line 1: modles: no such key (here []); did you mean models?"),
        ({"models": []}, "models: [] must be a list of mappings (at least 1)"),
        ({"encoding": {"delays": "2"}}, 'encoding/delays: "2" must be a list of numbers >= 0'),
        ({"states": {"mechanism": {"length": 40}}}, "do not fit models/steady/train/context, 64: at most 31"),
        (
            {"tasks": {"evaluations": [{"name": "x", "task": "no_such_task", "metric": "acc"}]}, **TASK_X},
            "no_such_task",
        ),
    ],
)
def test_refused_configs(project, overlay, message):
    done = project.snakemake("-n", overlay=overlay)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout


def test_real_data_folder_is_no_part_of_the_product():
    assert "shared/data" not in "".join(
        path.read_text() for path in ROOT.glob("workflow/**/*") if path.suffix in (".py", ".smk", ".rst")
    )
    assert TEST_DATA  # only tests know where it lies


def test_a_source_has_only_the_subjects_that_it_names(project, real_data):
    planned = project.planned(
        study="alice", overlay={"dataset": {"source": "voxels"}, "phases": {"headline": {"roi": "all"}}}
    )
    assert planned["clean_responses"] == 23 and planned["draw_page"] == 2
