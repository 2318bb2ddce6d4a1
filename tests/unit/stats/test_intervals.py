import numpy as np
import pytest
from scipy.stats import t

from triphase.stats.intervals import half_width


def test_half_widths_are_those_of_scipys_interval_and_unknown_without_freedom():
    values = np.random.default_rng(0).standard_normal(8)
    error = values.std(ddof=1) / np.sqrt(8)
    low, high = t.interval(0.95, 7, values.mean(), error)
    assert half_width(error, 7) == pytest.approx((high - low) / 2)
    assert half_width([1.0, 2.0], 3, level=0.5) == pytest.approx(t.ppf(0.75, 3) * np.array([1, 2]))
    assert np.isnan(half_width(error, 0))
