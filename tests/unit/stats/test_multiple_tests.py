import numpy as np
from scipy.stats import false_discovery_control

from triphase.stats.multiple_tests import benjamini_hochberg, family_wise_p


def test_fdr_equals_scipys():
    p = np.random.default_rng(0).uniform(size=200) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))
    with_gap = np.insert(p, 3, np.nan)
    assert np.isnan(benjamini_hochberg(with_gap)[3])
    np.testing.assert_allclose(np.delete(benjamini_hochberg(with_gap), 3), false_discovery_control(p))


def test_family_wise_p_counts_draws_whose_largest_score_reaches_a_voxel():
    generator = np.random.default_rng(0)
    largest, z = generator.standard_normal((2, 99)), np.array([0.3, -4, np.nan, 9.0])
    p = family_wise_p(z, np.array([0, 1, 1, 1]), largest)
    assert p[0] == ((largest[0] >= 0.3).sum() + 1) / 100 and p[1] == 1 and p[3] == 0.01
    assert np.isnan(p[2])
