"""The plan of a study: sizes, devices and hours by hand, and what was measured beside them."""

import json
import math

import pytest

from triphase.planning.cost import (
    as_text,
    devices_for,
    disk_bytes,
    model_rows,
    rule_rows,
    tokens_of,
    totals,
    weights_of,
    words_heard,
)
from triphase.planning.records import measured_seconds, other_studies

LARGE = {
    "name": "large", "dtype": "bfloat16", "bytes": 141e9, "layers": [0, 40, 80],
    "checkpoints": [{"name": "a"}, {"name": "b"}, {"name": "c", "missing": "gone"}],
}  # fmt: skip
TOKENS = {"extract_activations": 1e6, "evaluate_tasks": 2e6}


def test_a_model_of_70_billion_parameters_has_its_devices_files_and_hours():
    (row,) = model_rows([LARGE], None, TOKENS, "bfloat16", memory=None, has_gpu=False)
    assert row["size"] == {"bytes": 141e9, "files": 29, "parameters": 70.5e9}
    # 282 GB of float32 and a fifth: 338 of 5 x 80 GB; half of it for activations.
    assert row["gpus"] == {"extract_activations": 3, "evaluate_tasks": 5} and row["checkpoints"] == 2
    assert row["seconds"]["extract_activations"] == pytest.approx(10 + 141 + 2 * 70.5e9 * 1e6 / 1e14)
    assert row["seconds"]["evaluate_tasks"] == pytest.approx(10 + 141 + 2 * 70.5e9 * 2e6 / 1.5e13)
    assert devices_for(70.5e9, "float32", 141e9) == 3
    plan = {"study": "s", "rules": [], "hours": totals([]), "models": [row], "gpu_memory": 80e9}
    text = as_text(plan | {"download_bytes": 2e9, "disk": {"weights": 282e9}})
    assert "large: 2 checkpoints of 7.05e+10 parameters, 141.0 GB in 29 files each; 5.7 h each on 5 GPUs" in text
    assert "--set-resources extract_activations:gpu=3 evaluate_tasks:gpu=5" in text
    assert "downloads: data 2.0 GB; weights 282.0 GB (7.8 h)" in text


def test_sizes_are_the_locks_before_the_registrys():
    files = [
        {"name": "model-00001-of-00002.safetensors", "bytes": 7},
        {"name": "model-00002-of-00002.safetensors", "bytes": 5},
    ]
    locked = {"checkpoints": {"a": {"missing": "x"}, "b": {"files": [*files, {"name": "config.json", "bytes": 900}]}}}
    assert weights_of(LARGE, locked) == {"bytes": 12, "files": 2, "parameters": 6}
    assert weights_of({"name": "unknown", "checkpoints": []}) is None
    recipe = {"layers": 3, "width": 64, "tokenizer": {"vocabulary": 1600}}
    assert weights_of({"train": recipe})["parameters"] == 12 * 3 * 64**2 + 2 * 1600 * 64
    (row,) = model_rows([{**LARGE, "bytes": None}], None, TOKENS, "float32", memory=None, has_gpu=True)
    assert row["size"] is None and row["gpus"] == dict.fromkeys(TOKENS, 0)


def test_tokens_are_those_of_the_windows():
    # A window of 101 tokens gives 26 of them at least 75 before them.
    context = {"min": 75, "max": 100, "stride": None}
    tokens = tokens_of(1000, context, [{"limit": 50}, {"limit": None}], 8)
    assert tokens["extract_activations"] == pytest.approx(1400 * 101 / 26)
    assert tokens["evaluate_tasks"] == 200 * 1050 and tokens["measure_mechanism"] == 1400 + 256
    runs = [{"stimulus": "a"}, {"stimulus": "a"}, {"stimulus": "b"}]
    assert words_heard(77, runs, None, 2) == 77
    assert words_heard(None, runs, {"volumes": 30}, 2) == 150 * 2 and words_heard(None, runs, None, 2) == 3000


