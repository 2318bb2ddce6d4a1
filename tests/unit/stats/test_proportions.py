import numpy as np
import pytest
from scipy.stats import binomtest

from triphase.stats.proportions import agresti_coull, clopper_pearson, standard_error


def test_standard_error_is_agresti_coull_for_zeros_and_ones():
    z2 = 1.959963984540054**2
    for successes, n in ((0, 50), (50, 50), (13, 40), (1, 1)):
        share = (successes + z2 / 2) / (n + z2)
        scores = np.repeat([1.0, 0.0], [successes, n - successes])
        assert standard_error(scores) == pytest.approx(np.sqrt(share * (1 - share) / (n + z2)))


def test_standard_error_of_many_scores_is_the_usual_one():
    scores = np.random.default_rng(1).uniform(-1, 1, 100_000)
    assert standard_error(scores, -1, 1) == pytest.approx(scores.std() / np.sqrt(scores.size), rel=1e-3)
    assert standard_error(np.zeros(100), -1, 1) > 0
    assert np.isnan(standard_error([]))


def test_agresti_coull_of_none_and_of_all():
    assert agresti_coull(0, 50) == agresti_coull(50, 50) > 0
    assert agresti_coull(500, 1000) == pytest.approx(np.sqrt(0.25 / 1000), rel=0.01)


def test_exact_intervals_of_proportions():
    low, high = clopper_pearson([4, 2, 0], [4, 8, 20])
    assert low == pytest.approx([0.3976, 0.0319, 0], abs=1e-4)
    assert high == pytest.approx([1, 0.6509, 0.1684], abs=1e-4)
    for k, n in ((0, 20), (3, 20), (20, 20)):
        expected = binomtest(k, n).proportion_ci(method="exact")
        assert clopper_pearson(k, n) == (pytest.approx(expected.low), pytest.approx(expected.high))
