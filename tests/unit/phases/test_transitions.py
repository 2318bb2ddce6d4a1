"""Rivals tested until the answer is clear, refits, curves fitted together."""

import numpy as np
import pytest

from triphase.phases.covariance import Noise
from triphase.phases.piecewise import Bank
from triphase.phases.simulate import KINDS, course, simulate_study
from triphase.phases.transitions import CLASSES, Curve, Settings, is_triple, margins, pattern, power

T = np.linspace(3.0, 6.0, 13)
QUICK = Settings(simulations=60, draws=200)


def curve_of(legs, noise, seed=0, settings=QUICK):
    rng = np.random.default_rng(seed)
    truth = course(legs, len(T))
    return Curve(T, truth + noise * rng.standard_normal(len(T)), Noise(noise**2 * np.eye(len(T))), settings)


def test_every_rival_of_a_clear_triple_is_rejected():
    curve = curve_of((1, -0.6, 0.8), 0.03)
    assert is_triple(curve.signs)
    tests = margins(curve, np.random.default_rng(1))
    # A rival whose best curve lies on the border to another one has no curve of its own.
    assert set(tests) == {name for name, bic in zip(CLASSES[1:], curve.class_bic[1:], strict=True) if np.isfinite(bic)}
    assert {"flat", "one rise", "rise-plateau"} <= set(tests)
    assert max(test["p"] for test in tests.values()) <= 0.05
    assert all(test["margin"] > test["threshold"] for test in tests.values())


def test_a_curve_that_is_no_triple_is_tested_against_its_nearest_rival_only():
    curve = curve_of((1, 0), 0.05)
    tests = margins(curve, np.random.default_rng(1))
    nearest = CLASSES[1 + np.argmin(curve.class_bic[1:])]
    assert list(tests) == [nearest]
    assert tests[nearest]["p"] > 0.05


def test_simulation_stops_where_the_answer_is_clear(monkeypatch):
    searched = []
    search = Bank.search

    def counted(self, values, label, classes, window=None):
        searched.append(values.shape[1])
        return search(self, values, label, classes, window)

    monkeypatch.setattr(Bank, "search", counted)
    settings = Settings(simulations=200)
    clear = curve_of((1, -0.6, 0.8), 0.02, settings=settings)
    searched.clear()
    tests = margins(clear, np.random.default_rng(0))
    assert sum(searched) == 2 * len(tests) * 100, "no larger margin among half of all draws"


def test_several_curves_are_fitted_as_one_alone():
    settings, rng = Settings(), np.random.default_rng(3)
    t, values, noise, _ = simulate_study(course((1, -0.4, 0.5), 16), 0.1, KINDS["independent"], 3, 5, rng)
    together = Curve.several(t, values, noise, settings)
    middle = together[np.argsort(values.std(axis=0))[2]]
    alone = Curve(t, middle.values, noise, settings)
    np.testing.assert_allclose(middle.class_bic, alone.class_bic, rtol=1e-9)
    assert middle.signs == alone.signs
    assert len({curve.bank for curve in together}) == 1
    for curve, column in zip(together, values.T, strict=True):
        assert curve.values is column or np.array_equal(curve.values, column)


def test_refitted_slopes_vary_with_the_noise_and_the_places_of_breakpoints():
    curve = curve_of((1, -0.6, 0.8), 0.05)
    draws = curve.values + 0.05 * np.random.default_rng(4).standard_normal((400, len(T)))
    knots, slopes = curve.refit(draws, np.random.default_rng(5))
    assert knots.shape == (400, 2)
    assert slopes.shape == (400, 3)
    np.testing.assert_allclose(slopes.mean(axis=0), curve.fit.slopes, atol=4 * slopes.std(axis=0).max() / 20)
    same = (knots == curve.fit.shape.knots).all(axis=1)
    given = np.sqrt(np.diag(curve.fit.covariance))
    np.testing.assert_allclose(slopes[same].std(axis=0), given, rtol=0.35)
    assert (slopes.std(axis=0) >= 0.9 * given).all()


def test_power_grows_with_the_fall_and_the_declared_one_needs_no_more_than_an_answer():
    curve = curve_of((1, 0), 0.03)
    tests = margins(curve, np.random.default_rng(0))
    small, declared, large = (power(curve, tests, np.random.default_rng(0), fall).share for fall in (0.05, None, 0.6))
    assert small < declared + 0.05 <= large + 0.1
    assert large >= 0.9
    whole = power(curve, tests, np.random.default_rng(0), QUICK.smallest_fall).share
    assert (declared >= QUICK.needed_power) == (whole >= QUICK.needed_power)
    assert declared == pytest.approx(whole, abs=0.15)


def test_courses_are_as_long_as_their_legs_say():
    np.testing.assert_allclose(course((1, -0.4, 0.5), 16)[[0, 5, 10, 15]], [0, 1, 0.6, 1.1])
    assert not course((0,), 16).any()


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.blocks])
@pytest.mark.parametrize("subjects", [3, 27])
def test_noise_of_simulated_studies_is_as_large_and_as_known_as_declared(kind, subjects):
    rng, kind, noise = np.random.default_rng(6), KINDS[kind], 0.1
    flat = np.zeros(10)
    _, values, sampled, draws = simulate_study(flat, noise, kind, subjects, 4000, rng)
    found = np.cov(values)
    expected = noise**2 * kind.factor(10) @ kind.factor(10).T
    np.testing.assert_allclose(found, expected, atol=0.1 * noise**2)
    # Resampling listeners adds their spread, which has their own sampling noise a second time.
    most = 1.15 if subjects < 10 else 2.3
    assert 0.85 < np.diag(sampled.covariance).mean() / (kind.known * noise**2) < most
    assert draws.shape == (1000, 10)


def test_pattern_of_the_best_fit():
    assert pattern(curve_of((1, -0.6, 0.8), 0.02).signs) == "rise-fall-rise"
