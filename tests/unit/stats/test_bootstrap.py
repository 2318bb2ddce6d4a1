import numpy as np
import pytest
from scipy.stats import pearsonr

from triphase.stats.bootstrap import (
    bootstrap_draws,
    bootstrap_r,
    bootstrap_sums,
    cut_blocks,
    every_block_once,
    freedom,
    prediction_sums,
    response_sums,
    seams,
    stored_length,
    whole_r,
)
from triphase.stats.resampling import normed, seam_factor
from triphase.stats.scoring import correlate

SEGMENTS = [np.arange(84), np.arange(84, 168)]
APART = [0, 1]


def drawn(segments, groups, length, n_draws):
    blocks = cut_blocks(segments, length)
    return blocks, bootstrap_draws([len(stretch) for stretch in blocks], groups, n_draws, seed=0)


def test_hearings_of_one_story_are_drawn_alike():
    segments = [np.arange(84), np.arange(84, 168), np.arange(168, 252)]
    _, counts = drawn(segments, [0, 1, 1], 20, 100)
    np.testing.assert_array_equal(counts[1], counts[2])
    assert (counts[0] != counts[1]).any()
    assert freedom([4, 4, 4], [0, 1, 1]) == 6


def test_every_block_once_is_the_score_itself():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 5)) + 3, generator.standard_normal((168, 5)) - 8
    blocks, counts = drawn(SEGMENTS, APART, 20, 50)
    once = bootstrap_r(x, y, blocks, every_block_once(counts))
    assert once.dtype == np.float32
    np.testing.assert_allclose(once[0], correlate(x[None], y, SEGMENTS)[0], atol=1e-6)


def test_several_predictions_have_the_sums_of_each_and_their_correlations():
    generator = np.random.default_rng(0)
    segments = [np.arange(85), np.arange(85, 168)]  # blocks of 22 and 21 scans
    x, y = generator.standard_normal((4, 168, 5)) + 3, generator.standard_normal((168, 5)) - 8
    x[1, :85, 2], x[2, :, 0] = 1 / 3, 7.1  # constant in one stretch, and in both
    blocks, _ = drawn(segments, APART, 20, 50)
    sums, scans = prediction_sums(x, y, blocks), np.array([len(rows) for stretch in blocks for rows in stretch])
    assert sums.shape == (4, 3, 8, 5) and not sums[1, :, :4, 2].any() and not sums[2, :, :, 0].any()
    found = whole_r(sums, response_sums(y, blocks), scans, [4, 4])
    for one, r in zip(x, found, strict=True):
        np.testing.assert_allclose(r, correlate(one[None], y, segments)[0], atol=1e-6)
        centred = one[22:43] - one[:85].mean(0)
        expected = [centred.sum(0), (centred**2).sum(0), (centred * (y[22:43] - y[:85].mean(0))).sum(0)]
        np.testing.assert_allclose(prediction_sums(one, y, blocks)[:, 1], expected, atol=1e-4)
    np.testing.assert_array_equal(
        prediction_sums(x.astype(np.float32), y, blocks)[3], prediction_sums(x[3].astype(np.float32), y, blocks)
    )


def test_a_draw_is_the_correlation_of_its_scans():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 5)), generator.standard_normal((168, 5))
    blocks, counts = drawn(SEGMENTS, APART, 20, 50)
    rows = [
        np.concatenate([np.tile(b, int(n)) for b, n in zip(seg, c[7], strict=True)])
        for seg, c in zip(blocks, counts, strict=True)
    ]
    z = [np.arctanh([pearsonr(x[r, v], y[r, v]).statistic for v in range(5)]) for r in rows]
    np.testing.assert_allclose(bootstrap_r(x, y, blocks, counts)[7], np.tanh(np.mean(z, axis=0)), atol=1e-6)


def test_voxels_without_a_score_have_no_draws():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 3)), generator.standard_normal((168, 3))
    x[:, 0], y[:, 1], y[5, 2] = 0.1, 3.3, np.nan
    draws = bootstrap_r(x, y, *drawn(SEGMENTS, APART, 20, 50))
    assert (draws[:, 0] == 0).all() and np.isnan(draws[:, 1:]).all()


@pytest.mark.parametrize("blocks_each", [3, 7])
def test_bootstrap_error_is_the_sampling_error(blocks_each):
    generator = np.random.default_rng(2)
    length = 21 * blocks_each
    segments = [np.arange(i * length, (i + 1) * length) for i in range(4)]
    x = generator.standard_normal((4 * length, 1500))
    y = 0.3 * x + generator.standard_normal(x.shape)
    draws = bootstrap_r(x, y, *drawn(segments, [0, 1, 2, 3], 20, 400))
    error = np.sqrt((draws.std(0) ** 2).mean())
    truth = correlate(x[None], y, segments)[0].std()
    assert abs(error / truth - 1) < 0.1, error / truth


def test_stored_sums_are_of_blocks_in_order_and_bounded_in_number():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((168, 2)), generator.standard_normal((168, 2))
    blocks = cut_blocks(SEGMENTS, 20)
    sums, measured = prediction_sums(x, y, blocks), response_sums(y, blocks)
    assert sums.shape == (3, 8, 2) and measured.shape == (2, 8, 2)
    a, b = x[84:168] - x[84:168].mean(0), y[84:168] - y[84:168].mean(0)
    np.testing.assert_allclose(sums[2, 5], (a * b)[21:42].sum(0), rtol=1e-5)
    np.testing.assert_allclose(measured[1, 5], (b**2)[21:42].sum(0), rtol=1e-5)
    again = bootstrap_sums(sums[..., 1:], measured[..., 1:], [21] * 8, [np.ones((1, 4)), np.ones((1, 4))])
    np.testing.assert_allclose(again[0], correlate(x[None], y, SEGMENTS)[0][1:], atol=1e-6)
    assert stored_length(SEGMENTS, 20) == 20
    assert stored_length([np.arange(7700)], 20) == 121
    assert stored_length([np.arange(200)] * 40, 20) == 50, "a stretch keeps four blocks"


def test_seams_are_averaged_over_stretches_by_their_scans():
    generator = np.random.default_rng(0)
    x, y = np.cumsum(generator.standard_normal((2, 190, 3)), axis=1)
    y[:, 1] = 2.0
    segments = [np.arange(84), np.arange(84, 190)]
    one, other = (seam_factor(normed(x[rows]), normed(y[rows]), 21) for rows in segments)
    found = seams(x, y, cut_blocks(segments, 20))
    np.testing.assert_allclose(found, (84 * one + 106 * other) / 190, rtol=1e-6)
    assert found[0] > 1.05 and found[1] == 1
