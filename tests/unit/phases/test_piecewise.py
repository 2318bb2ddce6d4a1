"""Piecewise-linear fits against closed forms, explicit enumeration and scipy."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from triphase.phases.piecewise import (
    Bank,
    Shape,
    allowed_breakpoints,
    enumerate_shapes,
    ramps,
    tau_ladder,
)

T = np.linspace(3.0, 6.0, 13)


def correlated(n, rng, size=0.1):
    factor = rng.standard_normal((n, n + 3))
    return size**2 * factor @ factor.T / n


def hinges(t, knots):
    return np.column_stack([np.ones_like(t), t, *(np.clip(t - t[k], 0, None) for k in knots)])


@pytest.mark.parametrize(("n", "most"), [(4, -1), (5, 0), (6, 0), (7, 1), (9, 2), (11, 3), (13, 4), (40, 4)])
def test_number_of_breakpoints_that_a_grid_bears(n, most):
    assert allowed_breakpoints(n) == most


def test_shapes_are_all_admissible_knots_and_plateaus():
    shapes = enumerate_shapes(9, 2)
    assert len(shapes) == len(set(shapes))
    free = {shape.knots for shape in shapes if all(shape.free)}
    expected = {knots for k in range(3) for knots in combinations(range(9), k)
                if all(np.diff([0, *knots, 8]) >= 2)}  # fmt: skip
    assert free == expected
    assert Shape((3,), (True, False)) in shapes
    assert Shape((3,), (False, False)) not in shapes


def test_ramps_span_the_hinge_basis():
    knots = (3, 7)
    both = np.column_stack([ramps(T, Shape(knots, (True,) * 3)), hinges(T, knots)])
    assert np.linalg.matrix_rank(both) == 4


def test_estimate_equals_whitened_least_squares():
    rng = np.random.default_rng(1)
    covariance = correlated(len(T), rng)
    y = np.interp(T, [3, 4, 5, 6], [0, 1, 0.5, 2]) + rng.multivariate_normal(np.zeros(len(T)), covariance)
    bank = Bank(T, covariance, [0.05], 2)
    fit = bank.estimate(y, Shape((4, 8), (True, True, True)))
    total = covariance + 0.05**2 * np.eye(len(T))
    whiten = np.linalg.inv(np.linalg.cholesky(total))
    design = hinges(T, (4, 8))
    coefficients, rss, *_ = np.linalg.lstsq(whiten @ design, whiten @ y, rcond=None)
    np.testing.assert_allclose(fit.fitted, design @ coefficients, atol=1e-9)
    np.testing.assert_allclose(fit.slopes, np.cumsum(coefficients[1:]), atol=1e-9)
    sums = np.tril(np.ones((3, 3)))
    expected = sums @ np.linalg.inv(design.T @ np.linalg.inv(total) @ design)[1:, 1:] @ sums.T
    np.testing.assert_allclose(fit.covariance, expected, rtol=1e-7)
    likelihood = rss[0] + np.linalg.slogdet(total)[1] + len(T) * np.log(2 * np.pi)
    assert fit.bic == pytest.approx(likelihood + 7 * np.log(len(T)))


def test_plateaus_have_slope_zero():
    bank = Bank(T, 0.01 * np.eye(len(T)), [0.0], 1)
    fit = bank.estimate(np.clip(T, 3, 4.5), Shape((6,), (True, False)))
    assert fit.slopes[1] == 0
    np.testing.assert_allclose(fit.fitted, np.clip(T, 3, 4.5), atol=1e-9)


def test_faces_contain_the_sign_constrained_optimum():
    rng = np.random.default_rng(3)
    n, knots = 9, (3, 6)
    t = np.arange(n, dtype=float)
    bank = Bank(t, np.eye(n), [0.0], 2)
    faces = [i for i, shape in enumerate(bank.shapes) if set(shape.knots) <= set(knots)]
    for _ in range(20):
        y = rng.standard_normal(n).cumsum()
        bounds = ([-np.inf, 0, -np.inf, 0], [np.inf, np.inf, 0, np.inf])
        oracle = 2 * lsq_linear(ramps(t, Shape(knots, (True,) * 3)), y, bounds, tol=1e-14).cost
        found = np.inf
        for i in faces:
            fit = bank.estimate(y, bank.shapes[i])
            slopes = np.diff(fit.fitted)[[0, 4, 7]]
            if (slopes * [1, -1, 1] >= -1e-9).all():
                found = min(found, ((y - fit.fitted) ** 2).sum())
        assert found == pytest.approx(oracle, rel=1e-5)


def test_known_breakpoints_are_recovered():
    rng = np.random.default_rng(4)
    truth = np.interp(T, T[[0, 4, 7, 12]], [0, 1, 0.6, 1.1])
    covariance = 0.02**2 * (0.5 + 0.5 * np.eye(len(T)))
    series = truth[:, None] + np.linalg.cholesky(covariance) @ rng.standard_normal((len(T), 100))
    bank = Bank(T, covariance, tau_ladder(covariance, truth), 4)
    bic, best = bank.search(series, lambda signs: len(signs) - 1 if all(signs) else -1, 5)
    assert (bic.argmin(axis=0) == 2).mean() >= 0.95
    assert np.mean([bank.shapes[i].knots == (4, 7) for i in best[2]]) >= 0.95


def test_values_with_correlated_noise_are_weighted_by_it():
    rng = np.random.default_rng(5)
    covariance = np.full((13, 13), 1.0) + 0.01**2 * np.eye(13)
    y = T + rng.standard_normal() + 0.01 * rng.standard_normal(13)
    fit = Bank(T, covariance, [0.0], 0).estimate(y, Shape((), (True,)))
    assert fit.slopes[0] == pytest.approx(1, abs=0.02)
    assert fit.change_errors[0] < 0.05


def test_unknown_covariance_leaves_the_noise_to_the_residuals():
    rng = np.random.default_rng(8)
    y = T + 0.1 * rng.standard_normal(13)
    nothing = np.zeros((13, 13))
    fit = Bank(T, nothing, tau_ladder(nothing, y, rungs=40), 0).estimate(y, Shape((), (True,)))
    residual = y - np.polyval(np.polyfit(T, y, 1), T)
    assert fit.tau == pytest.approx(np.sqrt((residual**2).sum() / 11), rel=0.15)
