"""Patterns, verdicts and their calibration on curves with known courses."""

import json
from copy import copy

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from phase_curves import HEADLINE, QUICK, curve_of, judged, phases_of
from simulated_study import STEPS, TOKENS_PER_STEP, course, study

from triphase.phases.covariance import Noise
from triphase.phases.curves import Undetermined
from triphase.phases.model import layer_dependent, model_phases
from triphase.phases.power import simulate_power
from triphase.phases.specification import brief_verdict
from triphase.phases.transitions import (
    CLASSES,
    Curve,
    class_of,
    first_rise,
    grid_interval,
    is_triple,
    legs,
    pattern,
)
from triphase.phases.verdict import Judged, judge, verdict_of
from triphase.table.tidy import typed


@pytest.mark.parametrize(
    ("signs", "words", "sequence", "name"),
    [
        ((0,), "flat", (), "flat"),
        ((0, 0), "flat", (), "flat"),
        ((1, 1), "rise", (1,), "one rise"),
        ((0, 1), "plateau-rise", (1,), "one rise"),
        ((0, 1, 0), "plateau-rise-plateau", (1,), "rise-plateau"),
        ((1, -1), "rise-fall", (1, -1), "rise-fall"),
        ((1, 0, -1, 0), "rise-plateau-fall-plateau", (1, -1), "rise-fall-plateau"),
        ((-1, 1), "fall-rise", (-1, 1), "fall-rise"),
        ((-1,), "fall", (-1,), "other"),
        ((1, -1, 1), "rise-fall-rise", (1, -1, 1), "triple"),
        ((1, 0, -1, 0, 1), "rise-plateau-fall-plateau-rise", (1, -1, 1), "triple"),
        ((-1, 1, -1, 1), "fall-rise-fall-rise", (-1, 1, -1, 1), "triple"),
        ((-1, 1, -1), "fall-rise-fall", (-1, 1, -1), "other"),
    ],
)
def test_names_of_courses(signs, words, sequence, name):
    assert pattern(signs) == words
    assert legs(signs) == sequence
    assert CLASSES[class_of(signs)] == name
    assert is_triple(signs) == (name == "triple")


def test_a_clear_triple_is_supported_in_every_subject():
    result = phases_of("triple")
    assert result["verdict"] == "supported"
    assert result["legs"] == "+ − +"
    truth = STEPS[[4, 6]] * TOKENS_PER_STEP
    assert result["breakpoints"] == list(truth)
    for (low, high), point in zip(result["intervals"], truth, strict=True):
        assert low < point < high
    assert result["subjects_supported"] == 3
    assert "3 of 3 subjects" in result["reason"]
    assert "this training run" in result["scope"]
    assert all(test["p"] <= 0.05 for test in result["margins"].values())


def test_a_rival_is_found_where_a_fall_would_have_been_seen():
    result = phases_of("rise-plateau")
    assert result["pattern"] == "rise-plateau"
    assert result["verdict"] == "not supported"
    assert result["power"] >= 0.8
    assert result["breakpoints"] == [STEPS[4] * TOKENS_PER_STEP]


@pytest.mark.parametrize(("later", "answer"), [("rise-plateau", True), ("triple", False), (None, None)])
def test_a_fall_that_another_layer_takes_over_is_layer_dependent(later, answer):
    steps, falling = 2 ** np.arange(13), course("triple", 13)
    judged = Judged(curve_of(falling, 0.02), QUICK, np.random.default_rng(0))
    layers = {2: falling} | ({3: np.maximum(falling, course(later, 13))} if later else {})
    place = {"model": "m", "subject": "s", "roi": "language", "main": True}
    rows = []
    for layer, values in layers.items():
        for step, value in zip(steps, values, strict=True):
            at = place | {"checkpoint": f"step{step}", "step": step, "tokens": step * TOKENS_PER_STEP, "value": value}
            rows += [at | {"layer": layer, "measure": measure} for measure in ("gain", "cv_score")]
            rows += [at | {"layer": layer, "measure": "alignment"}] if layer == 2 else []
    assert layer_dependent(typed(pd.DataFrame(rows)), judged, "language") is answer


@pytest.fixture(scope="module")
def clear():
    """The fit of a triple whose every leg is clear."""
    return Judged(curve_of(course("triple", 13)), QUICK, np.random.default_rng(0))


def test_the_calibrated_test_decides_and_not_raw_preference(clear):
    rejected, kept = {"flat": {"p": 0.01}}, {"flat": {"p": 0.01}, "rise-plateau": {"p": 0.2}}
    assert judge(clear, rejected, None)[0] == "supported"
    verdict, reason = judge(clear, kept, 0.9)
    assert verdict == "not supported", "BIC prefers three legs, but chance makes as much of a rival"
    assert "rise-plateau (p = 0.2)" in reason
    assert "power 90%" in reason
    assert judge(clear, kept, 0.7)[0] == "undetermined"
    unclear = copy(clear)
    unclear.signs = (1, 0, 1)
    assert np.argmin(unclear.curve.class_bic) == 0
    assert judge(unclear, kept, 0.9)[0] == "not supported"
    assert judge(unclear, rejected, 0.9)[0] == "undetermined"


