"""Scale guards: known answers, and scikit-learn's PCA."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from triphase.encoding.guards import kernel_shape, outlier_columns, reduce_columns, scaled


def features(n=40, p=12, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, p)) * np.linspace(0.5, 2, p) + rng.uniform(-3, 3, p)).astype(np.float32)


def test_an_even_kernel_has_the_rank_of_its_dimensions():
    assert kernel_shape([2.0] * 8) == pytest.approx({"top_share": 1 / 8, "effective_rank": 8})
    assert kernel_shape([5.0, 0, 0, -1e-9]) == pytest.approx({"top_share": 1, "effective_rank": 1})
    # Shares 1/2, 1/4, 1/4: entropy 1.5 bits.
    assert kernel_shape([1.0, 2, 1]) == pytest.approx({"top_share": 0.5, "effective_rank": 2**1.5})
    assert np.isnan(list(kernel_shape(np.zeros(3)).values())).all()


def test_outliers_are_columns_that_vary_far_more_than_most():
    values = np.zeros((50, 20), np.float32)
    values[::2] = 1
    values[:, 3] *= 6.1
    values[:, 4] *= 5.9
    values[:, 5] = 1000  # a large mean is no outlier: it is centred away
    values[:, 6:16] = 0  # columns that do not vary do not move the median
    assert np.flatnonzero(outlier_columns(values)).tolist() == [3]
    assert not outlier_columns(values[:, 6:16]).any()


@pytest.mark.parametrize("shape", [(60, 9), (9, 60), (5000, 4), (30, 30)])
def test_components_are_those_of_scikit_learn_fitted_on_the_training_rows(shape):
    values = features(*shape)
    training = np.arange(0, shape[0], 2)
    number = min(4, shape[1])
    found = reduce_columns(values, training, number)
    pca = PCA(number, svd_solver="full").fit(values[training].astype(float))
    expected = pca.transform(values.astype(float))
    expected *= np.sign((found * expected).sum(0))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)
    # What the rows hold that do not train changes nothing.
    values[1::2] = 7
    np.testing.assert_array_equal(reduce_columns(values, training, number)[::2], found[::2])


def test_components_beyond_the_rank_are_zero():
    values = np.outer(np.arange(10.0), [1, -2, 1]).astype(np.float32)
    for number, width in ((3, 3), (5, 3)):
        found = reduce_columns(values, np.arange(10), number)
        assert found.shape == (10, width) and not found[:, 1:].any()
        np.testing.assert_allclose(np.abs(found[:, 0]), np.abs(np.arange(10) - 4.5) * np.sqrt(6), rtol=1e-6)
    few = reduce_columns(features(40, 12), np.arange(3), 8)  # three rows span two dimensions
    assert few.shape == (40, 8) and few[:, :2].any(0).all() and not few[:, 2:].any()


@pytest.mark.parametrize("scaling", ["zscore", "center", "no_outliers", "pca"])
def test_scaled_columns_are_centred_and_have_a_total_variance_of_one(scaling):
    values, training = features(), np.arange(25)
    values[:, 2] *= 50
    found = scaled(values, training, scaling, n_components=3)
    np.testing.assert_allclose(found[training].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found[training].var(0).sum(), 1, rtol=1e-5)
    shares = found[training].var(0)
    if scaling == "zscore":
        np.testing.assert_allclose(shares, 1 / 12, rtol=1e-5)
        centred = values - values[training].mean(0)
        np.testing.assert_allclose(found, centred / values[training].std(0) / np.sqrt(12), atol=1e-6)
    elif scaling == "center":
        assert shares[2] > 0.95  # the outlier rules the kernel
    elif scaling == "no_outliers":
        raw = values[training].var(0)
        raw[2] = 0
        np.testing.assert_allclose(shares, raw / raw.sum(), rtol=1e-4, atol=1e-9)
    else:
        assert found.shape == (40, 3) and (np.diff(shares) < 0).all()


@pytest.mark.parametrize("scaling", ["zscore", "center", "no_outliers", "pca"])
def test_columns_that_do_not_vary_become_zero(scaling):
    values = features()
    values[:30, 1] = 0.1
    assert not scaled(values, np.arange(30), scaling, 3)[:, 1].any() or scaling == "pca"
    flat = np.full((10, 4), 3.3, np.float32)
    assert not scaled(flat, np.arange(10), scaling, 3).any()
    with pytest.raises(ValueError, match="zscore, center, no_outliers, pca"):
        scaled(values, np.arange(30), "robust")
