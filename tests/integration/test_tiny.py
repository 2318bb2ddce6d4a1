"""The whole workflow on the smallest study: every stage runs, reruns do what they should, faults lose nothing."""

import json

import numpy as np
import pandas as pd
import yaml
from measured import assert_as_described
from project import ROOT, job_counts
from simulated_readers import stories, write_readings

from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.encoding.analyses import Analysis
from triphase.table.selection import analyses_of

TINY = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
JOINS = [
    "join_trajectories", "fit_phases", "tabulate_specifications", "compare_models", "simulate_power",
    "write_summary", "write_methods", "write_index", "draw_page",
]  # fmt: skip
FIGURES = {"draw_figure": 11}  # those that read the trajectories or what follows from them
COLUMNS = ["study", "model", "checkpoint", "step", "tokens", "layer", "subject", "roi", "measure", "target", "setting",
           "reference", "scaling", "delays", "nuisance", "trained_on", "normalised", "main", "value", "se",
           "n"]  # fmt: skip


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
        "gride", "anisotropy", "cka_layer", "accuracy", "adherence", "unique_variance", "static_share",
    }  # fmt: skip
    assert expected <= set(table["measure"])
    assert_as_described(table)
    analyses = analyses_of(table[table["measure"] == "alignment"])
    (main,) = [analysis for analysis, own in analyses.items() if own]
    assert main == Analysis("zscore", "headline", "N1")
    labels = {analysis.label(main) for analysis in analyses}
    assert {"over step 0", "over N2", "center", "over N1+static", "over N1+surprisal", "over N2+surprisal"} <= labels
    assert set(table["checkpoint"].dropna()) == {"step0", "step16", "step64"}
    assert (table["tokens"].dropna() == table["step"].dropna() * 640).all()
    phases = read_json(run.results / "phases.json")
    assert list(phases) == ["neox"]
    assert phases["neox"]["verdict"] == "undetermined" and "grid too coarse" in phases["neox"]["reason"]
    content = phases["neox"]["content"]
    assert len(content["over"]) == 5 and list(content["unique"]) == ["model", "identity", "surprisal"]
    for name in ("triple", "layers", "rois", "tasks", "brain", "content"):
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
    source = read_json(run.results / "sources/subjects/sub-01.json")
    assert read_arrays(run.results / "responses/sub-01.zarr.zip").attrs["dataset_commit"] == source["commit"]


def test_the_checkpoint_file_holds_what_the_table_holds(run):
    table = read_table(run.results / "trajectories.parquet")
    alone = read_table(run.results / "checkpoints/neox/step16.parquet")
    keys = ["layer", "subject", "roi", "measure", "target", "setting", "reference", "scaling", "delays", "nuisance",
            "trained_on", "normalised"]  # fmt: skip
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
    assert planned == dict.fromkeys([*one, "check_integrity", "join_changes", *JOINS], 1) | {"draw_figure": 12}


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


def test_reading_times_join_a_checkpoint_where_the_study_has_some(run, tmp_path):
    bits = np.random.default_rng(5).gamma(3, 2, len(stories()))
    overlay = {"states": {"reading": {"folder": str(write_readings(tmp_path / "rts", bits)), "name": "rts"}}}
    path = "results/tiny/states/reading/neox/step64.parquet"
    done = run.snakemake(path, study="tiny", overlay=overlay)
    assert done.returncode == 0 and job_counts(done.stdout) == {"measure_reading": 1}, done.stdout[-3000:]
    table = read_table(run.folder / path)
    assert len(table) == 30 and table["n"].sum() == 30 * 4 * 148 and table.attrs["bits_per_word"] > 1
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
