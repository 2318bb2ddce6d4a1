"""What a study could have found, on simulated studies whose noise is known."""

import numpy as np
import pytest
from simulated_study import STEPS, study

from triphase.phases.covariance import Noise
from triphase.phases.curves import Undetermined
from triphase.phases.power import FALLS, LAGS, as_text, relative_noise, simulate_power, study_curves
from triphase.phases.transitions import Curve, Settings

HEADLINE = {"roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}
QUICK = Settings(simulations=60, draws=200)
FINE = np.unique(np.r_[0, np.geomspace(4, 2000, 17).round().astype(int)])


def powers(name="rise-plateau", headline=HEADLINE, seed=0, **options):
    table, boot = study({"m": name}, **options)
    rng = np.random.default_rng(seed)
    return simulate_power(*study_curves(table, boot, headline, QUICK, rng), QUICK, rng)


def of(table, quantity):
    return table[table["quantity"] == quantity].set_index("size")["power"]


@pytest.fixture(scope="module")
def quiet():
    return powers(steps=FINE, noise=0.03)


def test_large_falls_are_found_more_often_than_small_ones(quiet):
    found, facts = quiet
    assert facts["fall"] is None
    fall = of(found, "fall")
    assert list(fall.index) == list(FALLS)
    assert fall[0.75] >= 0.95
    assert fall[0.1] <= fall[0.3] + 0.1 <= fall[0.75] + 0.2
    # Simulation stops early where more of it could not change what is said.
    assert ((found["n_simulations"] > 0) == found["power"].notna()).all()


def test_noise_takes_power(quiet):
    loud, _ = powers(steps=FINE, noise=0.3)
    assert of(loud, "fall")[0.3] < of(quiet[0], "fall")[0.3] - 0.3


def test_noise_is_that_of_the_mean_relative_to_the_first_rise():
    t = np.linspace(3, 6, 13)
    rng = np.random.default_rng(0)
    y = np.interp(t, [3, 4.5, 6], [0, 2, 2]) + 0.1 * rng.standard_normal(13)
    curve = Curve(t, y, Noise(0.1**2 * np.eye(13)), QUICK)
    assert relative_noise(curve) == pytest.approx(0.05, rel=0.15)


def test_a_lag_is_found_only_beyond_what_the_grid_resolves(quiet):
    found, facts = quiet
    assert facts["lag"] is None
    lag = of(found, "lag")
    assert list(lag.index) == list(LAGS)
    step = 10 ** np.median(np.diff(np.log10(FINE[1:].astype(float))))
    assert (lag[lag.index < step**2] == 0).all(), "within one step of both onsets"
    assert lag[10.0] >= 0.9
    assert np.isnan(lag[100.0]) or lag[100.0] >= 0.9


def test_a_coarse_grid_says_so_at_once():
    found, facts = powers(steps=STEPS[:8])
    assert of(found, "fall").isna().all()
    assert (found[found["quantity"] == "fall"]["n_simulations"] == 0).all()
    assert facts["fall"] == "grid too coarse: 7 checkpoints after step 0 bear no three transitions"
    found, facts = powers(steps=STEPS[:4])
    assert found["power"].isna().all()
    assert "grid too coarse: 3 checkpoints" in facts["fall"]
    assert "grid too coarse: 3 checkpoints" in facts["lag"]


def test_what_is_absent_is_said():
    _, facts = powers(headline=HEADLINE | {"roi": "nowhere"})
    assert facts["noise"] is None
    assert facts["fall"] == facts["lag"]
    found, facts = powers(headline=HEADLINE | {"tasks": [], "adherence": []}, steps=FINE)
    assert facts["fall"] is None
    assert "absent" in facts["lag"]
    assert of(found, "lag").isna().all()


def test_without_tasks_the_onset_of_adherence_counts():
    table, boot = study({"m": "triple"})
    rng = np.random.default_rng(0)
    _, accuracy = study_curves(table, boot, HEADLINE, QUICK, rng)
    _, adherence = study_curves(table, boot, HEADLINE | {"tasks": []}, QUICK, rng)
    assert not isinstance(accuracy, Undetermined)
    assert not np.array_equal(accuracy.values, adherence.values)


def test_a_flat_curve_has_no_rise_to_measure_a_fall_by():
    t, rng = np.linspace(3, 6, 13), np.random.default_rng(2)
    flat = Curve(t, 0.1 * rng.standard_normal(13), Noise(0.1**2 * np.eye(13)), QUICK)
    found, facts = simulate_power(flat, flat, QUICK, rng)
    assert found["power"].isna().all()
    assert "no first rise" in facts["fall"]
    assert facts["noise"] is None


def test_the_printed_table_has_every_size_or_the_reason(quiet):
    found, facts = quiet
    found = found.copy()
    found.attrs = facts
    text = as_text({"m": found})
    assert text.startswith("m (noise of one checkpoint: ")
    assert "a fall of 20% of the first rise" in text
    assert "a lag by a factor of 10 in tokens" in text
    coarse, facts = powers(steps=STEPS[:4])
    coarse.attrs = facts
    assert "fall: undetermined: grid too coarse" in as_text({"m": coarse})
