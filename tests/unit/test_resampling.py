import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import pearsonr

from triphase.encoding.resampling import (
    block_counts,
    block_length,
    bootstrap_draws,
    bootstrap_r,
    permutation_draws,
    permutation_p,
    segment_groups,
)
from triphase.encoding.scoring import correlate
from triphase.errors import InputError

SEGMENTS = [np.arange(84), np.arange(84, 168)]


def ar1(generator, shape, coefficient):
    noise = generator.standard_normal((shape[0] + 200, *shape[1:]))
    return lfilter([1], [1, -coefficient], noise, axis=0)[200:]


APART, TOGETHER = [0, 1], [0, 0]


def test_draws_are_distinct_reproducible_and_never_the_identity():
    orders = permutation_draws([4, 4], APART, 500, seed=3)
    draws = np.concatenate(orders, axis=1)
    assert len({tuple(draw) for draw in draws}) == 500
    assert not (draws == np.r_[np.arange(4), np.arange(4)]).all(1).any()
    np.testing.assert_array_equal(draws, np.concatenate(permutation_draws([4, 4], APART, 500, seed=3), axis=1))
    assert len(permutation_draws([4], [0], 1000, seed=0)[0]) == 23, "24 permutations less the identity"


def test_hearings_of_one_story_are_drawn_alike():
    runs, stimuli = np.repeat(["r1", "r2", "r3"], 84), np.repeat(["b", "a", "a"], 84)
    segments = [np.arange(84), np.arange(84, 168), np.arange(168, 252)]
    assert segment_groups(segments, runs, stimuli) == [0, 1, 1]
    first, second, third = permutation_draws([4, 4, 4], [0, 1, 1], 100, seed=0)
    np.testing.assert_array_equal(second, third)
    assert (first != second).any()
    _, counts = bootstrap_draws(segments, [0, 1, 1], 20, 100, seed=0)
    np.testing.assert_array_equal(counts[1], counts[2])
    # halves of one run are different parts of a story
    assert segment_groups([np.arange(42), np.arange(42, 84)], runs, stimuli) == [0, 1]


def test_too_few_blocks_are_refused():
    with pytest.raises(InputError, match="fewer than 100"):
        block_counts([np.arange(60)], [0], 20)
    with pytest.raises(InputError, match="fewer than 100"):
        block_counts(SEGMENTS, TOGETHER, 20)


def test_p_equals_a_plain_loop():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 3)), generator.standard_normal((168, 3))
    y[:, 1] += 0.3 * x[:, 1]
    counts = block_counts(SEGMENTS, APART, 20)
    assert counts == [4, 4]
    orders = permutation_draws(counts, APART, 200, seed=0)
    draws = np.concatenate(orders, axis=1)
    p = permutation_p(x, y, SEGMENTS, orders)
    for voxel in range(3):

        def z(draw, voxel=voxel):
            total = 0
            for rows, order in zip(SEGMENTS, np.split(draw, 2), strict=True):
                shuffled = np.concatenate([y[rows, voxel].reshape(4, 21)[block] for block in order])
                total += np.arctanh(pearsonr(x[rows, voxel], shuffled).statistic) / 2
            return total

        identity = np.r_[np.arange(4), np.arange(4)]
        exceed = sum(z(draw) >= z(identity) for draw in draws)
        assert p[voxel] == (exceed + 1) / 201


@pytest.mark.parametrize("driven", [0.0, 0.5])
def test_false_positives_at_five_percent(driven):
    """AR(1) 0.5 responses to a story heard twice, in part driven by it; smooth unrelated predictions."""
    generator = np.random.default_rng(1)
    segments, groups = [np.arange(150), np.arange(150, 300)], TOGETHER
    orders = permutation_draws(block_counts(segments, groups, 20), groups, 500, seed=0)
    x = np.tile(ar1(generator, (150, 4000), 0.8), (2, 1))
    story = np.tile(ar1(generator, (150, 4000), 0.5), (2, 1))
    y = np.sqrt(driven) * story + np.sqrt(1 - driven) * ar1(generator, (300, 4000), 0.5)
    share = (permutation_p(x, y, segments, orders) < 0.05).mean()
    assert 0.035 < share < 0.07, share


def test_bootstrap_of_every_block_once_is_the_score_itself():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 5)), generator.standard_normal((168, 5))
    blocks, counts = bootstrap_draws(SEGMENTS, APART, 20, 50, seed=0)
    once = [np.ones((1, c.shape[1]), dtype=np.float32) for c in counts]
    np.testing.assert_allclose(bootstrap_r(x, y, blocks, once)[0], correlate(x[None], y, SEGMENTS)[0], atol=1e-6)
    one = bootstrap_r(x, y, blocks, counts)[7]
    rows = [
        np.concatenate([np.tile(b, int(n)) for b, n in zip(seg, c[7], strict=True)])
        for seg, c in zip(blocks, counts, strict=True)
    ]
    z = [np.arctanh([pearsonr(x[r, v], y[r, v]).statistic for v in range(5)]) for r in rows]
    np.testing.assert_allclose(one, np.tanh(np.mean(z, axis=0)), atol=1e-6)


@pytest.mark.parametrize("blocks_each", [3, 7])
def test_bootstrap_error_is_the_sampling_error(blocks_each):
    generator = np.random.default_rng(2)
    length = 21 * blocks_each
    segments = [np.arange(i * length, (i + 1) * length) for i in range(4)]
    x = generator.standard_normal((4 * length, 1500))
    y = 0.3 * x + generator.standard_normal(x.shape)
    blocks, counts = bootstrap_draws(segments, [0, 1, 2, 3], 20, 400, seed=0)
    error = np.sqrt((bootstrap_r(x, y, blocks, counts).std(0) ** 2).mean())
    truth = correlate(x[None], y, segments)[0].std()
    assert abs(error / truth - 1) < 0.1, error / truth


def test_block_length_rule():
    acf = 0.8 ** np.arange(30)
    assert block_length(acf, acf, 5) == 2 * 6  # 0.64^6 = 0.069 is the first below 0.1
    assert block_length(acf, acf, 20) == 20
