import numpy as np
import pytest
from scipy.stats import pearsonr

from triphase.stats.bootstrap import (
    bootstrap_draws,
    bootstrap_r,
    cut_blocks,
    freedom,
    prediction_sums,
    response_sums,
)
from triphase.stats.paired import PairedDraws, compare, swap_draws, swapped_difference
from triphase.stats.scoring import correlate

SEGMENTS = [np.arange(84), np.arange(84, 190)]
GROUPS = [0, 1]


def compared(ours, theirs, y, segments=SEGMENTS, groups=GROUPS, regions=None, n_draws=200, wider=None):
    blocks = cut_blocks(segments, 20)
    sizes, scans = [len(stretch) for stretch in blocks], [len(rows) for stretch in blocks for rows in stretch]
    return compare(
        prediction_sums(ours, y, blocks),
        prediction_sums(theirs, y, blocks),
        response_sums(y, blocks),
        seams=np.ones(y.shape[1]) if wider is None else wider,
        regions=np.ones((1, y.shape[1]), bool) if regions is None else regions,
        draws=PairedDraws(
            scans,
            bootstrap_draws(sizes, groups, n_draws, seed=0),
            swap_draws(sizes, groups, n_draws, seed=0),
            freedom(sizes, groups),
        ),
    )


def made(n_voxels=4):
    generator = np.random.default_rng(0)
    y = generator.standard_normal((190, n_voxels))
    return y, 3 * generator.standard_normal(y.shape) + y, generator.standard_normal(y.shape) - 5


def test_patterns_are_distinct_also_from_their_complements_and_shared_by_hearings_of_one_story():
    first, second, third = swap_draws([4, 5, 5], [0, 1, 1], 200, seed=0)
    np.testing.assert_array_equal(second, third)
    patterns = np.concatenate([first, second], axis=1)
    assert (patterns[:, 0] == 1).all() and not (patterns == 1).all(1).any()
    assert len({tuple(pattern) for pattern in patterns}) == 200
    assert len(swap_draws([4], [0], 1000, seed=0)[0]) == 7, "2 ** 3 patterns less the one that swaps nothing"


def test_swaps_equal_a_plain_loop():
    y, ours, theirs = made()
    blocks = cut_blocks(SEGMENTS, 20)
    signs = swap_draws([4, 5], GROUPS, 50, seed=0)
    scans = [len(rows) for stretch in blocks for rows in stretch]
    sums = prediction_sums(ours, y, blocks), prediction_sums(theirs, y, blocks), response_sums(y, blocks)
    found = swapped_difference(*sums, scans, signs)

    def r(a, b, sign, voxel):
        z = 0
        for stretch, swap in zip(blocks, sign, strict=True):
            rows = np.concatenate(stretch)
            first, second = ((v[rows, voxel] - v[rows, voxel].mean()) / v[rows, voxel].std() for v in (a, b))
            mine = np.repeat(swap, [len(block) for block in stretch]) > 0
            z += len(rows) / 190 * np.arctanh(pearsonr(np.where(mine, first, second), y[rows, voxel]).statistic)
        return np.tanh(z)

    for draw in range(50):
        sign = [each[draw] for each in signs]
        expected = [r(ours, theirs, sign, voxel) - r(theirs, ours, sign, voxel) for voxel in range(4)]
        np.testing.assert_allclose(found[draw], expected, atol=2e-6)


def test_differences_are_of_the_scores_and_their_errors_of_the_paired_draws():
    y, ours, theirs = made(700)  # two batches
    regions = np.array([np.arange(700) < 3, np.arange(700) >= 3, np.zeros(700, bool)])
    voxels, means = compared(ours, theirs, y, regions=regions)
    difference = correlate(ours[None], y, SEGMENTS)[0] - correlate(theirs[None], y, SEGMENTS)[0]
    np.testing.assert_allclose(voxels["difference"], difference, atol=2e-6)
    blocks = cut_blocks(SEGMENTS, 20)
    counts = bootstrap_draws([4, 5], GROUPS, 200, seed=0)
    draws = bootstrap_r(ours, y, blocks, counts) - bootstrap_r(theirs, y, blocks, counts)
    np.testing.assert_allclose(voxels["se"], draws.std(0, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(voxels["high"] - voxels["low"], 2 * 2.3646 * voxels["se"], rtol=1e-4)  # t with 7
    np.testing.assert_allclose(means["difference"][:2], [difference[:3].mean(), difference[3:].mean()], atol=2e-6)
    np.testing.assert_allclose(means["se"][1], draws[:, 3:].mean(1).std(ddof=1), rtol=1e-4)
    assert means["p"][1] == 1 / 201 and np.isnan([means[name][2] for name in means]).all()


def test_draws_are_widened_by_what_blocks_lose_at_their_borders():
    y, ours, theirs = made(300)
    (one, _), (wide, _) = compared(ours, theirs, y), compared(ours, theirs, y, wider=np.full(300, 1.5))
    np.testing.assert_allclose(wide["se"], 1.5 * one["se"], rtol=1e-4)
    assert (wide["p"] >= one["p"]).all() and (wide["p"] > one["p"]).any()
    np.testing.assert_array_equal(wide["difference"], one["difference"])


def test_equal_predictions_do_not_differ_and_voxels_without_a_score_stay_apart():
    y, ours, _ = made()
    y[:, 1], y[3, 2] = 1.0, np.nan
    voxels, means = compared(ours, 2 * ours + 7, y)
    np.testing.assert_allclose(voxels["difference"][[0, 3]], 0, atol=2e-6)
    assert (voxels["p"][[0, 3]] == 1).all() and means["p"][0] == 1
    assert all(np.isnan(values[1:3]).all() for values in voxels.values())


@pytest.mark.parametrize("strength", [0.0, 0.7])
def test_false_positives_at_five_percent_when_equally_aligned(strength):
    generator = np.random.default_rng(3)
    one, other, noise = (generator.standard_normal((300, 3000)) for _ in range(3))
    y = strength * (one + other) + noise
    segments = [np.arange(150), np.arange(150, 300)]
    voxels, _ = compared(one, other, y, segments)
    share, covered = (voxels["p"] < 0.05).mean(), ((voxels["low"] < 0) & (voxels["high"] > 0)).mean()
    assert 0.035 < share < 0.065, share
    assert 0.93 < covered < 0.97, covered
