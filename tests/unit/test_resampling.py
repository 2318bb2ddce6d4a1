import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import pearsonr

from triphase.errors import InputError
from triphase.resampling import (
    block_counts,
    block_length,
    bootstrap_draws,
    bootstrap_r,
    permutation_draws,
    permutation_p,
)
from triphase.scoring import correlate

SEGMENTS = [np.arange(84), np.arange(84, 168)]


def ar1(generator, shape, coefficient):
    noise = generator.standard_normal((shape[0] + 200, *shape[1:]))
    return lfilter([1], [1, -coefficient], noise, axis=0)[200:]


def test_draws_are_distinct_shared_and_never_the_identity():
    draws = permutation_draws([4, 4], 500, seed=3)
    assert len({tuple(draw) for draw in draws}) == 500
    assert not (draws == np.r_[np.arange(4), np.arange(4)]).all(1).any()
    np.testing.assert_array_equal(draws, permutation_draws([4, 4], 500, seed=3))
    assert len(permutation_draws([4], 1000, seed=0)) == 23, "24 permutations less the identity"


def test_too_few_blocks_are_refused():
    with pytest.raises(InputError, match="fewer than 100"):
        block_counts([np.arange(60)], 20)


def test_p_equals_a_plain_loop():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 3)), generator.standard_normal((168, 3))
    y[:, 1] += 0.3 * x[:, 1]
    counts = block_counts(SEGMENTS, 20)
    assert counts == [4, 4]
    draws = permutation_draws(counts, 200, seed=0)
    p = permutation_p(x, y, SEGMENTS, counts, draws)
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


def test_false_positives_at_five_percent_with_autocorrelation():
    """AR(1) 0.5 responses, smooth predictions, 336 held-out scans, no signal."""
    generator = np.random.default_rng(1)
    segments = [np.arange(168), np.arange(168, 336)]
    counts = block_counts(segments, 20)
    draws = permutation_draws(counts, 500, seed=0)
    x, y = ar1(generator, (336, 4000), 0.8), ar1(generator, (336, 4000), 0.5)
    share = (permutation_p(x, y, segments, counts, draws) < 0.05).mean()
    assert 0.035 < share < 0.065, share


def test_bootstrap_of_every_block_once_is_the_score_itself():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 5)), generator.standard_normal((168, 5))
    blocks, counts = bootstrap_draws(SEGMENTS, 20, 50, seed=0)
    once = [np.ones((1, c.shape[1]), dtype=np.float32) for c in counts]
    np.testing.assert_allclose(bootstrap_r(x, y, blocks, once)[0], correlate(x[None], y, SEGMENTS)[0], atol=1e-6)
    one = bootstrap_r(x, y, blocks, counts)[7]
    rows = [
        np.concatenate([np.tile(b, int(n)) for b, n in zip(seg, c[7], strict=True)])
        for seg, c in zip(blocks, counts, strict=True)
    ]
    z = [np.arctanh([pearsonr(x[r, v], y[r, v]).statistic for v in range(5)]) for r in rows]
    np.testing.assert_allclose(one, np.tanh(np.mean(z, axis=0)), atol=1e-6)


def test_bootstrap_error_is_the_sampling_error():
    generator = np.random.default_rng(2)
    segments = [np.arange(i * 150, (i + 1) * 150) for i in range(4)]
    x = generator.standard_normal((600, 400))
    y = 0.3 * x + generator.standard_normal((600, 400))
    blocks, counts = bootstrap_draws(segments, 20, 500, seed=0)
    error = bootstrap_r(x, y, blocks, counts).std(0).mean()
    truth = correlate(x[None], y, segments)[0].std()
    assert abs(error / truth - 1) < 0.2


def test_block_length_rule():
    acf = 0.8 ** np.arange(30)
    assert block_length(acf, acf, 5) == 2 * 6  # 0.64^6 = 0.069 is the first below 0.1
    assert block_length(acf, acf, 20) == 20