def test_measured_seconds_are_of_this_study_or_scaled_from_another(tmp_path):
    def record(study, path, seconds):
        file = tmp_path / study / "benchmarks" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t5\n")

    record("here", "fit_encoding/m/a/1.tsv", 2)
    record("here", "fit_encoding/m/a/2.tsv", 4)
    record("there", "extract_activations/m/a.tsv", 30)
    record("there", "join_trajectories.tsv", 7)
    assert measured_seconds(tmp_path / "here") == {"fit_encoding": 3}
    size = {"parameters": 7e9, "words": 20000}
    assert other_studies(tmp_path / "here", size) == {}, "a study without a plan cannot be scaled"
    thumbs = [{"rule": "extract_activations", "thumb": 60}, {"rule": "join_trajectories", "thumb": 10}]
    for other in (
        {},
        {"parameters": 4e5, "words": 20000},
        {"parameters": 7e9, "words": 700},
        {"parameters": 0, "words": 1},
    ):
        (tmp_path / "there/plan.json").write_text(json.dumps({"rules": thumbs, "size": other}))
        assert other_studies(tmp_path / "here", size) == {}, f"a study of {other} says nothing of one of 7 B"
    like = {"parameters": 1e9, "words": 11000}
    (tmp_path / "there/plan.json").write_text(json.dumps({"rules": thumbs, "size": like}))
    others = other_studies(tmp_path / "here", size)
    assert others == {"extract_activations": 0.5, "join_trajectories": 7}

    models = model_rows([LARGE], None, TOKENS, "bfloat16", memory=None, has_gpu=False)
    jobs = {"extract_activations": 2, "fit_encoding": 6, "join_trajectories": 1, "draw_figure": 1}
    rows = rule_rows(jobs, {"fit_encoding": 4}, models, {"fit_encoding": 3}, others)
    by_rule = {row["rule"]: row for row in rows}
    thumb = models[0]["seconds"]["extract_activations"]
    assert by_rule["extract_activations"]["planned"] == pytest.approx(0.5 * thumb)
    assert [by_rule[rule]["planned"] for rule in jobs][1:] == [60, 7, 10]
    assert [by_rule[rule]["source"] for rule in jobs] == ["another study", "rule of thumb"] * 2
    hours = totals(rows)
    assert hours["planned_core_hours"] == pytest.approx((thumb + 360 + 17) / 3600)
    assert hours["planned_gpu_hours"] == pytest.approx((3 * thumb + 360) / 3600)
    assert hours["left_core_hours"] == pytest.approx(4 * 3 / 3600), "what was measured counts for what is left"
    assert hours["measured_gpu_hours"] == pytest.approx(2 * 3 / 3600)


@pytest.mark.parametrize(
    ("plan", "record"),
    [
        ("{", "s\n5\n"),
        ("[]", "s\n5\n"),
        (json.dumps({"rules": [{"rule": "fit_encoding"}], "size": {"words": 9}}), "s\n5\n"),
        (json.dumps({"rules": None, "size": {"words": 9}}), "s\n5\n"),
        (json.dumps({"rules": [{"rule": "fit_encoding", "thumb": 60}], "size": {"words": 9}}), "no header\n5\n"),
        (json.dumps({"rules": [], "size": {"words": "9"}}), "s\n5\n"),
    ],
)
def test_another_study_that_is_damaged_says_nothing_and_stops_no_plan(tmp_path, caplog, plan, record):
    for name, text in (("broken", plan), ("whole", json.dumps({"rules": [{"rule": "fit_encoding", "thumb": 60}],
                                                               "size": {"words": 9}}))):  # fmt: skip
        (tmp_path / name / "benchmarks").mkdir(parents=True)
        (tmp_path / name / "plan.json").write_text(text)
        (tmp_path / name / "benchmarks/fit_encoding.tsv").write_text(record if name == "broken" else "s\n7\n")
    assert other_studies(tmp_path / "here", {"words": 9}) == {"fit_encoding": 7}
    assert "plan: nothing is taken from the study broken: " in caplog.text


def test_disk_holds_no_more_weights_than_the_budget():
    rows = model_rows([LARGE], None, TOKENS, "bfloat16", memory=None, has_gpu=False)
    disk = disk_bytes(rows, 1000, "float16", None, 10)
    assert disk["weights"] == 282e9 and disk["data"] == 20 and disk["fits"] == 5e6 * 6
    assert disk_bytes(rows, 1000, "float16", 200, 10)["weights"] == 200e9
    layers = math.cbrt(70.5e9 / (12 * 128**2))
    assert disk["activations"] == pytest.approx(2 * 1000 * (layers + 1) * 128 * layers * 2)
