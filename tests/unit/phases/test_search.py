"""The search over all shapes against fitting every shape to every series, and against itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_search import all_shapes, best_curves

from triphase.phases.piecewise import Bank, allowed_breakpoints, enumerate_shapes, tau_ladder
from triphase.phases.transitions import side

T = np.linspace(3.0, 6.0, 13)


def correlated(n, rng, size=0.1):
    factor = rng.standard_normal((n, n + 3))
    return size**2 * factor @ factor.T / n


def courses(signs):
    """Four classes that differ in signs alone, so that every shape belongs to several."""
    return sum(sign > 0 for sign in signs) - (signs[-1] < 0)


def bends(signs):
    """A class for each number of breakpoints, without plateaus."""
    return len(signs) - 1 if all(signs) else -1


@pytest.mark.parametrize(("n", "most", "floor"), [(5, 0, 0), (7, 1, 0), (9, 2, 0), (13, 4, 0), (13, 4, 5), (9, 2, 3)])
def test_shapes_are_those_of_the_reference(n, most, floor):
    shapes = [(shape.knots, shape.free) for shape in enumerate_shapes(n, most, floor=floor)]
    assert sorted(shapes) == sorted(all_shapes(n, most, floor))


@settings(max_examples=60)
@given(
    st.integers(5, 13),
    st.sampled_from([0, 0, 4]),
    st.sampled_from([(courses, 6), (bends, 5), (side, 2)]),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
def test_every_shape_is_searched_under_sign_constraints_and_every_tau(n, floor, classes, rungs, seed):
    rng, (label, number) = np.random.default_rng(seed), classes
    t, covariance = np.sort(rng.uniform(0, 3, n)), correlated(n, rng)
    series = rng.standard_normal((n, 3)).cumsum(axis=0) * rng.choice([0.01, 0.1, 1], 3)
    taus = tau_ladder(covariance, series[:, 0], rungs=rungs + 1)[-rungs:]
    bank = Bank(t, covariance, taus, allowed_breakpoints(n), floor=floor)
    bic, best = bank.search(series, label, number)
    shapes = list(all_shapes(n, allowed_breakpoints(n), floor))
    expected, alike = best_curves(t, series, [covariance + tau**2 * np.eye(n) for tau in taus], shapes, label, number)
    np.testing.assert_allclose(bic, expected, rtol=1e-8)
    assert ((best >= 0) == np.isfinite(expected)).all()
    for at, candidates in alike.items():
        assert (bank.shapes[best[at]].knots, bank.shapes[best[at]].free) in candidates


def test_search_does_not_depend_on_what_is_searched_beside():
    rng = np.random.default_rng(10)
    series = rng.standard_normal((13, 30)).cumsum(axis=0)
    bank = Bank(T, correlated(13, rng), [0.05, 0.2, 0.8], 4)
    together, _ = bank.search(series, courses, 6)
    alone = np.hstack([bank.search(column[:, None], courses, 6)[0] for column in series.T[:5]])
    np.testing.assert_allclose(together[:, :5], alone, rtol=1e-9)


@pytest.mark.parametrize(("low", "high"), [(-2.0, np.inf), (-np.inf, 3.0), (1.0, 4.0), (2.0, 2.0)])
def test_margins_within_a_window_are_exact_and_others_on_the_right_side(low, high):
    rng = np.random.default_rng(11)
    series = np.interp(T, T[[0, 4, 8, -1]], [0, 1, 0.8, 1.2])[:, None] + 0.15 * rng.standard_normal((len(T), 60))
    covariance = 0.02 * correlated(len(T), rng)
    bank = Bank(T, covariance, tau_ladder(covariance, series[:, 0]), 4)
    exact = np.subtract(*bank.search(series, side, 2)[0][::-1])
    bic, best = bank.search(series, side, 2, (low, high))
    found = np.subtract(*bic[::-1])
    inside = (exact >= low) & (exact <= high)
    assert (exact < low).any() or not np.isfinite(low)
    assert (exact > high).any() or not np.isfinite(high)
    np.testing.assert_allclose(found[inside], exact[inside], rtol=1e-9)
    assert (found[exact < low] <= low).all() and (found[exact > high] >= high).all()
