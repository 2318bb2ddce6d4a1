import numpy as np
from scipy.stats import false_discovery_control, pearsonr

from triphase.stats.scoring import benjamini_hochberg, correlate, family_wise_p


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


def test_fdr_equals_scipys():
    p = np.random.default_rng(0).uniform(size=200) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))
    with_gap = np.insert(p, 3, np.nan)
    assert np.isnan(benjamini_hochberg(with_gap)[3])
    np.testing.assert_allclose(np.delete(benjamini_hochberg(with_gap), 3), false_discovery_control(p))


def test_a_constant_response_has_no_score():
    predictions, y = np.random.default_rng(0).standard_normal((2, 30, 3)), np.full((30, 3), 3.3, np.float32)
    y[:, 1] = np.arange(30)
    joint, split = correlate(predictions, y, [np.arange(20), np.arange(20, 30)])
    assert np.isnan(joint[[0, 2]]).all() and np.isnan(split[:, [0, 2]]).all() and np.isfinite(joint[1])


def test_family_wise_p_counts_draws_whose_largest_score_reaches_a_voxel():
    generator = np.random.default_rng(0)
    largest, z = generator.standard_normal((2, 99)), np.array([0.3, -4, np.nan, 9.0])
    p = family_wise_p(z, np.array([0, 1, 1, 1]), largest)
    assert p[0] == ((largest[0] >= 0.3).sum() + 1) / 100 and p[1] == 1 and p[3] == 0.01
    assert np.isnan(p[2])
