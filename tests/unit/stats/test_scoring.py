import numpy as np
import pytest
from scipy.stats import pearsonr

from triphase.stats.scoring import correlate, pearson


def test_r_is_pearsons_within_segments_averaged_by_fisher_z():
    generator = np.random.default_rng(0)
    predictions, y = generator.standard_normal((2, 50, 4)), generator.standard_normal((50, 4))
    y += predictions.sum(0)
    y[:20] += 100  # a shift of one run must not matter
    segments = [np.arange(20), np.arange(20, 50)]
    joint, split = correlate(predictions, y, segments)
    for voxel in range(4):
        z = [np.arctanh(pearsonr(predictions.sum(0)[rows, voxel], y[rows, voxel]).statistic) for rows in segments]
        np.testing.assert_allclose(joint[voxel], np.tanh((20 * z[0] + 30 * z[1]) / 50), rtol=1e-10)
    np.testing.assert_allclose(split.sum(0), joint, atol=1e-12)


def test_constant_prediction_scores_zero():
    joint, split = correlate(np.ones((2, 30, 1)), np.random.default_rng(0).standard_normal((30, 1)), [np.arange(30)])
    assert joint[0] == 0 and (split == 0).all()


def test_a_constant_response_has_no_score():
    predictions, y = np.random.default_rng(0).standard_normal((2, 30, 3)), np.full((30, 3), 3.3, np.float32)
    y[:, 1] = np.arange(30)
    joint, split = correlate(predictions, y, [np.arange(20), np.arange(20, 30)])
    assert np.isnan(joint[[0, 2]]).all() and np.isnan(split[:, [0, 2]]).all() and np.isfinite(joint[1])


def test_pearson_is_scipys_and_nan_for_a_constant():
    a, b = np.random.default_rng(0).standard_normal((2, 30, 3))
    a[:, 1] = 2.0
    found = pearson(a, b)
    assert found[[0, 2]] == pytest.approx([pearsonr(a[:, n], b[:, n]).statistic for n in (0, 2)]) and np.isnan(found[1])