def test_power_is_the_same_wherever_it_is_asked_for():
    data = curve_of(course("rise-plateau", 13), 0.06)
    verdict = verdict_of(data, QUICK, np.random.default_rng(0))[0]
    analysis = brief_verdict(data, QUICK, np.random.default_rng(1))
    table, _ = simulate_power(
        Judged(data, QUICK, np.random.default_rng(2)).curve, Undetermined("no tasks"), QUICK, np.random.default_rng(3)
    )
    row = table[(table["quantity"] == "fall") & (table["size"] == QUICK.smallest_fall)].iloc[0]
    assert verdict["power"] == analysis["power"] == row["power"]
    assert 0 < row["n_simulations"] <= QUICK.simulations
    assert analysis["p"] == max(test["p"] for test in verdict["margins"].values())


def test_without_power_a_rival_stays_undetermined_and_the_power_is_said():
    result = phases_of("rise-plateau", noise=0.15)
    assert result["verdict"] == "undetermined"
    assert "power" in result["reason"]
    assert result["power"] < 0.8


@pytest.mark.parametrize(
    ("heights", "size", "end"),
    [([0, 1, 1, 2, 2], 2, 12), ([0, 1, 0.4, 1.4, 1.4], 1, 4), ([0, 1, 1, 0.4, 1.4], 1, 4)],
    ids=["a plateau within", "up to the fall", "a plateau before the fall"],
)
def test_the_first_rise_is_a_leg_which_a_plateau_does_not_end(heights, size, end):
    t = np.arange(17.0)
    curve = Curve(t, np.interp(t, [0, 4, 8, 12, 16], heights), Noise(1e-6 * np.eye(17)), QUICK)
    found = first_rise(curve.fit, curve.signs)
    assert found[0] == pytest.approx(size, abs=0.01) and found[1] == end


def test_flat_has_no_first_rise_to_measure_a_fall_by():
    result = judged(course("flat", 9) + 0.02 * np.random.default_rng(1).standard_normal(9))
    assert result["verdict"] == "undetermined"
    assert "no first rise" in result["reason"]


def test_a_grid_too_coarse_for_three_transitions_still_describes_the_curve():
    result = judged(course("rise-plateau", 8))
    assert result["verdict"] == "undetermined"
    assert "need 9 checkpoints" in result["reason"]
    assert result["pattern"].startswith("rise")


def test_breakpoints_are_where_the_kind_of_segment_changes():
    t = np.arange(13.0)
    bent = np.interp(t, [0, 4, 8, 12], [0, 1, 5, 5])
    result = judged(bent, sd=0.02)
    assert result["knots"] == [16 * TOKENS_PER_STEP, 256 * TOKENS_PER_STEP]
    assert result["breakpoints"] == [256 * TOKENS_PER_STEP]
    assert [segment["kind"] for segment in result["segments"]] == ["rise", "plateau"]
    assert result["segments"][0]["change"] == pytest.approx(5, abs=0.1)
    low, high = result["segments"][0]["change_interval"]
    assert low < 5 < high
    assert result["segments"][1]["change_interval"] is None


def test_everything_is_json_without_nan():
    for name in ("triple", "flat"):
        json.dumps(phases_of(name, noise=0.1), allow_nan=False)


def test_breakpoint_intervals_are_no_finer_than_the_grid():
    t = np.arange(9.0)
    assert grid_interval(t, np.array([4, 4, 4])) == (3, 5)
    low, high = grid_interval(t, np.repeat([2, 3, 4, 5, 6], 20))
    assert (low, high) == (1, 7)


@pytest.mark.parametrize(("headline", "centred", "answer"), [
    ("rise-fall", "rise-plateau", True), ("rise-fall", "rise-fall", False), ("rise-plateau", "rise-fall", None),
])  # fmt: skip
def test_a_fall_that_vanishes_under_another_scaling_is_scale_dependent(headline, centred, answer):
    table, boot = study({"m": headline})
    other, other_boot = study({"m": centred}, seed=1)
    other = other[other["measure"] == "alignment"].assign(scaling="center", main=False)
    other_boot = other_boot.isel(series=other_boot["measure"].values == "alignment")
    other_boot["scaling"] = ("series", ["center"] * other_boot.sizes["series"])
    other_boot["main"] = ("series", [False] * other_boot.sizes["series"])
    both = xr.concat([boot, other_boot], dim="series")
    result = model_phases(pd.concat([table, other], ignore_index=True), both, "m", HEADLINE, QUICK, 0)
    assert result["scale_dependent"] is answer
    assert ("its fall is scale-dependent" in result["reason"]) is bool(answer)
    (centre,) = result["sensitivity"]
    assert centre["analysis"] == "center" and centre["falls"] is (centred == "rise-fall")
    assert model_phases(table, boot, "m", HEADLINE, QUICK, 0)["scale_dependent"] is None, "no other scaling was run"
