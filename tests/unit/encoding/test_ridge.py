import logging
from types import SimpleNamespace

import numpy as np
import pytest
from himalaya.backend import set_backend
from himalaya.kernel_ridge import KernelRidgeCV, MultipleKernelRidgeCV
from himalaya.scoring import correlation_score, r2_score
from sklearn.linear_model import RidgeCV

from triphase.core.errors import InputError
from triphase.encoding import ridge
from triphase.encoding.features import delay
from triphase.encoding.folds import HELD_OUT, TRAIN, UNUSED, make_splits
from triphase.encoding.kernels import decompose
from triphase.encoding.ridge import GivenFolds, Search, fit_bands, standardise, weight_grid

pytestmark = pytest.mark.usefixtures("one_thread")
LENGTHS, DELAYS = [34, 45, 38, 41], [0, 1, 3]
ALPHAS = np.logspace(-1, 3, 6)


def zscore(features, training):
    """As `guards.scaled`, in the dtype of the features."""
    train = features[training]
    return (features - train.mean(0)) / train.std(0) / np.sqrt(features.shape[1])


def make(dtype=np.float64, n_features=70, widths=(4,), n_targets=12, seed=1):
    """Features on a grid, bands of low rank, and responses of four runs; the last one is held out."""
    generator, lead = np.random.default_rng(seed), max(DELAYS)
    begins = np.cumsum([0, *[length + lead for length in LENGTHS]])
    rows = np.concatenate([begin + lead + np.arange(n) for begin, n in zip(begins, LENGTHS, strict=False)])
    features = generator.standard_normal((begins[-1], n_features)).astype(dtype)
    runs = np.repeat(["r1", "r2", "r3", "r4"], LENGTHS)
    outer, inner = make_splits(runs, runs, ["r4"], {"kind": "fixed", "folds": 2, "inner": 3}, gap=0)
    bands = [generator.standard_normal((len(rows), width)).astype(dtype) for width in widths]
    wide = delay(features, rows, DELAYS)
    y = wide @ generator.standard_normal((wide.shape[1], n_targets)) / np.sqrt(wide.shape[1])
    for band in bands:
        y = y + band @ generator.standard_normal((band.shape[1], n_targets)) / np.sqrt(band.shape[1])
    y = y * np.linspace(0, 1.5, n_targets) + generator.standard_normal(y.shape) + 3
    return SimpleNamespace(
        features=features, rows=rows, runs=runs, bands=bands, y=y.astype(dtype), outer=outer, inner=inner,
        train=outer[0] == TRAIN, test=outer[0] == HELD_OUT,
    )  # fmt: skip


def explicit(data):
    """Every band as a matrix, scaled as they enter a fit; centred on the training rows, as an intercept does it."""
    columns = zscore(data.features, data.rows[data.train])
    found = [delay(columns, data.rows, DELAYS) / np.sqrt(len(DELAYS))]
    return found + [standardise(band, data.train) for band in data.bands]


def himalayas(data, weights, score=r2_score, alphas=ALPHAS):
    """himalaya's estimator on explicit delayed features: joint and split predictions, estimator."""
    set_backend("numpy")
    bands = [band - band[data.train].mean(0) for band in explicit(data)]
    kernels = np.stack([band @ band[data.train].T for band in bands])
    final = SimpleNamespace(train=np.flatnonzero(data.train))
    folds = [SimpleNamespace(train=np.flatnonzero(m == TRAIN), other=np.flatnonzero(m == HELD_OUT))
             for m in data.inner[0]]  # fmt: skip
    model = MultipleKernelRidgeCV(
        kernels="precomputed", cv=GivenFolds(final, folds), fit_intercept=True,
        solver_params={"n_iter": weights.astype(data.y.dtype), "alphas": alphas.astype(data.y.dtype),
                       "progress_bar": False, "score_func": score},
    )  # fmt: skip
    with np.errstate(divide="ignore"):
        model.fit(kernels[:, data.train], data.y[data.train])
    held = kernels[:, data.test]
    # Its predict(split=True) refuses an intercept.
    split = (held @ model.dual_coef_) * np.exp(model.deltas_)[:, None]
    return model.predict(held) - data.y[data.train].mean(0), split, model


