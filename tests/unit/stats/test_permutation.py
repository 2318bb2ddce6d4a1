import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import pearsonr

from triphase.core.errors import InputError
from triphase.stats.permutation import block_counts, permutation_draws, permutation_test
from triphase.stats.resampling import normed, seam_factor

SEGMENTS = [np.arange(84), np.arange(84, 168)]
APART, TOGETHER = [0, 1], [0, 0]


def ar1(generator, shape, coefficient):
    noise = generator.standard_normal((shape[0] + 200, *shape[1:]))
    return lfilter([1], [1, -coefficient], noise, axis=0)[200:]


def test_draws_are_distinct_reproducible_and_never_the_identity():
    orders = permutation_draws([4, 4], APART, 500, seed=3)
    draws = np.concatenate(orders, axis=1)
    assert len({tuple(draw) for draw in draws}) == 500
    assert not (draws == np.r_[np.arange(4), np.arange(4)]).all(1).any()
    np.testing.assert_array_equal(draws, np.concatenate(permutation_draws([4, 4], APART, 500, seed=3), axis=1))
    assert len(permutation_draws([4], [0], 1000, seed=0)[0]) == 23, "24 permutations less the identity"


def test_hearings_of_one_story_are_permuted_alike():
    first, second, third = permutation_draws([4, 4, 4], [0, 1, 1], 100, seed=0)
    np.testing.assert_array_equal(second, third)
    assert (first != second).any()


def test_too_few_blocks_are_refused():
    with pytest.raises(InputError, match="fewer than 100"):
        block_counts([np.arange(60)], [0], 20)
    with pytest.raises(InputError, match="fewer than 100"):
        block_counts(SEGMENTS, TOGETHER, 20)


def test_p_equals_a_plain_loop():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((190, 3)), generator.standard_normal((190, 3))
    y[:, 1] += 0.3 * x[:, 1]
    segments = [np.arange(84), np.arange(84, 190)]
    counts = block_counts(segments, APART, 20)
    assert counts == [4, 5]
    orders = permutation_draws(counts, APART, 200, seed=0)
    found, p, largest = permutation_test(x, y, segments, orders)

    def z(draw, voxel, wider):
        total = 0
        for rows, order in zip(segments, draw, strict=True):
            whole = rows[: len(rows) // len(order) * len(order)]
            shuffled = np.concatenate([y[whole, voxel].reshape(len(order), -1)[block] for block in order])
            factor = seam_factor(*(normed(v[whole, voxel, None]) for v in (x, y)), len(whole) // len(order))[0]
            r = (factor if wider else 1) * pearsonr(x[whole, voxel], shuffled).statistic
            total += len(rows) / 190 * np.arctanh(r)
        return total

    null = np.array([[z([order[draw] for order in orders], voxel, True) for voxel in range(3)] for draw in range(200)])
    observed = np.array([z([np.arange(4), np.arange(5)], voxel, False) for voxel in range(3)])
    np.testing.assert_allclose(found, observed, atol=1e-6)
    np.testing.assert_array_equal(p, ((null >= observed).sum(0) + 1) / 201)
    np.testing.assert_allclose(largest[0], null.max(1), atol=1e-6)


def test_voxels_without_a_score_have_no_p():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 3)), generator.standard_normal((168, 3))
    x[:, 0], y[:, 1], y[5, 2] = 0.1, 3.3, np.nan
    z, p, _ = permutation_test(x, y, SEGMENTS, permutation_draws([4, 4], APART, 100, seed=0))
    assert z[0] == 0 and p[0] == 1, "a constant prediction predicts nothing"
    assert np.isnan(z[1:]).all() and np.isnan(p[1:]).all()


@pytest.mark.parametrize("driven", [0.0, 0.5])
def test_false_positives_at_five_percent(driven):
    """AR(1) 0.5 responses to a story heard twice, in part driven by it; smooth unrelated predictions."""
    generator = np.random.default_rng(1)
    segments, groups = [np.arange(150), np.arange(150, 300)], TOGETHER
    orders = permutation_draws(block_counts(segments, groups, 20), groups, 500, seed=0)
    x = np.tile(ar1(generator, (150, 4000), 0.8), (2, 1))
    story = np.tile(ar1(generator, (150, 4000), 0.5), (2, 1))
    y = np.sqrt(driven) * story + np.sqrt(1 - driven) * ar1(generator, (300, 4000), 0.5)
    share = (permutation_test(x, y, segments, orders)[1] < 0.05).mean()
    assert 0.035 < share < 0.07, share
