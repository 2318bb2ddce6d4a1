"""The integrity gate on networks that are really trained: every published fault found, no clean checkpoint accused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from trained_series import GROUPS, HARD, PUBLISHED, SAVES, SCHEDULES, late_shard, late_weights, rehashed, train_group

from triphase.checkpoints.integrity.distances import distance_rows
from triphase.checkpoints.integrity.files import hub_findings
from triphase.checkpoints.integrity.mark import STATISTICS
from triphase.checkpoints.integrity.recipe import series_entry
from triphase.checkpoints.integrity.verdict import RULES, check_series, enforce, faulty, report_lines, undecided
from triphase.core.errors import InputError
from triphase.report.figures.integrity import draw_integrity
from triphase.report.figures.style import save

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def runs():
    """One series of every schedule in two of the groups: three and two files, 32 and 16 bits, both kinds of start."""
    return [run for group in (0, 1) for run in train_group(group, len(SCHEDULES), seed=1)]


def judged(run, fault, seed=5):
    marks, wrong = fault(run, np.random.default_rng(seed))
    return check_series(run.name, run.entries(), marks, run.schedule, run.initialisation), wrong


def named(table):
    return {name for _, name, _, _ in faulty(table)}


def test_clean_series_are_clean(runs):
    assert {run.name.split("-")[0] for run in runs} == set(SCHEDULES) and len(GROUPS) > 1
    for run in runs:
        table = check_series(run.name, run.entries(), run.published(), run.schedule, run.initialisation)
        assert not faulty(table) and not undecided(table), report_lines(table)
        assert len(table) == len(RULES) * len(SAVES)
        checked = table[table["verdict"] == "ok"].groupby("rule")["checkpoint"].nunique()
        assert checked["initialisation"] == 1 and (checked.drop("initialisation")[["shards agree"]] == len(SAVES)).all()
        assert checked["optimiser's bound"] == len(SAVES)


@pytest.mark.parametrize("fault", PUBLISHED, ids=lambda fault: fault.__name__)
def test_published_faults_are_found_and_nothing_else(runs, fault):
    for number, run in enumerate(runs):
        table, wrong = judged(run, fault, number)
        assert named(table) == wrong, run.name


@pytest.mark.parametrize("fault", HARD, ids=lambda fault: fault.__name__)
def test_what_can_not_be_proven_accuses_nobody_else(runs, fault):
    for number, run in enumerate(runs):
        table, wrong = judged(run, fault, number)
        if fault.__name__ == "late_weights_to_the_end":  # two names claim one place: all that share the file are out
            assert wrong <= named(table) <= wrong | {f"step{SAVES[-1]}"}
        else:
            assert named(table) <= wrong
        if fault.__name__ == "early_late":
            assert named(table) == wrong


def test_details_name_the_other_checkpoint(runs):
    table, wrong = judged(runs[0], late_weights)
    rows = table[(table["rule"] == "weights differ") & (table["verdict"] == "fault")]
    assert rows["detail"].str.contains("step400").all() and set(rows["checkpoint"]) == wrong
    start = table[(table["checkpoint"] == "step0") & (table["rule"] == "initialisation")].iloc[0]
    assert start["verdict"] == "fault" and "not 0 ± 0" in start["detail"]
    early = table[(table["checkpoint"] == "step1") & (table["rule"] == "optimiser's bound")].iloc[0]
    assert early["verdict"] == "fault" and "times what the optimiser can have done" in early["detail"]
    table, wrong = judged(runs[0], PUBLISHED[2])
    assert table["detail"].str.contains("belong to step0, nothing is trained yet").sum() == len(wrong) == 1
    table, wrong = judged(runs[0], late_shard)
    detail = table[(table["checkpoint"] == min(wrong)) & (table["rule"] == "files differ")]["detail"].iloc[0]
    assert "00001-of-00003" in detail and "step400" in detail


def test_nothing_known_of_the_run_still_finds_equal_weights(runs):
    for fault in PUBLISHED[:3]:
        marks, wrong = fault(runs[0], np.random.default_rng(2))
        table = check_series("m", runs[0].entries(), marks)
        assert named(table) == wrong
        assert set(table[table["rule"] == "optimiser's bound"]["verdict"]) == {"not checked"}


def test_a_start_from_another_seed_is_the_stranger(runs):
    one, two = runs[0], runs[1]
    marks = {**one.published(), "step0": two.marks[0]}
    table = check_series("m", one.entries(), marks, one.schedule, one.initialisation)
    assert named(table) == {"step0"}  # pythia#203


def test_values_that_are_no_numbers_shapes_types_and_configs(runs):
    run = runs[0]
    marks = run.published()
    broken = np.zeros(len(marks["step8"].names), int)
    broken[3] = 2
    marks["step8"] = replace(marks["step8"], nonfinite=broken)
    marks["step16"] = marks["step16"].take(range(len(marks["step16"].names) - 1))
    marks["step32"] = replace(marks["step32"], config={**marks["step32"].config, "vocab_size": 65})
    marks["step64"] = replace(marks["step64"], dtypes=("float16",) * len(marks["step64"].names))
    table = check_series("m", run.entries(), marks, run.schedule, run.initialisation)
    found = {(name, rule): detail for _, name, rules, detail in faulty(table) for rule in rules}
    assert set(found) == {
        ("step8", "finite values"), ("step16", "structure"), ("step32", "config"),
    }  # fmt: skip
    (told,) = table.query("checkpoint == 'step64' and rule == 'structure'")["detail"]
    assert told == "stored as float16, the rest as float32"
    assert f"{marks['step8'].names[3]}: 2 of" in found["step8", "finite values"]
    assert f"lacks {marks['step8'].names[-1]}" in found["step16", "structure"]
    assert found["step32", "config"].startswith("vocab_size 65 not 64")


def test_a_frozen_tensor_accuses_nobody(runs):
    run = runs[0]
    first = run.marks[0]
    marks = {}
    for name, mark in run.published().items():  # the embedding never moves
        parts = [first.sketch_of(at) if at == 0 else mark.sketch_of(at) for at in range(len(mark.names))]
        hashes = (first.hashes[0], *mark.hashes[1:])
        same = {key: np.r_[getattr(first, key)[:1], getattr(mark, key)[1:]] for key in STATISTICS}
        marks[name] = rehashed(replace(mark, sketch=np.concatenate(parts), hashes=hashes, **same))
    assert not faulty(check_series("m", run.entries(), marks, run.schedule, run.initialisation))


def test_hashes_of_the_hub_alone():
    checkpoints = [
        {"name": "a", "step": 0, "weights": {"model.safetensors": "1" * 64}},
        {"name": "b", "step": 8, "weights": {"model.safetensors": "1" * 64}},
        {"name": "c", "step": 16, "weights": {"model.safetensors": "2" * 64}},
        {"name": "c-again", "step": 16, "weights": {"model.safetensors": "2" * 64}},
        {"name": "d", "step": 32, "weights": {"model.safetensors": ""}},
    ]
    found = hub_findings(checkpoints)
    assert [found[name][0] for name in found] == ["fault", "fault", "ok", "ok", "not checked"]
    assert "equal that of b" in found["a"][1]


def test_policies(runs):
    table, wrong = judged(runs[0], PUBLISHED[2])
    assert enforce(table, "exclude") == {(runs[0].name, name) for name in wrong} and enforce(table, "warn") == set()
    with pytest.raises(InputError, match=r"1 of 19 checkpoints .* step1 .*integrity: exclude"):
        enforce(table, "error")
    clean = table.assign(verdict="ok", detail="")
    assert enforce(clean, "error") == set()
    # What is missing is left out under every policy that goes on.
    gone = check_series("m", runs[0].entries(), {n: m for n, m in runs[0].published().items() if n != "step8"})
    assert enforce(gone, "warn") == enforce(gone, "exclude") == {("m", "step8")}
    assert report_lines(table)[0] == f"{runs[0].name}: 1 of 19 checkpoints marked"


def test_a_series_of_one_or_none(runs):
    run = runs[0]
    table = check_series("m", run.entries()[:1], {"step0": run.marks[0]}, run.schedule, run.initialisation)
    assert not faulty(table) and (table["verdict"] == "ok").sum() >= 5
    assert set(check_series("m", run.entries()[:2], {}, None, None)["verdict"]) == {"fault", "not checked"}


def test_only_files_and_weights_are_asked():
    model = {"name": "m", "checkpoints": [{"name": "a", "revision": "a", "step": 0, "tokens": 0, "loss": 3.0}]}
    assert series_entry(model) == {
        "name": "m", "entries": [{"name": "a", "revision": "a", "step": 0}], "schedule": None, "initialisation": None,
    }  # fmt: skip


def test_a_missing_revision_stands_in_the_table_and_the_figure(runs):
    entries = [
        *runs[0].entries(),
        {"name": "late", "step": 10**6, "revision": "late-r", "missing": "no revision late-r; the nearest is r"},
    ]
    table = check_series("m", entries, runs[0].published(), runs[0].schedule, runs[0].initialisation)
    assert faulty(table) == [("m", "late", ["revision present"], "there is no revision late-r; the nearest is r")]
    assert set(table[table["checkpoint"] == "late"]["verdict"]) == {"fault", "not checked"}
    figure = draw_integrity("m", table, distance_rows("m", entries, runs[0].published()))
    assert figure.get_suptitle() == "m: 1 of 20 checkpoints marked"
    assert figure.axes[1].get_xticklabels()[-1].get_text() == "late"


def test_the_figure_counts_what_is_left_out(runs):
    """Two equal checkpoints whose right one cannot be told are both marked and both left out; else one of them is."""
    run = runs[0]
    marks = {name: run.published()[name] for name in ("step8", "step16")}
    marks["step16"] = replace(marks["step8"])
    entries = [entry for entry in run.entries() if entry["name"] in marks]
    table = check_series("m", entries, marks)
    assert len(enforce(table, "exclude")) == 2
    figure = draw_integrity("m", table, distance_rows("m", entries, marks))
    assert figure.get_suptitle() == "m: 2 of 2 checkpoints marked"
    table, wrong = judged(run, PUBLISHED[2])
    rows = distance_rows("m", [], {})
    assert draw_integrity("m", table, rows).get_suptitle() == f"m: {len(wrong)} of 19 checkpoints marked"


def test_figure_of_many_checkpoints(runs, tmp_path):
    table, _ = judged(runs[0], late_shard)
    distances = distance_rows("m", runs[0].entries(), late_shard(runs[0], np.random.default_rng(5))[0])
    assert set(distances["file"]) == {"", *runs[0].marks[0].weights} and (distances["distance"] >= 0).all()
    copies = [table.assign(checkpoint=table["checkpoint"] + f"-{i}", step=table["step"] + 1000 * i) for i in range(8)]
    figure = draw_integrity("m", pd.concat(copies), distances.assign(checkpoint=distances["checkpoint"] + "-0"))
    assert len(figure.axes[1].get_xticklabels()) <= 31
    assert "of 152 checkpoints" in figure.get_suptitle()
    save(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
