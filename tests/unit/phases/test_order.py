"""Order within one run: turning points, lags with intervals, lead and lag, correlations given log tokens."""

import numpy as np
import pytest
from simulated_study import study

from triphase.phases.curves import Trajectory
from triphase.phases.model import model_phases
from triphase.phases.order import Events, beyond_trend, correlations, lag, lead_lag, order, turning_points
from triphase.phases.transitions import Settings
from triphase.phases.verdict import Judged

SETTINGS = Settings(draws=300, simulations=100)
HEADLINE = {"roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}
N = 13
TOKENS = 1000.0 * 2 ** np.arange(N)


def fit(values, noise=0.02, tokens=TOKENS, seed=0):
    rng = np.random.default_rng(seed)
    values = np.asarray(values, float) + noise * rng.standard_normal(len(values))
    draws = values[:, None] + noise * rng.standard_normal((len(values), 300))
    names, errors = [f"c{i}" for i in range(len(values))], np.full(len(values), noise)
    return Judged(Trajectory(names, tokens, tokens, values, errors, draws), SETTINGS, rng)


def bend(places, heights):
    return np.interp(np.arange(N), places, heights)


@pytest.mark.parametrize(
    ("kinds", "events"),
    [
        (["plateau"], {}),
        (["fall"], {}),
        (["rise"], {"onset": 0, "peak": 1}),
        (["plateau", "rise"], {"onset": 1, "peak": 2}),
        (["fall", "rise", "plateau"], {"onset": 1, "peak": 2}),
        (["rise", "fall", "rise"], {"onset": 0, "peak": 1, "trough": 2}),
        (["plateau", "rise", "plateau", "fall"], {"onset": 1, "peak": 2, "trough": 4}),
    ],
)
def test_turning_points(kinds, events):
    assert turning_points(kinds) == events


def test_events_lie_where_the_curve_bends_and_ends_of_the_grid_are_censored():
    events = Events(fit(bend([0, 3, 6, 9, 12], [0, 0, 1, 0.4, 0.4])))
    assert events.places == {"onset": 3, "peak": 6, "trough": 9}
    assert not any(events.censored(event) for event in events.points)
    rising = Events(fit(bend([0, 12], [0, 1])))
    assert rising.censored("onset")
    assert rising.censored("peak")


def test_a_lag_has_an_interval_around_the_truth_and_is_turned_round_by_order():
    early, late = Events(fit(bend([0, 3, 7, 12], [0, 0, 1, 1]))), Events(fit(bend([0, 8, 12], [0, 0, 1]), seed=1))
    found = lag({"alignment": early, "accuracy": late}, "onset")
    assert found["factor"] == pytest.approx(2**5)
    assert found["interval"][0] < 2**5 < found["interval"][1]
    assert found["order"] == "second later"
    back = lag({"accuracy": late, "alignment": early}, "onset")
    assert back["order"] == "second earlier"
    assert back["interval"] == pytest.approx([1 / bound for bound in found["interval"][::-1]])


def test_a_lag_below_one_step_is_not_resolved_by_the_grid():
    one, other = Events(fit(bend([0, 4, 12], [0, 0, 1]))), Events(fit(bend([0, 4, 12], [0, 0, 1]), seed=1))
    found = lag({"a": one, "b": other}, "onset")
    assert found["factor"] == 1
    # Two places, each anywhere in a step of a factor of two, are less than that factor apart.
    assert 0.5 < found["interval"][0] < 0.7
    assert 1.4 < found["interval"][1] < 2
    assert found["order"] == "not resolved"


def test_a_censored_event_has_no_lag_but_a_reason():
    early, late = Events(fit(bend([0, 6, 12], [0, 1, 1]))), Events(fit(bend([0, 8, 12], [0, 0, 1])))
    found = lag({"alignment": early, "accuracy": late}, "onset")
    assert found["factor"] is found["interval"] is found["order"] is None
    assert found["reason"] == "alignment: its rise is under way at the first checkpoint"


def test_changes_that_follow_by_two_checkpoints_correlate_at_lag_two():
    steps = np.random.default_rng(0).standard_normal(20)
    first, second = np.cumsum(steps[2:]), np.cumsum(steps[:-2])
    found = lead_lag(np.arange(18.0), first, second)
    r = dict(zip(found["lags"], found["r"], strict=True))
    assert r[2] == pytest.approx(1)
    assert max(abs(r[k]) for k in r if k != 2) < 0.9
    assert found["n"] == [14, 15, 16, 17, 16, 15, 14]
    turned = lead_lag(np.arange(18.0), second, first)
    assert turned["r"] == pytest.approx(found["r"][::-1])


def test_few_pairs_and_still_curves_have_no_correlation():
    t = np.arange(6.0)
    assert lead_lag(t, t**2, t**3)["r"] == [None, None, None, pytest.approx(0.9731, abs=1e-3), None, None, None]
    found = correlations(t, np.full(6, 0.3), t**2)
    assert found["r"] is found["partial"] is None
    assert correlations(t, 2 * t + 1, t**2)["partial"] is None


def test_a_partial_correlation_is_that_of_the_textbook():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 4, 12)
    a, b = t + rng.standard_normal(12), 2 * t + rng.standard_normal(12)
    ab, at, bt = np.corrcoef(a, b)[0, 1], np.corrcoef(a, t)[0, 1], np.corrcoef(b, t)[0, 1]
    expected = (ab - at * bt) / np.sqrt((1 - at**2) * (1 - bt**2))
    assert correlations(t, a, b)["partial"] == pytest.approx(expected)
    assert not beyond_trend(t, 3 * t - 1).any()


def test_unequal_grids_are_compared_where_both_have_checkpoints():
    one, other = fit(bend([0, 12], [0, 1])), fit(bend([0, 12], [0, 1])[::2], tokens=TOKENS[::2])
    table, boot = study({"m": "triple"})
    found = order(table, boot, HEADLINE, {"alignment": one, "accuracy": other}, SETTINGS, np.random.default_rng(0))
    pair = next(
        entry for entry in found["correlations"] if {entry["first"], entry["second"]} == {"alignment", "accuracy"}
    )
    assert pair["n"] == 7


def test_a_model_has_perspectives_without_p_values():
    table, boot = study({"m": "triple"})
    found = model_phases(table, boot, "m", HEADLINE, SETTINGS, seed=0)["order"]
    assert list(found["perspectives"]) == ["alignment", "accuracy", "adherence", "probes", "surprisal"]
    assert found["perspectives"]["surprisal"]["pattern"].startswith("rise")
    assert found["perspectives"]["probes"]["measure"] == "selectivity"
    assert found["perspectives"]["probes"]["targets"] == ["number", "topic"]
    assert "no p-values" in found["scope"]
    assert not any("p" in entry for part in ("lags", "lead_lag", "correlations") for entry in found[part])


def test_a_perspective_that_cannot_be_fitted_is_said():
    table, boot = study({"m": "triple"}, adherence=False)
    table.loc[table["measure"] == "surprisal", "value"] = 5.0
    found = model_phases(table, boot, "m", HEADLINE, SETTINGS, seed=0)["order"]
    assert "adherence" not in found["perspectives"]
    assert "does not vary" in found["perspectives"]["surprisal"]["reason"]
    assert not any("surprisal" in (entry["first"], entry["second"]) for entry in found["lags"])
