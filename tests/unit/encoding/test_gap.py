"""Score against gap: autocorrelation alone predicts beside a block and not far from it; a planted feature anywhere."""

import numpy as np
import pytest
from scipy.signal import lfilter

from triphase.encoding.features import Timeline
from triphase.encoding.folds import HELD_OUT, TRAIN, check_masks, needed_gap
from triphase.encoding.gap import gap_curve, gap_rows, gapped_splits, possible_gaps
from triphase.stats.autocorrelation import autocorrelation, first_below

SPLIT = {"folds": 3, "inner": 2}
RUNS = np.repeat("r", 240)
TIMELINE = Timeline(RUNS, np.arange(240) * 2.0, 2.0, [0])


@pytest.mark.parametrize("gap", [0, 7, 20])
def test_every_gap_trains_on_as_many_scans_the_nearest_beyond_it(gap):
    outer, inner = gapped_splits(RUNS, gap, 20, SPLIT)
    assert (outer == TRAIN).sum(1).tolist() == [240 - 80 - 20, 240 - 80 - 40, 240 - 80 - 20]
    assert ((outer == HELD_OUT).sum(0) == 1).all()
    for masks in (outer, *inner):
        check_masks(masks, RUNS, RUNS, gap)
    middle = np.flatnonzero(outer[1] == TRAIN)  # both sides of the block alike
    assert middle.tolist() == [*range(80 - gap - 60, 80 - gap), *range(160 + gap, 160 + gap + 60)]
    for mask, masks in zip(outer, inner, strict=True):
        assert not ((masks > 0).any(0) & (mask != TRAIN)).any()


def test_gaps_that_leave_nothing_to_train_on_are_left_out():
    assert possible_gaps(RUNS, [20, 0, 20, 200], SPLIT) == [0, 20]
    with pytest.raises(ValueError, match="without scans to train on"):
        gap_curve(np.zeros((240, 1)), np.ones((240, 1)), TIMELINE, gaps=[0, 200], lag=1, split=SPLIT, alphas=[1])


def test_autocorrelation_alone_predicts_beside_a_block_and_a_feature_at_any_distance():
    rng = np.random.default_rng(0)
    smooth = lfilter([1], [1, -0.9], rng.standard_normal((400, 40)), axis=0)[160:]
    white, feature = rng.standard_normal((240, 40)), rng.standard_normal((240, 1))
    responses = np.hstack([smooth, white, 0.7 * feature + white]).astype(np.float32)
    lag = first_below(autocorrelation([smooth], RUNS, 60), 0.1)
    options = {"gaps": [0, 40], "lag": lag, "split": SPLIT, "alphas": np.logspace(-1, 4, 4)}
    scores, training = gap_curve([responses], feature, TIMELINE, **options)
    assert scores.shape == (2, 2, 120) and training == [120, 80, 120]
    nuisance, floor = scores.reshape(2, 2, 3, 40).mean(-1)
    assert floor[0, 0] > 0.1 and abs(floor[1, 0]) < 0.06  # the smooth responses
    assert np.abs(floor[:, 1:]).max() < 0.05
    np.testing.assert_allclose(nuisance[:, 2], 0.57, atol=0.05)  # 0.7 / sqrt(1 + 0.7^2)
    assert np.abs(nuisance[:, :2]).max() < 0.06
    # No column of the floor reaches over a gap of six lags.
    options |= {"gaps": [12], "lag": 2}
    assert not gap_curve([responses], feature, TIMELINE, **options)[0][1].any()


def test_the_gap_holds_the_longest_delay_and_the_autocorrelation():
    acf = np.array([1, 0.6, 0.3, 0.05])
    assert needed_gap(acf, [1, 4], 0, 2.0) == 4 + 3
    assert needed_gap(acf, [1, 4], 0, 2.0, reach=5) == 12
    assert needed_gap(acf, [1, 4], 21, 2.0) == 11


def test_rows_are_means_over_the_voxels_of_a_subjects_region():
    scores = np.arange(16.0).reshape(2, 2, 4)
    rows = gap_rows(scores, np.array(["a", "a", "b", "b"]), np.array(["A", "B", "A", "A"]), [{"name": "A"}])
    assert [(row["subject"], row["roi"], row["band"], row["n_voxels"]) for row in rows] == [
        ("a", "A", "nuisance", 1), ("a", "A", "floor", 1), ("b", "A", "nuisance", 2), ("b", "A", "floor", 2),
        ("a", "all", "nuisance", 2), ("a", "all", "floor", 2), ("b", "all", "nuisance", 2), ("b", "all", "floor", 2),
    ]  # fmt: skip
    assert rows[3]["r"] == [10.5, 14.5]
