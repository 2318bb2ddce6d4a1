"""Covariance over checkpoints from draws of few blocks: shrinking, smoothing, degrees of freedom."""

import numpy as np
import pytest

from triphase.phases.covariance import Noise, estimate_noise, smooth_deviations
from triphase.phases.curves import Undetermined, average_subjects, prepare
from triphase.phases.simulate import Kind, course, simulate_study
from triphase.phases.transitions import Curve, Settings
from triphase.stats.intervals import half_width

N = 13


def draws_of_blocks(blocks, kind, rng, number=1000):
    """Draws (number, N) of so many blocks, and the covariance that they are drawn from."""
    factor = kind.factor(N)
    weights = rng.multinomial(blocks - 1, np.full(blocks, 1 / blocks), size=number) / (blocks - 1)
    parts = np.sqrt(blocks) * factor @ rng.standard_normal((N, blocks))
    return weights @ parts.T, factor @ factor.T


def test_a_covariance_of_few_blocks_has_full_rank_and_one_of_many_is_left_as_it_is():
    rng = np.random.default_rng(0)
    few, _ = draws_of_blocks(7, Kind(0.6), rng)
    assert np.linalg.matrix_rank(np.cov(few, rowvar=False)) == 6
    noise = estimate_noise(few, 6)
    assert np.linalg.eigvalsh(noise.covariance)[0] > 0.01 * np.diag(noise.covariance).mean()
    many = rng.multivariate_normal(np.zeros(N), np.cov(rng.standard_normal((N, 40))), size=20_000)
    np.testing.assert_allclose(estimate_noise(many, np.inf).covariance, np.cov(many, rowvar=False), atol=0.05)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.85])
def test_what_neighbours_tell_brings_a_covariance_of_few_blocks_nearer_to_the_truth(correlation):
    rng, plain, shrunk = np.random.default_rng(1), [], []
    for _ in range(40):
        draws, truth = draws_of_blocks(7, Kind(correlation, growth=2), rng)
        plain.append(((np.cov(draws, rowvar=False) - truth) ** 2).mean())
        shrunk.append(((estimate_noise(draws, 6).covariance - truth) ** 2).mean())
    assert np.mean(shrunk) < 0.75 * np.mean(plain)


def test_freedom_is_that_of_the_blocks_where_checkpoints_say_the_same_and_more_where_they_do_not():
    rng = np.random.default_rng(2)
    one, other = (
        estimate_noise(draws_of_blocks(7, Kind(correlation), rng)[0], 6).freedom for correlation in (0.98, 0.0)
    )
    assert 5.5 < one < 8
    assert other > 2 * one


def test_variances_that_jump_are_kept_where_many_blocks_show_it():
    deviation = np.r_[np.ones(6), 3.0, np.ones(6)]
    kept, _ = smooth_deviations(deviation, 1000)
    np.testing.assert_allclose(kept, deviation, rtol=0.05)
    smooth, _ = smooth_deviations(deviation, 5)
    assert smooth[6] < 2.5
    assert (smooth**2).mean() == pytest.approx((deviation**2).mean())


def test_a_constant_checkpoint_among_the_draws_does_no_harm():
    draws = np.random.default_rng(7).standard_normal((100, 4)) * [1, 0, 1, 1]
    noise = estimate_noise(draws, 6)
    assert np.isfinite(noise.covariance).all()
    assert not noise.covariance[1].any()
    assert isinstance(estimate_noise(0 * draws, 6), Noise)


def test_intervals_of_leg_changes_hold_and_fits_lie_on_their_points_with_seven_blocks():
    """95 % intervals hold in 93 to 97 of 100; the bar allows for 360 intervals."""
    rng, legs, inside, residuals = np.random.default_rng(3), (1, -0.5, 0.6), [], []
    truth = course(legs, N)
    for _ in range(30):
        t, values, noise, _ = simulate_study(truth, 0.05, Kind(0.6, blocks=7, growth=3), 1, 4, rng)
        for curve in Curve.several(t, values, noise, Settings(max_breakpoints=2)):
            if len(curve.fit.changes) == len(legs):
                half = half_width(curve.fit.change_errors, curve.fit.freedom)
                inside += list(np.abs(curve.fit.changes - legs) < half)
            residuals.append((curve.values - curve.fit.fitted).mean() / np.ptp(curve.fit.fitted))
    assert len(inside) > 300
    assert 0.91 < np.mean(inside) < 0.985
    assert abs(np.mean(residuals)) < 0.005
    assert np.std(residuals) < 0.015


def test_too_few_blocks_are_refused_with_the_number_that_would_do():
    rng = np.random.default_rng(4)
    with pytest.raises(
        Undetermined, match="too few held-out blocks: .* 3 degrees of freedom .*a fit needs 4; hold out"
    ):
        simulate_study(course((1,), N), 0.1, Kind(blocks=4), 1, 1, rng)
    t, *_ = simulate_study(course((1,), N), 0.1, Kind(blocks=5), 1, 1, rng)
    assert len(t) == N


def test_a_sample_of_people_has_the_freedom_of_blocks_and_people_together():
    from phase_curves import curve_of

    rng = np.random.default_rng(5)
    curves = [curve_of(course((1,), N) + level, 0.05, seed=k) for k, level in enumerate(rng.standard_normal(12))]
    mean = average_subjects(curves, rng)
    assert 11 <= mean.freedom < 13, "people differ far more than blocks"
    assert prepare(mean)[2].freedom >= 10
