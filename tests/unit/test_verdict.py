"""Patterns, verdicts and their calibration on curves with known courses."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from simulated_study import STEPS, TOKENS_PER_STEP, course, study

from triphase.phases.behaviour import coincidence
from triphase.phases.curves import Undetermined, average_subjects, prepare
from triphase.phases.model import model_phases
from triphase.phases.transitions import (
    CLASSES,
    Curve,
    Settings,
    ar1_factor,
    class_of,
    grid_interval,
    is_triple,
    legs,
    margins,
    pattern,
)
from triphase.phases.verdict import Judged, verdict_of

HEADLINE = {"measure": "alignment", "roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}
QUICK = Settings(calibration=100, power=100, draws=200)


def phases_of(name, settings=QUICK, headline=HEADLINE, **options):
    table, boot = study({"m": name}, **options)
    return model_phases(table, boot, "m", headline, settings, seed=0)


def judged(values, sd=0.02, settings=QUICK, steps=None, draws=True):
    n = len(values)
    rng = np.random.default_rng(0)
    steps = 2 ** np.arange(n) if steps is None else np.asarray(steps)
    values = np.asarray(values, float)
    data = {
        "checkpoint": [f"step{step}" for step in steps],
        "step": np.asarray(steps, float),
        "tokens": np.asarray(steps, float) * TOKENS_PER_STEP,
        "values": values,
        "errors": np.full(n, sd),
        "draws": np.nan_to_num(values)[:, None] + sd * rng.standard_normal((n, 300)) if draws else None,
    }
    return verdict_of(data, settings, rng)[0]


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


def test_without_power_a_rival_stays_undetermined_and_the_power_is_said():
    result = phases_of("rise-plateau", noise=0.15)
    assert result["verdict"] == "undetermined"
    assert "power" in result["reason"]
    assert result["power"] < 0.8


def test_flat_has_no_first_rise_to_measure_a_fall_by():
    result = judged(course("flat", 9) + 0.02 * np.random.default_rng(1).standard_normal(9))
    assert result["verdict"] == "undetermined"
    assert "no first rise" in result["reason"]


@pytest.mark.parametrize("name", ["flat", "one rise", "rise-plateau", "rise-fall"])
@pytest.mark.parametrize("known", [True, False])
def test_rivals_are_rarely_called_a_triple(name, known):
    """False triples in at most 5 % of series, with noise that the bootstrap knows of and with noise it misses."""
    n, sd, number = 9, 0.1, 100
    rng = np.random.default_rng([ord(letter) for letter in name])
    correlation = 0.0 if known else 0.5
    noise = sd * ar1_factor(n, correlation) @ rng.standard_normal((n, number))
    covariance = sd**2 * np.eye(n) if known else 1e-6 * np.eye(n)
    settings = Settings(calibration=60)
    false = 0
    for y in (course(name, n)[:, None] + noise).T:
        curve = Curve(np.linspace(0, 3, n), y, covariance, settings)
        if is_triple(curve.signs):
            false += all(test["p"] <= 0.05 for test in margins(curve, rng).values())
    # 5 % and twice the standard error of 100 series.
    assert false <= 9


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_few_checkpoints_are_undetermined(n):
    steps = STEPS[: n + 1]
    table, boot = study({"m": "triple"}, steps=STEPS)
    table = table[table["step"].isin(steps)]
    boot = boot.isel(series=np.isin(boot["step"].values, steps))
    result = model_phases(table, boot, "m", HEADLINE, QUICK, 0)
    assert result["verdict"] == "undetermined"
    assert f"grid too coarse: {n} checkpoints" in result["reason"]
    assert result["breakpoints"] == result["intervals"] == []
    json.dumps(result, allow_nan=False)


def test_a_grid_too_coarse_for_three_transitions_still_describes_the_curve():
    result = judged(course("rise-plateau", 8))
    assert result["verdict"] == "undetermined"
    assert "need 9 checkpoints" in result["reason"]
    assert result["pattern"].startswith("rise")


def test_a_missing_value_is_left_out_and_named():
    values = course("triple", 11)
    values[3] = np.nan
    result = judged(values)
    assert result["n_checkpoints"] == 10
    assert "left out: step8" in result["reason"]


def test_zero_variance_and_tokens_that_do_not_increase_are_said():
    assert "does not vary" in judged(np.full(9, 0.3))["reason"]
    steps = 2 ** np.arange(9)
    table, boot = study({"m": "triple"})
    table.loc[table["step"] == 64, "tokens"] = 5
    result = model_phases(table, boot, "m", HEADLINE, QUICK, 0)
    assert result["verdict"] == "undetermined"
    assert "tokens do not increase from step32 to step64" in result["reason"]
    assert judged(course("triple", 9), steps=steps)["verdict"] == "supported"


def test_an_absent_measure_is_said_for_alignment_and_for_adherence():
    result = phases_of("triple", headline=HEADLINE | {"roi": "nowhere"})
    assert result["verdict"] == "undetermined"
    assert "alignment of nowhere is absent" in result["reason"]
    assert result["subjects"] == {}
    result = phases_of("triple", adherence=False)
    assert result["verdict"] == "supported"
    assert "adherence is absent" in result["behaviour"]["adherence"]["remarks"][0]
    assert result["behaviour"]["adherence"]["coincidence"]["coincides"] is None


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


def test_one_subject_is_judged_and_counted():
    result = phases_of("triple", subjects=1)
    assert result["n_subjects"] == 1
    assert "the 1 subject of the study" in result["scope"]
    assert list(result["subjects"]) == ["sub-01"]


def test_ten_and_more_subjects_are_resampled_and_not_judged_singly():
    result = phases_of("triple", subjects=12)
    assert result["subjects_resampled"] is True
    assert result["subjects"] == {}
    assert "12 subjects" not in result["scope"]


def test_resampled_subjects_bring_their_spread_into_the_draws():
    rng = np.random.default_rng(0)
    level = rng.standard_normal(40)
    curves = [
        {"checkpoint": ["a"], "step": np.array([1.0]), "tokens": np.array([1.0]), "values": np.array([v]),
         "errors": np.array([0.0]), "draws": np.full((1, 4000), v)}
        for v in level
    ]  # fmt: skip
    draws = average_subjects(curves, rng)["draws"][0]
    assert draws.std() == pytest.approx(level.std() / np.sqrt(40), rel=0.1)
    assert np.ptp(average_subjects(curves[:9], rng)["draws"]) < 1e-12


def test_without_draws_standard_errors_serve_and_it_is_said():
    result = judged(course("triple", 9), draws=False)
    assert "no paired bootstrap" in result["reason"]
    assert result["verdict"] == "supported"


def test_missing_standard_errors_do_not_stop_a_fit():
    data = {"checkpoint": list("abcdefghi"), "step": np.arange(1.0, 10), "tokens": 10.0 ** np.arange(1, 10),
            "values": course("triple", 9), "errors": np.full(9, np.nan), "draws": None}  # fmt: skip
    _, _, covariance, draws, remarks = prepare(data, QUICK)
    assert draws is None
    assert not covariance.any()
    assert "residuals carry all noise" in remarks[0]


def test_step_zero_is_the_baseline_and_outside_the_fit():
    result = phases_of("triple")
    assert result["n_checkpoints"] == len(STEPS) - 1
    assert result["baseline"] is not None
    table, boot = study({"m": "triple"})
    table.loc[table["step"] == 0, "value"] = 1e3
    moved = model_phases(table, boot, "m", HEADLINE, QUICK, 0)
    assert moved["breakpoints"] == result["breakpoints"]


def test_the_order_of_rows_and_the_presence_of_other_models_change_nothing():
    table, boot = study({"m": "triple"})
    plain = model_phases(table, boot, "m", HEADLINE, QUICK, 0)
    rng = np.random.default_rng(0)
    shuffled = model_phases(
        table.sample(frac=1, random_state=1).sort_values("subject", kind="stable"),
        boot.isel(series=rng.permutation(boot.sizes["series"])), "m", HEADLINE, QUICK, 0,
    )  # fmt: skip
    assert shuffled["verdict"] == plain["verdict"]
    assert shuffled["breakpoints"] == plain["breakpoints"]
    assert shuffled["bic"] == pytest.approx(plain["bic"])


def test_everything_is_json_without_nan():
    for name in ("triple", "flat"):
        json.dumps(phases_of(name, noise=0.1), allow_nan=False)


def test_behaviour_is_compared_with_the_turning_points():
    behaviour = phases_of("triple")["behaviour"]
    assert behaviour["accuracy"]["pattern"] == "plateau-rise"
    assert behaviour["accuracy"]["coincidence"]["coincides"] is True
    low, high = behaviour["accuracy"]["coincidence"]["lag_interval"]
    assert 0.24 < low <= high < 4.1
    assert behaviour["adherence"]["coincidence"]["coincides"] is None
    assert "alignment and of behaviour is under way" in behaviour["adherence"]["coincidence"]["reason"]


class Onsets:
    """What `coincidence` needs of a fitted curve."""

    def __init__(self, draws):
        self.t, self.draws = np.arange(9) * np.log10(2), np.asarray(draws)

    def onset(self, last):
        return self.draws


@pytest.mark.parametrize(
    ("alignment", "behaviour", "answer"),
    [
        ([4] * 20, [4] * 20, True),
        ([4] * 20, [5] * 20, True),
        ([4] * 20, [4] * 10 + [6] * 10, False),
        ([2] * 20, [6] * 20, False),
        ([0] * 20, [0] * 20, None),
        ([0] * 20, [1] * 20, None),
        ([0] * 20, [5] * 20, False),
        ([5] * 20, [0] * 20, False),
        (None, [4] * 20, None),
        ([4] * 20, None, None),
    ],
)
def test_onsets_coincide_only_within_a_step_or_a_factor_of_two(alignment, behaviour, answer):
    reference = None if alignment is None else np.array(alignment)
    fit = None if behaviour is None else Onsets(behaviour)
    assert coincidence(reference, fit, Onsets([0]), last=False)["coincides"] is answer


def test_stagnation_and_a_lag_that_is_too_long():
    table, boot = study({"m": "triple"})
    # Accuracy that rises from step 256 on only, after the fall (16 to 128 are flat).
    late = {step: max(0.0, (np.log2(step) - 7.0) / 3) for step in STEPS if step} | {0: 0.0}
    task = table["measure"].str.startswith("accuracy_rescaled")
    rng = np.random.default_rng(0)
    table.loc[task, "value"] = table.loc[task, "step"].map(late) + 0.005 * rng.standard_normal(task.sum())
    here = np.flatnonzero(np.char.startswith(boot["measure"].values.astype(str), "accuracy_rescaled"))
    for i in here:
        boot["boot"].values[i] = late[int(boot["step"].values[i])] + 0.005 * rng.standard_normal(300)
    result = model_phases(table, boot, "m", HEADLINE, QUICK, 0)["behaviour"]
    assert result["stagnation"]["stagnates"] is True
    assert result["accuracy"]["coincidence"]["lag_factor"] == pytest.approx(1, rel=0.01)


def test_a_task_that_is_missing_at_one_checkpoint_makes_no_jump():
    table, boot = study({"m": "triple"})
    gone = (table["measure"] == "accuracy_rescaled/world") & (table["step"] == 64)
    result = model_phases(table[~gone], boot, "m", HEADLINE, QUICK, 0)["behaviour"]["accuracy"]
    assert "left out: step64" in result["remarks"][0]


def test_breakpoint_intervals_are_no_finer_than_the_grid():
    t = np.arange(9.0)
    assert grid_interval(t, np.array([4, 4, 4])) == (3, 5)
    low, high = grid_interval(t, np.repeat([2, 3, 4, 5, 6], 20))
    assert (low, high) == (1, 7)


def test_bad_curves_raise_undetermined_not_something_else():
    with pytest.raises(Undetermined):
        prepare({"checkpoint": [], "step": np.array([]), "tokens": np.array([]), "values": np.array([]),
                 "errors": np.array([]), "draws": None}, QUICK)  # fmt: skip


def test_null_values_of_typed_tables_are_read():
    table, boot = study({"m": "triple"})
    table = table.astype(
        {"subject": "string", "roi": "string", "measure": "string", "tokens": "Int64", "step": "Int64"}
    )
    table.loc[table["subject"] == "", ["subject", "roi"]] = pd.NA
    result = model_phases(table, boot, "m", HEADLINE, QUICK, 0)
    assert result["verdict"] == "supported"
    assert result["behaviour"]["accuracy"]["pattern"] == "plateau-rise"


@pytest.mark.parametrize("model", ["pythia-410m-deduped", "pythia-6.9b-deduped"])
def test_the_onset_of_a_real_curve(real_data, model):
    """Accuracy on LAMBADA of real models leaves its floor between steps 512 and 3,000; their logic puzzles never do."""
    scores = pd.read_csv(real_data / "pythia" / "zero_shot.csv").query("model == @model and metric == 'acc'")
    settings, found = Settings(max_breakpoints=2, draws=200), {}
    for task in ("lambada_openai", "logiqa"):
        rows = scores[scores["task"] == task].sort_values("step")
        data = {
            "checkpoint": [f"step{step}" for step in rows["step"]],
            "step": rows["step"].to_numpy(float),
            "tokens": rows["step"].to_numpy(float) * 2097152,
            "values": rows["value"].to_numpy(),
            "errors": rows["stderr"].to_numpy(),
            "draws": None,
        }
        found[task] = Judged(data, settings, np.random.default_rng(0)).describe()
    assert found["lambada_openai"]["pattern"].startswith("plateau-rise")
    low, high = np.array(found["lambada_openai"]["intervals"][0]) / 2097152
    assert low <= 3000
    assert high >= 512
    assert found["logiqa"]["pattern"] == "flat"


@pytest.mark.parametrize(("headline", "centred", "answer"), [
    ("rise-fall", "rise-plateau", True), ("rise-fall", "rise-fall", False), ("rise-plateau", "rise-fall", None),
])  # fmt: skip
def test_a_fall_that_vanishes_under_another_scaling_is_scale_dependent(headline, centred, answer):
    table, boot = study({"m": headline})
    other, other_boot = study({"m": centred}, seed=1)
    other = other[other["measure"] == "alignment"].assign(measure="alignment_center")
    other_boot = other_boot.isel(series=other_boot["measure"].values == "alignment")
    other_boot["measure"] = ("series", ["alignment_center"] * other_boot.sizes["series"])
    both = xr.concat([boot, other_boot], dim="series")
    result = model_phases(pd.concat([table, other], ignore_index=True), both, "m", HEADLINE, QUICK, 0)
    assert result["scale_dependent"] is answer
    assert ("its fall is scale-dependent" in result["reason"]) is bool(answer)
    assert result["sensitivity"]["alignment_center"]["falls"] is (centred == "rise-fall")
    assert model_phases(table, boot, "m", HEADLINE, QUICK, 0)["scale_dependent"] is None, "no other scaling was run"
