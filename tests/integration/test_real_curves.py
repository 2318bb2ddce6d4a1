"""Accuracies of real models: what is claimed of them, and what is not (all series: `benchmarks/phases_real.py`)."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from project import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import phases_real as real  # noqa: E402

QUICK = replace(real.SETTINGS, draws=100)


@pytest.fixture(scope="module")
def curves():
    if not real.SCORES.exists():
        pytest.skip(f"{real.SCORES} is not there (TRIPHASE_TEST_DATA)")
    return real.read_scores()


@pytest.fixture(scope="module")
def described(curves):
    """Fits of all series, with few draws."""
    return {key: real.describe(curve, QUICK) for key, curve in curves.items()}


def test_no_series_is_dropped(described):
    assert set(described) == {(task, model) for task in real.CHANCE for model in real.MODELS}
    assert all(result["n_checkpoints"] == 26 for result in described.values())


@pytest.mark.parametrize("model", real.LARGE)
def test_lambada_leaves_its_floor_where_it_is_known_to(described, model):
    assert real.contains_a_point(real.onset(described["lambada_openai", model]))


@pytest.mark.parametrize("model", real.SMALL)
@pytest.mark.parametrize("task", ["wsc", "logiqa"])
def test_small_models_do_not_rise_where_they_have_learnt_nothing(described, task, model):
    assert "+" not in described[task, model]["legs"]


def test_no_fall_below_chance_stays_on_its_own_floor(curves, described):
    falls = {key: real.unfounded_falls(curves[key], described[key], real.CHANCE[key[0]]) for key in curves}
    assert not [key for key, number in falls.items() if number]
    # The check is not empty: some series do fall to below chance, and off their floor.
    assert "−" in described["wsc", "1b"]["legs"]
    # A model that gave another answer once while it had learnt nothing does not fall by giving it again.
    assert described["wsc", "70m"]["legs"] == ""


def test_the_order_of_early_scores_changes_no_claim(curves, described):
    for place, (key, curve) in enumerate(curves.items()):
        again = real.describe(real.shuffled(curve, np.random.default_rng(place)), replace(QUICK, draws=20))
        assert again["legs"] == described[key]["legs"], key


def test_without_a_floor_wandering_scores_look_like_rises(curves):
    """Why there is a floor: the same fit without one claims rises of constant responders."""
    settings = replace(QUICK, max_breakpoints=2)
    free = [real.Judged(curves["wsc", model], settings, np.random.default_rng(0)) for model in real.MODELS]
    assert any(1 in fit.signs for fit in free)


def test_a_standard_error_of_zero_or_none_leaves_a_fit(curves):
    lambada, mmlu = curves["lambada_openai", "1b"], curves["mmlu_mean", "1b"]
    assert (lambada.errors == 0).sum() == 10
    assert np.isnan(mmlu.errors).all()
    for curve in (lambada, mmlu):
        assert real.describe(curve, QUICK)["checkpoint_noise"] > 0


def test_where_there_are_no_scores_the_figures_are_skipped(monkeypatch, tmp_path):
    monkeypatch.setattr(real, "SCORES", tmp_path / "none.csv")
    assert [row["ok"] for row in real.real_figures()] == [None] * 5
