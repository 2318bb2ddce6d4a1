"""Curves as they are read, averaged and made ready: what is missing or wrong is said, and nothing is made up."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from phase_curves import HEADLINE, QUICK, curve_of, judged, phases_of
from simulated_study import STEPS, course, study

from triphase.encoding.analyses import Analysis
from triphase.phases.covariance import estimate_noise
from triphase.phases.curves import (
    Trajectory,
    Undetermined,
    average_seeds,
    average_subjects,
    prepare,
    read_curve,
    seeds_resampled,
)
from triphase.phases.model import model_phases
from triphase.stats.intervals import half_width
from triphase.table.selection import Selection


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_few_checkpoints_are_undetermined(n):
    steps = STEPS[: n + 1]
    table, boot = study({"m": "triple"}, steps=STEPS)
    table = table[table["step"].isin(steps)]
    boot = boot.isel(series=np.isin(boot["step"].values, steps))
    result = model_phases(table, boot, "m", HEADLINE, QUICK, 0)
    assert result["verdict"] == "undetermined"
    assert f"grid too coarse: {n} checkpoint" in result["reason"]
    assert result["breakpoints"] == result["intervals"] == []
    json.dumps(result, allow_nan=False)


def test_a_missing_value_is_left_out_and_named():
    values = course("triple", 11)
    values[3] = np.nan
    result = judged(values)
    assert result["n_checkpoints"] == 10
    assert "left out: step8" in result["reason"]


def test_zero_variance_and_tokens_that_do_not_increase_are_said():
    assert "does not vary" in judged(np.full(9, 0.3))["reason"]
    steps = 2 ** np.arange(9)
    table, boot = study({"m": "triple"}, subjects=1)
    table.loc[table["step"] == 64, "tokens"] = 5
    result = model_phases(table, boot, "m", HEADLINE, QUICK, 0)
    assert result["verdict"] == "undetermined"
    assert "tokens do not increase from step32 to step64" in result["reason"]
    assert judged(course("triple", 9), steps=steps)["verdict"] == "supported"


def test_an_absent_measure_is_said_for_alignment_and_for_adherence():
    result = model_phases(*study({"m": "triple"}), "m", HEADLINE | {"roi": "nowhere"}, QUICK, 0)
    assert result["verdict"] == "undetermined"
    assert "alignment of nowhere is absent" in result["reason"]
    assert result["subjects"] == {}
    result = phases_of("triple", adherence=False)
    assert result["verdict"] == "supported"
    assert "adherence is absent" in result["behaviour"]["adherence"]["remarks"][0]
    assert result["behaviour"]["adherence"]["coincidence"]["coincides"] is None


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
    one = np.ones(1)
    curves = [Trajectory(["a"], one, one, v * one, 0 * one, np.full((1, 4000), v)) for v in level]
    draws = average_subjects(curves, rng).draws[0]
    assert draws.std() == pytest.approx(level.std() / np.sqrt(40), rel=0.1)
    assert np.ptp(average_subjects(curves[:9], rng).draws) < 1e-12


def test_without_draws_standard_errors_serve_and_it_is_said():
    result = judged(course("triple", 9), draws=False)
    assert "no paired bootstrap" in result["reason"]
    assert result["verdict"] == "supported"


def test_missing_standard_errors_do_not_stop_a_fit():
    data = replace(curve_of(course("triple", 9), draws=None), errors=np.full(9, np.nan))
    _, _, noise, draws, remarks = prepare(data)
    assert draws is None
    assert not noise.covariance.any()
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


def test_a_task_that_is_missing_at_one_checkpoint_makes_no_jump():
    table, boot = study({"m": "triple"}, subjects=1)
    gone = (table["measure"] == "accuracy_rescaled") & (table["target"] == "world") & (table["step"] == 64)
    result = model_phases(table[~gone], boot, "m", HEADLINE, QUICK, 0)["behaviour"]["accuracy"]
    assert "left out: step64" in result["remarks"][0]


def test_bad_curves_raise_undetermined_not_something_else():
    with pytest.raises(Undetermined):
        prepare(Trajectory([], *[np.array([])] * 4))


def undetermined(result, *words):
    """Said, with no breakpoint and no interval, and fit for JSON."""
    json.dumps(result, allow_nan=False)
    assert result["verdict"] == "undetermined"
    assert result["reason"].startswith("undetermined: ")
    assert result["breakpoints"] == result["intervals"] == result["segments"] == []
    for word in words:
        assert word in result["reason"]


def test_a_curve_without_any_value_is_undetermined():
    table, boot = study({"m": "triple"})
    table.loc[table["measure"] == "alignment", "value"] = np.nan
    undetermined(model_phases(table, boot, "m", HEADLINE, QUICK, 0), "0 checkpoints after step 0 have a value")


def test_one_subject_without_values_leaves_the_others_and_is_counted():
    table, boot = study({"m": "triple"})
    table.loc[(table["measure"] == "alignment") & (table["subject"] == "sub-02"), "value"] = np.nan
    result = model_phases(table, boot, "m", HEADLINE, QUICK, 0)
    undetermined(result, "not all subjects have a value", "step64 (lacking in 1 of 3)")
    undetermined(result["subjects"]["sub-02"] | {"segments": []}, "0 checkpoints")
    assert result["subjects"]["sub-01"]["verdict"] == "supported"


def test_a_checkpoint_that_failed_in_the_middle_is_named():
    table, boot = study({"m": "triple"}, subjects=1, steps=np.r_[0, 2 ** np.arange(13)])
    gone = (table["measure"] == "alignment") & (table["step"] == 32)
    kept = ~((boot["measure"].values == "alignment") & (boot["step"].values == 32))
    result = model_phases(table[~gone], boot.isel(series=kept), "m", HEADLINE, QUICK, 0)
    assert result["n_checkpoints"] == 12
    assert "not measured at step32" in result["reason"]
    assert result["verdict"] == "supported"


def test_unequal_grids_of_subjects_are_said_and_the_shared_checkpoints_judged():
    table, boot = study({"m": "triple"}, steps=np.r_[0, 2 ** np.arange(13)])
    gone = (table["measure"] == "alignment") & (table["subject"] == "sub-03") & (table["step"] == 4)
    result = model_phases(table[~gone], boot, "m", HEADLINE, QUICK, 0)
    assert result["n_checkpoints"] == 12
    assert "not all subjects have a value: step4 (lacking in 1 of 3)" in result["reason"]


def test_unknown_tokens_are_said():
    table, boot = study({"m": "triple"})
    table["tokens"] = table["tokens"].astype("Int64")
    table.loc[table["step"] == 64, "tokens"] = pd.NA
    undetermined(model_phases(table, boot, "m", HEADLINE, QUICK, 0), "tokens are unknown: step64")


def test_infinite_values_count_as_missing():
    values = course("triple", 13)
    values[5] = np.inf
    assert "left out: step32" in judged(values)["reason"]


def test_no_subject_at_all_is_undetermined():
    with pytest.raises(Undetermined, match="there are no subjects"):
        average_subjects([], np.random.default_rng(0))


def test_draws_that_are_missing_at_a_checkpoint_leave_standard_errors():
    data = curve_of(course("triple", 9))
    data.draws[4] = np.nan
    _, _, noise, draws, remarks = prepare(data)
    assert draws is None
    np.testing.assert_allclose(noise.covariance, 0.02**2 * np.eye(9))
    assert "no paired bootstrap" in remarks[0]


def test_an_absent_measure_raises_with_its_name():
    table, boot = study({"m": "flat"})
    with pytest.raises(Undetermined, match=r"alignment \(pca, headline, N1\) is absent for this model"):
        read_curve(table, boot, Selection("alignment", analysis=Analysis("pca", "headline", "N1")))


def runs(number, between=0.1, within=0.0, n=6, seed=0, draws=4000):
    """Curves of training runs that differ from each other by `between` at every checkpoint."""
    rng = np.random.default_rng(seed)
    values = between * rng.standard_normal((number, n))
    return [curve_of(one, within, draws=draws, seed=seed) for one in values], values


def test_the_mean_of_training_runs_carries_their_deviations_from_each_other():
    curves, values = runs(9)
    mean = average_seeds(curves, np.random.default_rng(1))
    np.testing.assert_allclose(mean.values, values.mean(axis=0))
    np.testing.assert_allclose(np.cov(mean.draws), np.cov(values.T) / 9, atol=2e-4)
    assert mean.remarks == []
    assert seeds_resampled(9)


def test_few_training_runs_are_fixed_and_it_is_said():
    curves, _ = runs(3, within=0.01)
    mean = average_seeds(curves, np.random.default_rng(1))
    # Draws of runs are paired, so that their noise does not average out.
    np.testing.assert_allclose(mean.draws.std(axis=1), 0.01, rtol=0.1)
    assert "3 training runs are too few" in mean.remarks[0]
    assert not seeds_resampled(3)


def test_intervals_of_a_mean_of_training_runs_cover_the_truth():
    """Slope of lines whose runs differ: 95 % intervals from resampled runs hold it in about 95 % of studies."""
    t, covered = np.arange(12.0), 0
    for study_seed in range(200):
        rng = np.random.default_rng(study_seed)
        curves = [curve_of(0.1 * t + 0.2 * rng.standard_normal(12), 0.0, draws=400) for _ in range(9)]
        mean = average_seeds(curves, rng)
        weights = np.linalg.pinv(np.vander(t, 2))[0]
        noise = estimate_noise(mean.draws.T, mean.freedom)
        covered += abs(weights @ mean.values - 0.1) < half_width(
            np.sqrt(weights @ noise.covariance @ weights), noise.freedom
        )
    assert 0.9 * 200 <= covered <= 0.99 * 200


def test_training_runs_are_matched_by_tokens_and_what_only_some_have_is_named():
    curves, _ = runs(5)
    curves[1] = replace(curves[1], checkpoint=[f"late{i}" for i in range(6)])
    curves[2] = curves[2].at(list(range(5)))
    mean = average_seeds(curves, np.random.default_rng(0))
    assert len(mean.values) == 5
    assert "not all training runs have a value" in mean.remarks[0]
    assert "(lacking in 1 of 5)" in mean.remarks[0]


def test_training_runs_without_draws_have_their_deviation_in_the_errors():
    curves, values = runs(8, draws=None)
    mean = average_seeds(curves, np.random.default_rng(0))
    assert mean.draws is None
    np.testing.assert_allclose(mean.errors, values.std(axis=0, ddof=1) / np.sqrt(8))


def test_one_training_run_is_itself():
    curves, values = runs(1)
    mean = average_seeds(curves, np.random.default_rng(0))
    np.testing.assert_allclose(mean.values, values[0])
    assert mean.remarks == []
