import numpy as np
import pytest
from scipy.signal import lfilter

from triphase.stats.resampling import (
    block_length,
    decorrelation,
    distinct,
    normed,
    p_values,
    seam_factor,
    segment_groups,
)


def test_block_length_rule():
    acf = 0.8 ** np.arange(30)
    assert decorrelation(acf, acf) == 6  # 0.64^6 = 0.069 is the first below 0.1
    assert block_length(acf, acf, 5) == 12
    assert block_length(acf, acf, 20) == 20


def test_hearings_of_one_story_go_together_and_halves_of_a_run_do_not():
    runs, stimuli = np.repeat(["r1", "r2", "r3"], 84), np.repeat(["b", "a", "a"], 84)
    segments = [np.arange(84), np.arange(84, 168), np.arange(168, 252)]
    assert segment_groups(segments, runs, stimuli) == [0, 1, 1]
    assert segment_groups([np.arange(42), np.arange(42, 84)], runs, stimuli) == [0, 1]


def test_distinct_draws_leave_out_what_is_excluded():
    generator = np.random.default_rng(0)
    draws = distinct(lambda: generator.integers(0, 2, 3), 7, np.zeros(3, int))
    assert sorted(map(tuple, draws)) == [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)][1:]


@pytest.mark.parametrize("n_targets", [3, 700])  # one batch, two batches
def test_p_values_count_the_draws_that_reach_a_score(n_targets):
    generator = np.random.default_rng(0)
    value, null = generator.standard_normal(n_targets), generator.standard_normal((99, n_targets))
    value[1], families = np.nan, np.arange(n_targets) % 2
    z, p, largest = p_values(lambda batch: (value[batch], null[:, batch]), n_targets, families, n_families=2)
    np.testing.assert_array_equal(z, value)
    assert np.isnan(p[1])
    for voxel in (0, 2, n_targets - 1):
        assert p[voxel] == ((null[:, voxel] >= value[voxel]).sum() + 1) / 100
    known = np.isfinite(value)
    expected = [null[:, known & (families == family)].max(1, initial=-np.inf) for family in (0, 1)]
    np.testing.assert_allclose(largest, expected, rtol=1e-6)


def test_the_seam_factor_is_the_ratio_of_the_deviations_of_sums():
    """Of products of AR(1) series, against 4,000 simulated pairs: whole, and cut into blocks of 20 drawn apart."""
    generator = np.random.default_rng(0)

    def ar1(n_scans, coefficient):
        return lfilter([1], [1, -coefficient], generator.standard_normal((n_scans + 60, 4000)), axis=0)[60:]

    x, y, cut = ar1(300, 0.9), ar1(300, 0.6), np.concatenate([ar1(20, 0.6) for _ in range(15)])
    expected = (x * y).sum(0).std() / (x * cut).sum(0).std()
    assert abs(seam_factor(normed(x), normed(y), 20).mean() - expected) < 0.02, expected
    noise = seam_factor(*(normed(values) for values in generator.standard_normal((2, 300, 50))), 20)
    assert (noise >= 1).all() and noise.mean() < 1.01
