import numpy as np
import pytest
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from himalaya.scoring import r2_score
from sklearn.linear_model import Ridge

from triphase.encoding.folds import HELD_OUT, TRAIN, make_splits
from triphase.encoding.ridge import GivenFolds, fit_bands, standardise, weight_grid
from triphase.errors import InputError

RUNS = np.repeat(["r1", "r2", "r3", "r4"], 40)


@pytest.fixture
def problem():
    generator = np.random.default_rng(1)
    x, z = generator.standard_normal((160, 12)), generator.standard_normal((160, 3))
    y = (
        x @ generator.standard_normal((12, 6))
        + z @ generator.standard_normal((3, 6))
        + generator.standard_normal((160, 6))
    )
    outer, inner = make_splits(RUNS, RUNS, ["r4"], kind="fixed", outer_folds=2, inner_folds=3, gap=0)
    return [x, z], (y - y.mean(0)).astype(np.float32), outer, inner


def test_one_band_and_one_alpha_is_scikit_learns_ridge(problem):
    (x, _), y, outer, inner = problem
    predictions, _ = fit_bands([x], y, outer, inner, alphas=[0.5], weights=[[1.0]], backend="numpy")
    train, test = outer[0] == TRAIN, outer[0] == HELD_OUT
    scaled = standardise(x, train)
    expected = Ridge(alpha=0.5).fit(scaled[train], y[train]).predict(scaled[test]) - y[train].mean(0)
    np.testing.assert_allclose(predictions[0, test], expected, atol=1e-4)
    assert np.isnan(predictions[0, train]).all()


def test_two_bands_equal_himalayas_estimator(problem):
    bands, y, outer, inner = problem
    train, test = outer[0] == TRAIN, outer[0] == HELD_OUT
    alphas, weights = np.logspace(-1, 3, 6), weight_grid([0.2, 0.5, 0.8])
    predictions, fit = fit_bands(bands, y, outer, inner, alphas=alphas, weights=weights, backend="numpy")

    scaled = [standardise(band, train) for band in bands]
    kernels = np.stack([band @ band.T for band in scaled])
    model = MultipleKernelRidgeCV(
        kernels="precomputed",
        cv=GivenFolds(inner[0][:, train]),
        fit_intercept=True,
        solver_params={
            "n_iter": weights.astype(np.float32),
            "alphas": alphas.astype(np.float32),
            "progress_bar": False,
            "score_func": r2_score,
        },
    ).fit(kernels[:, train][:, :, train], y[train])
    expected = model.predict(kernels[:, test][:, :, train])
    ours = predictions[:, test].sum(0)
    np.testing.assert_allclose(ours - ours.mean(0), expected - expected.mean(0), atol=1e-4)
    np.testing.assert_allclose(fit["cv_score"], model.cv_scores_.max(0), atol=1e-5)


def test_scaling_sees_training_rows_only():
    generator = np.random.default_rng(2)
    band, training = generator.standard_normal((50, 4)), np.arange(50) < 30
    before = standardise(band, training)
    band[~training] *= 100
    after = standardise(band, training)
    np.testing.assert_array_equal(before[training], after[training])
    np.testing.assert_allclose((after[training] ** 2).sum(1).mean(), 1, rtol=1e-5)
    assert (standardise(np.ones((50, 2)), training) == 0).all()


def test_held_out_responses_do_not_change_their_own_predictions(problem):
    bands, y, outer, inner = problem
    keys = {"alphas": np.logspace(-2, 2, 5), "weights": weight_grid([0.3, 0.7]), "backend": "numpy"}
    before, _ = fit_bands(bands, y, outer, inner, **keys)
    changed = y.copy()
    changed[outer[0] == HELD_OUT] = 1e3
    after, _ = fit_bands(bands, changed, outer, inner, **keys)
    np.testing.assert_array_equal(before, after)


def test_a_band_without_columns_is_named(problem):
    (x, _), y, outer, inner = problem
    with pytest.raises(InputError, match="'llm'"):
        fit_bands([x[:, :0]], y, outer, inner, alphas=[1.0], weights=[[1.0]], names=["llm"])