def ours(data, weights, scale=zscore, alphas=ALPHAS, backend="numpy", **options):
    spectra = decompose(data.features, data.rows, DELAYS, data.outer, data.inner, backend=backend, scale=scale)
    made, fit = fit_bands(spectra, data.bands, data.y, data.outer, data.inner, Search(alphas, weights, **options))
    assert np.isnan(made[:, data.train]).all()
    return made[:, data.test], fit


def relative(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize(
    ("widths", "n_features"), [((4,), 70), ((4, 3), 70), ((4,), 12), ((2, 3, 4), 12)],
    ids=["dual", "dual, three bands", "primal", "primal, four bands"],
)  # fmt: skip
def test_predictions_and_choices_equal_himalayas(widths, n_features, score):
    data = make(widths=widths, n_features=n_features)
    # himalaya decomposes a kernel for every weighting, so that a few of a large grid are enough.
    weights = weight_grid([0, 0.3, 0.7, 1], len(widths) + 1)
    weights = weights[:: len(weights) // 5 or 1]
    made, fit = ours(data, weights, score=score)
    joint, split, model = himalayas(data, weights, {"r2": r2_score, "correlation": correlation_score}[score])
    assert relative(made.sum(0), joint) < 1e-6
    assert relative(made, split) < 1e-6
    np.testing.assert_allclose(fit["cv_score"], model.cv_scores_.max(0), atol=1e-9)
    # himalaya's penalty is on weights that sum to 1, ours on a wide band of weight 1.
    weight = fit["weight"][0]
    np.testing.assert_allclose(weight, np.exp(model.deltas_) * model.best_alphas_, atol=1e-9)
    np.testing.assert_allclose(fit["alpha"][0] * np.where(weight[0], weight[0], 1), model.best_alphas_, rtol=1e-9)


def test_weights_of_the_wide_band_other_than_one_equal_himalayas():
    data, weights = make(), np.array([[0.5, 0.5], [0.2, 0.8], [1.0, 0.0], [0.0, 0.4]])
    made, fit = ours(data, weights)
    joint, _, model = himalayas(data, weights)
    assert relative(made.sum(0), joint) < 1e-6
    np.testing.assert_allclose(fit["cv_score"], model.cv_scores_.max(0), atol=1e-9)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("n_features", [70, 12], ids=["dual", "primal"])
def test_float32_gives_the_same_r(backend, n_features):
    exact, data = make(n_features=n_features), make(np.float32, n_features=n_features)
    weights = weight_grid([0, 0.3, 0.7, 1])
    made, fit = ours(data, weights, backend=backend)
    assert made.dtype == np.float32
    joint, _, model = himalayas(exact, weights)
    measured = exact.y[exact.test]
    difference = correlation_score(measured, made.sum(0).astype(float)) - correlation_score(measured, joint)
    assert np.abs(difference).max() < 1e-4
    np.testing.assert_allclose(fit["cv_score"], model.cv_scores_.max(0), atol=1e-5)


def test_solvers_agree():
    data, weights = make(widths=(4, 3)), weight_grid([0, 0.3, 0.7, 1], 3)[::3]
    ((a, fit_a), (b, fit_b)) = (ours(data, weights, solver=solver) for solver in ("lowrank", "himalaya"))
    assert relative(a, b) < 1e-6
    for name in ("alpha", "weight", "cv_score"):
        np.testing.assert_allclose(fit_a[name], fit_b[name], rtol=1e-6, atol=1e-9)


def test_auto_leaves_bands_that_are_not_of_low_rank_to_himalaya(monkeypatch):
    monkeypatch.setattr(ridge, "_fit_himalaya", lambda *_: pytest.fail("himalaya"))
    ours(make(widths=(20,)), weight_grid([0.5]))
    with pytest.raises(pytest.fail.Exception, match="himalaya"):
        ours(make(widths=(40,)), weight_grid([0.5]))


@pytest.mark.parametrize("n_features", [70, 12], ids=["dual", "primal"])
def test_one_wide_band_is_scikit_learns_ridge(n_features):
    data = make(widths=(), n_features=n_features, n_targets=4)
    made, fit = ours(data, weight_grid([1], 1))
    (band,), y = explicit(data), data.y
    rows = np.flatnonzero(data.train)
    folds = [(np.searchsorted(rows, np.flatnonzero(m == TRAIN)), np.searchsorted(rows, np.flatnonzero(m == HELD_OUT)))
             for m in data.inner[0]]  # fmt: skip
    for voxel in range(y.shape[1]):
        model = RidgeCV(ALPHAS, cv=folds, scoring="r2").fit(band[data.train], y[data.train, voxel])
        expected = model.predict(band[data.test]) - y[data.train, voxel].mean()
        assert relative(made[0, :, voxel], expected) < 1e-6
        assert fit["alpha"][0, voxel] == pytest.approx(model.alpha_)
        assert fit["cv_score"][voxel] == pytest.approx(model.best_score_)


def test_low_rank_bands_alone_equal_himalayas_kernel_ridge():
    data = make(widths=(5,))
    made, fit = fit_bands(None, data.bands, data.y, data.outer, data.inner, Search(ALPHAS, [[1.0]]))
    band = standardise(data.bands[0], data.train)
    rows = np.flatnonzero(data.train)
    folds = [(np.searchsorted(rows, np.flatnonzero(m == TRAIN)), np.searchsorted(rows, np.flatnonzero(m == HELD_OUT)))
             for m in data.inner[0]]  # fmt: skip
    model = KernelRidgeCV(ALPHAS, cv=folds, fit_intercept=True, solver_params={"score_func": r2_score}, warn=False)
    model.fit(band[data.train], data.y[data.train])
    expected = model.predict(band[data.test]) - data.y[data.train].mean(0)
    assert made.shape == (1, *data.y.shape) and fit["weight"].shape == (1, 1, data.y.shape[1])
    assert relative(made[0, data.test], expected) < 1e-6
    np.testing.assert_allclose(fit["cv_score"], model.cv_scores_, atol=1e-9)


def test_bands_may_differ_by_split():
    data = make(widths=(3,))
    outer = np.stack([np.where(data.runs == run, HELD_OUT, TRAIN) for run in ("r1", "r2")])
    inner = [np.stack([np.where(mask == HELD_OUT, UNUSED, np.where(data.runs == run, HELD_OUT, TRAIN))
                       for run in ("r3", "r4")]) for mask in outer]  # fmt: skip
    other = np.random.default_rng(5).standard_normal(data.bands[0].shape)
    search = Search(ALPHAS, [[1.0]])
    both, _ = fit_bands(None, [np.stack([data.bands[0], other])], data.y, outer, inner, search)
    for split, band in enumerate((data.bands[0], other)):
        one = slice(split, split + 1)
        alone, _ = fit_bands(None, [band], data.y, outer[one], inner[one], search)
        held = outer[split] == HELD_OUT
        np.testing.assert_array_equal(both[0, held], alone[0, held])


def test_scaling_sees_training_rows_only():
    generator = np.random.default_rng(2)
    band, training = generator.standard_normal((50, 4)), np.arange(50) < 30
    before = standardise(band, training)
    band[~training] *= 100
    after = standardise(band, training)
    np.testing.assert_array_equal(before[training], after[training])
    np.testing.assert_allclose((after[training] ** 2).sum(1).mean(), 1, rtol=1e-5)
    assert (standardise(np.ones((50, 2)), training) == 0).all()


def test_held_out_responses_and_batches_of_voxels_change_no_prediction(monkeypatch):
    data, weights = make(), weight_grid([0, 0.3, 0.7])
    before, _ = ours(data, weights)
    data.y[data.test] = 1e3
    spectra = decompose(data.features, data.rows, DELAYS, data.outer, data.inner, backend="numpy", scale=zscore)
    for voxels in (slice(0, 5), slice(5, 12)):
        part, _ = fit_bands(spectra, data.bands, data.y[:, voxels], data.outer, data.inner, Search(ALPHAS, weights))
        np.testing.assert_allclose(part[:, data.test], before[..., voxels], atol=1e-12)


def test_voxels_without_a_fit_are_kept_in_place():
    data, weights = make(), weight_grid([0, 0.3, 0.7])
    before, fit_before = ours(data, weights)
    data.y[:, 3], data.y[np.flatnonzero(data.train)[7], 5] = 1.0, np.nan
    validation = data.inner[0][0] == HELD_OUT
    data.y[validation, 8] = 2.0  # constant in one fold only: its score there is 0, as in himalaya
    made, fit = ours(data, weights)
    lost = np.isin(np.arange(12), [3, 5])
    assert np.isnan(made[..., lost]).all() and np.isfinite(made[..., ~lost]).all()
    for name in ("alpha", "weight", "cv_score"):
        assert np.isnan(fit[name][..., lost]).all() and np.isfinite(fit[name][..., ~lost]).all()
    same = ~lost & (np.arange(12) != 8)
    np.testing.assert_allclose(made[..., same], before[..., same], atol=1e-12)
    np.testing.assert_allclose(fit["cv_score"][same], fit_before["cv_score"][same], atol=1e-12)
    data.y[:] = 1.0
    assert np.isnan(ours(data, weights)[0]).all()


def test_small_penalties_at_the_edge_are_told(caplog):
    data = make(n_targets=12)
    data.y = data.bands[0] @ np.random.default_rng(3).standard_normal((4, 12))
    with caplog.at_level(logging.WARNING):
        ours(data, weight_grid([0, 0.5]))
    assert "voxels chose the smallest penalty 0.1: widen encoding/alphas" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.bands.append(data.bands[0][:, :0]), "band 'extra' has no columns"),
        (lambda data: data.bands.append(data.bands[0] * np.nan), "band 'extra' has values that are not finite"),
        (lambda data: data.y.__setitem__(data.inner[0][1] == HELD_OUT, 1.0), "split 0, inner fold 1: no response"),
    ],
    ids=["no columns", "not finite", "fold without variance"],
)
def test_bands_and_responses_that_cannot_be_fitted_are_named(change, message):
    data = make()
    change(data)
    with pytest.raises(InputError, match=message):
        ours(data, np.ones((1, len(data.bands) + 1)), names=["llm", "nuisance", "extra"])


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"alphas": np.array([0.0, 1.0])}, "encoding/alphas"),
        ({"alphas": np.array([])}, "encoding/alphas"),
        ({"weights": np.ones((1, 3))}, "encoding/band_weights"),
        ({"weights": np.array([[1, -0.1]])}, "encoding/band_weights"),
        ({"weights": np.zeros((1, 2))}, "encoding/band_weights"),
    ],
)
def test_impossible_grids_are_named(options, key):
    with pytest.raises(InputError, match=key):
        ours(make(), **{"weights": np.ones((1, 2)), **options})


def test_weight_grids_share_the_wide_bands_products():
    np.testing.assert_allclose(weight_grid([0.2, 0, 1, 0.5]), [[0, 1], [1, 4], [1, 1], [1, 0]])
    three = weight_grid([0, 0.2, 0.5, 1], 3)
    shares = three / three.sum(1, keepdims=True)
    assert len(three) == 4 * 3 + 1 and set(three[:, 0]) == {0.0, 1.0}
    assert len(np.unique(shares.round(9), axis=0)) == len(three)
    assert set(shares[:, 0].round(9)) == {0, 0.2, 0.5, 1}
    four = weight_grid([0, 0.5, 1], 4, seed=3)
    assert len(four) == 41 and (four == weight_grid([0, 0.5, 1], 4, seed=3)).all()
    np.testing.assert_allclose(four[20:40, 1:].sum(1), 1)
    np.testing.assert_array_equal(weight_grid([0.5], 1), [[1.0]])
    with pytest.raises(InputError, match="band_weights"):
        weight_grid([0.5, 1.2])
