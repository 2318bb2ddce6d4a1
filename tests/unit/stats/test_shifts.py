import numpy as np
import pytest
from scipy.stats import pearsonr

from triphase.core.errors import InputError
from triphase.stats.shifts import n_shifts, shift_draws, shift_test

SEGMENTS = [np.arange(84), np.arange(84, 190)]


def test_p_equals_a_plain_loop():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((190, 3)), generator.standard_normal((190, 3))
    y[:, 1] += 0.3 * x[:, 1]
    lags = shift_draws(SEGMENTS, [0, 1], 10, 200, seed=0)
    found, p, largest = shift_test(x, y, SEGMENTS, lags)

    def z(shift, voxel):
        r = [
            pearsonr(x[rows, voxel], np.roll(y[rows, voxel], -lag)).statistic
            for rows, lag in zip(SEGMENTS, shift, strict=True)
        ]
        return (84 * np.arctanh(r[0]) + 106 * np.arctanh(r[1])) / 190

    null = np.array([[z(shift, voxel) for voxel in range(3)] for shift in zip(*lags, strict=True)])
    observed = np.array([z((0, 0), voxel) for voxel in range(3)])
    np.testing.assert_allclose(found, observed, atol=1e-6)
    np.testing.assert_array_equal(p, ((null >= observed).sum(0) + 1) / 201)
    np.testing.assert_allclose(largest[0], null.max(1), atol=1e-6)


def test_shifts_are_distinct_far_and_shared_by_hearings_of_one_story():
    segments = [np.arange(84), np.arange(84, 190), np.arange(190, 296)]
    first, second, third = shift_draws(segments, [0, 1, 1], 10, 1000, seed=1)
    np.testing.assert_array_equal(second, third)
    assert len(set(zip(first, second, strict=True))) == 1000
    assert first.min() >= 10 and first.max() <= 74 and second.max() <= 96


def test_too_few_shifts_are_refused():
    assert n_shifts([np.arange(500)], [0], 10) == 481
    with pytest.raises(InputError, match="481 circular shifts of 10 scans or more, fewer than 500"):
        shift_draws([np.arange(500)], [0], 10, 1000, seed=0)
    assert len(shift_draws([np.arange(600)], [0], 10, 1000, seed=0)[0]) == 581, "no more than there are"


def test_voxels_without_a_score_have_no_p():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((190, 4)), generator.standard_normal((190, 4))
    x[:, 0], y[:, 1], y[5, 2] = 0.1, 3.3, np.nan
    z, p, _ = shift_test(x, y, SEGMENTS, shift_draws(SEGMENTS, [0, 1], 10, 100, seed=0))
    assert z[0] == 0 and p[0] == 1 and np.isnan(p[1:3]).all() and np.isfinite(p[3])
