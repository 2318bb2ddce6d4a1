"""Cleaning of a run: against least squares and nilearn, with voxels that cannot be used."""

import numpy as np
import pytest
from least_squares import HIGH_PASS, TR, residuals, zscore

from triphase.core.errors import InputError
from triphase.responses import cleaning
from triphase.responses.cleaning import clean_run, cosine_drifts, usable_voxels


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_cleaning_is_least_squares_on_trend_cosines_and_confounds(rng):
    n = 150
    confounds = rng.normal(size=(n, 6)).cumsum(axis=0)
    values = 1000 + rng.normal(size=(n, 20)) + confounds @ rng.normal(size=(6, 20)) + np.linspace(0, 9, n)[:, None]
    cleaned, counts = clean_run(values, tr=TR, confounds=confounds, high_pass=HIGH_PASS)
    k = np.arange(1, int(2 * n * TR * 0.01) + 1)
    cosines = np.cos(np.pi * k * (np.arange(n)[:, None] + 0.5) / n)
    trend = np.arange(n)[:, None]
    # Trend first, from both sides, then the rest: the order in which nilearn keeps its filters orthogonal.
    expected = residuals(residuals(values, trend), residuals(np.hstack([confounds, cosines]), trend))
    np.testing.assert_allclose(cleaned, zscore(expected), atol=2e-4)
    assert counts == {"nonfinite": 0, "constant": 0}
    assert cleaned.dtype == np.float32


@pytest.mark.parametrize("confounds", [None, "random", "collinear", "constant"])
@pytest.mark.parametrize("high_pass", [None, 0.02])
def test_cleaning_is_that_of_nilearn(rng, confounds, high_pass):
    from nilearn.signal import clean as nilearn_clean

    n = 90
    random = rng.normal(size=(n, 5)).cumsum(axis=0)
    given = {
        None: None,
        "random": random,
        "collinear": np.hstack([random, random @ rng.normal(size=(5, 3))]),
        "constant": np.hstack([random, np.ones((n, 1))]),
    }[confounds]
    values = 5000 + 30 * rng.normal(size=(n, 40)).cumsum(axis=0)
    cleaned, _ = clean_run(values, tr=TR, high_pass=high_pass, confounds=given)
    drifts = cosine_drifts(n, TR, high_pass) if high_pass else np.empty((n, 0))
    regressors = drifts if given is None else np.hstack([given, drifts])
    expected = nilearn_clean(
        values, detrend=True, standardize=None, confounds=regressors if regressors.size else None, filter=False
    )
    np.testing.assert_allclose(cleaned, zscore(expected), atol=1e-6)


def test_slow_confound_does_not_switch_the_high_pass_off(rng):
    n = 300
    drift = cosine_drifts(n, TR, 0.01)
    confounds = drift[:, :1] + 0.01 * rng.normal(size=(n, 1))
    assert np.corrcoef(drift[:, 0], confounds[:, 0])[0, 1] > 0.9
    cleaned, _ = clean_run(drift[:, 3:4] * 5 + rng.normal(size=(n, 1)), tr=TR, confounds=confounds, high_pass=HIGH_PASS)
    assert abs(np.corrcoef(cleaned[:, 0], drift[:, 3])[0, 1]) < 1e-4


def test_cosines_end_at_the_cut_off():
    n, tr, high_pass = 240, 1.5, 0.01
    drifts = cosine_drifts(n, tr, high_pass)
    # Column k has k half cycles in the run: k / (2 n TR) Hz.
    frequencies = np.arange(1, drifts.shape[1] + 2) / (2 * n * tr)
    assert frequencies[-2] <= high_pass < frequencies[-1]
    np.testing.assert_allclose(drifts.T @ drifts, np.eye(drifts.shape[1]) * n / 2, atol=1e-9)
    assert cosine_drifts(10, 2.0, 0.01).shape == (10, 0)


def test_without_a_high_pass_only_the_trend_goes(rng):
    values = rng.normal(10, 2, size=(60, 3)) + np.linspace(0, 30, 60)[:, None]
    cleaned, _ = clean_run(values, tr=TR, high_pass=None)
    np.testing.assert_allclose(cleaned, zscore(residuals(values, np.arange(60)[:, None])), atol=1e-4)


def test_a_run_may_be_too_short_for_any_drift(rng):
    values = rng.normal(size=(20, 3))
    cleaned, _ = clean_run(values, tr=0.5, high_pass=0.01)
    np.testing.assert_allclose(cleaned, zscore(residuals(values, np.arange(20)[:, None])), atol=1e-4)


def test_unusable_voxels_stay_in_place_and_change_no_other(rng):
    values = rng.normal(size=(80, 6))
    clean_alone, _ = clean_run(values, tr=TR, high_pass=HIGH_PASS)
    values[5, 1], values[7, 2], values[:, 4] = np.nan, np.inf, 3.0
    finite, varying = usable_voxels(values)
    assert finite.tolist() == [True, False, False, True, True, True]
    assert varying.tolist() == [True, False, False, True, False, True]
    cleaned, counts = clean_run(values, tr=TR, high_pass=HIGH_PASS)
    assert counts == {"nonfinite": 2, "constant": 1}
    assert np.isnan(cleaned[:, [1, 2, 4]]).all()
    np.testing.assert_array_equal(cleaned[:, [0, 3, 5]], clean_alone[:, [0, 3, 5]])


def test_voxel_that_is_nothing_but_confound_is_constant_once_cleaned(rng):
    confounds = rng.normal(size=(80, 2))
    values = np.column_stack([confounds @ [1.0, 2.0] * 5 + 700, rng.normal(size=80), np.linspace(0, 1, 80)])
    values = values.astype(np.float32)
    cleaned, counts = clean_run(values, tr=TR, confounds=confounds, high_pass=HIGH_PASS)
    assert np.isnan(cleaned[:, [0, 2]]).all() and np.isfinite(cleaned[:, 1]).all()
    assert counts == {"nonfinite": 0, "constant": 2}


def test_voxels_are_cleaned_in_blocks(rng, monkeypatch):
    values = rng.normal(size=(80, 7))
    values[:, 2] = 1.0
    whole, _ = clean_run(values, tr=TR, high_pass=HIGH_PASS)
    monkeypatch.setattr(cleaning, "BLOCK_VALUES", 170)
    np.testing.assert_allclose(clean_run(values, tr=TR, high_pass=HIGH_PASS)[0], whole, atol=1e-6)


def test_constant_confound_changes_nothing(rng):
    values = rng.normal(size=(80, 3))
    cleaned, _ = clean_run(values, tr=TR, confounds=np.zeros((80, 2)), high_pass=HIGH_PASS)
    np.testing.assert_allclose(cleaned, clean_run(values, tr=TR, high_pass=HIGH_PASS)[0], atol=1e-6)


def test_run_shorter_than_its_regressors_is_refused(rng):
    with pytest.raises(InputError, match="bold.nii: 12 volumes are too few for 10 confounds and drifts"):
        clean_run(
            rng.normal(size=(12, 3)), tr=TR, confounds=rng.normal(size=(12, 10)), where="bold.nii", high_pass=HIGH_PASS
        )
