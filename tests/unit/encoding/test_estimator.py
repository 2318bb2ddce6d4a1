import subprocess
import sys

import numpy as np
import pytest
from himalaya.backend import set_backend
from himalaya.kernel_ridge import ColumnKernelizer, Kernelizer, KernelRidgeCV, MultipleKernelRidgeCV
from himalaya.scoring import correlation_score, r2_score
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline

from triphase.encoding.estimator import LowRankBandedRidgeCV
from triphase.encoding.ridge import weight_grid

pytestmark = pytest.mark.usefixtures("one_thread")
ALPHAS = np.logspace(-1, 3, 6)
TRAIN, NEW = slice(0, 60), slice(60, 85)
FUNCTIONS = {"r2": r2_score, "correlation": correlation_score}


def make(widths, dtype=np.float64, seed=0):
    """Bands whose columns are neither centred nor scaled, and responses that depend on all of them."""
    generator = np.random.default_rng(seed)
    bands = [generator.standard_normal((85, q)) / np.sqrt(q) + generator.standard_normal(q) for q in widths]
    y = sum(band @ generator.standard_normal((band.shape[1], 7)) for band in bands)
    y = y * np.linspace(0, 1.5, 7) + generator.standard_normal(y.shape) + 3
    return [band.astype(dtype) for band in bands], y.astype(dtype)


def rows(bands, part):
    return [band[part] for band in bands]


def himalayas(bands, y, weights, score, cv=3):
    """himalaya's pipeline over the bands side by side, fitted; and the side-by-side matrix."""
    set_backend("numpy")
    ends = np.cumsum([0, *[band.shape[1] for band in bands]])
    columns = [(f"band {b}", Kernelizer("linear"), slice(ends[b], ends[b + 1])) for b in range(len(bands))]
    solver = {"n_iter": weights, "alphas": ALPHAS, "score_func": FUNCTIONS[score], "progress_bar": False}
    model = MultipleKernelRidgeCV("precomputed", cv=cv, fit_intercept=True, solver_params=solver)
    side = np.concatenate(bands, axis=1)
    with np.errstate(divide="ignore"):
        return make_pipeline(ColumnKernelizer(columns), model).fit(side[TRAIN], y[TRAIN]), side


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("widths", [(90, 4), (90, 4, 3), (12, 4, 3)], ids=["dual", "three bands", "primal"])
def test_the_estimator_equals_himalayas(widths, score):
    bands, y = make(widths)
    weights = weight_grid([0, 0.3, 0.7, 1], len(widths))
    model = LowRankBandedRidgeCV(ALPHAS, weights, cv=3, scoring=score, backend="numpy")
    model.fit(rows(bands, TRAIN), y[TRAIN])
    pipe, side = himalayas(bands, y, weights, score)
    expected, new = pipe[-1], rows(bands, NEW)
    np.testing.assert_allclose(model.predict(new), pipe.predict(side[NEW]), atol=1e-6, rtol=1e-6)
    # himalaya's predict(split=True) refuses an intercept.
    kernels = pipe[0].transform(side[NEW])
    split = kernels @ expected.dual_coef_ * np.exp(expected.deltas_)[:, None]
    np.testing.assert_allclose(model.predict(new, split=True), split, atol=1e-6, rtol=1e-6)
    for name in ("best_alphas_", "deltas_", "cv_scores_", "dual_coef_", "intercept_"):
        np.testing.assert_allclose(getattr(model, name), getattr(expected, name), atol=1e-8, rtol=1e-8, err_msg=name)
    primal = expected.get_primal_coef(rows(bands, TRAIN))
    np.testing.assert_allclose(model.coef_, np.concatenate(primal[1:]), atol=1e-8)
    # himalaya's split R² needs responses of mean zero once the intercept is gone.
    measured = y[NEW] - y[NEW].mean(0) + model.intercept_
    joint, parts = model.score(new, measured), model.score(new, measured, split=True)
    np.testing.assert_allclose(parts.sum(0), joint, atol=1e-10)
    if score == "r2":  # himalaya's estimator knows no other score
        np.testing.assert_allclose(joint, pipe.score(side[NEW], measured), atol=1e-8)
        np.testing.assert_allclose(parts, expected.score(kernels, measured, split=True), atol=1e-8)
    else:
        np.testing.assert_allclose(joint, correlation_score(measured, model.predict(new)), atol=1e-12)


@pytest.mark.parametrize("width", [90, 12])
def test_one_band_is_kernel_ridge(width):
    bands, y = make([width])
    model = LowRankBandedRidgeCV(ALPHAS, cv=3, backend="numpy").fit(rows(bands, TRAIN), y[TRAIN])
    set_backend("numpy")
    expected = KernelRidgeCV(ALPHAS, cv=3, fit_intercept=True, solver_params={"score_func": r2_score}, warn=False)
    expected.fit(bands[0][TRAIN], y[TRAIN])
    np.testing.assert_allclose(model.predict(rows(bands, NEW)), expected.predict(bands[0][NEW]), atol=1e-6)
    np.testing.assert_allclose(model.best_alphas_, expected.best_alphas_)
    np.testing.assert_allclose(model.score(rows(bands, NEW), y[NEW]), expected.score(bands[0][NEW], y[NEW]), atol=1e-8)


def test_a_vector_and_a_splitter_give_what_himalaya_gives():
    bands, y = make((90, 4))
    weights, cv = weight_grid([0, 0.5]), ShuffleSplit(3, test_size=0.3, random_state=1)
    model = LowRankBandedRidgeCV(ALPHAS, weights, cv=cv, backend="numpy").fit(rows(bands, TRAIN), y[TRAIN, 5])
    pipe, side = himalayas(bands, y[:, 5], weights, "r2", cv)
    found = model.predict(rows(bands, NEW))
    assert found.shape == (25,) and model.predict(rows(bands, NEW), split=True).shape == (2, 25)
    np.testing.assert_allclose(found, pipe.predict(side[NEW]), atol=1e-6)
    np.testing.assert_allclose(model.score(rows(bands, NEW), y[NEW, 5]), r2_score(y[NEW, 5:6], found[:, None])[0])
    measured = y[NEW, 5] - y[NEW, 5].mean() + model.intercept_
    assert model.score(rows(bands, NEW), measured, split=True).shape == (2,)
    for name in ("dual_coef_", "deltas_", "intercept_"):
        np.testing.assert_allclose(getattr(model, name), getattr(pipe[-1], name), atol=1e-8, err_msg=name)


def test_float32_on_torch_gives_the_same_scores():
    (bands, y), (exact, measured) = make((90, 4), np.float32), make((90, 4))
    for data, responses, backend in ((bands, y, "torch"), (exact, measured, "numpy")):
        model = LowRankBandedRidgeCV(ALPHAS, cv=3, backend=backend).fit(rows(data, TRAIN), responses[TRAIN])
        assert model.predict(rows(data, NEW)).dtype == responses.dtype
        scores = model.score(rows(data, NEW), responses[NEW])
        if backend == "torch":
            found = scores
    np.testing.assert_allclose(found, scores, atol=1e-4)


def test_it_is_cloned_and_set_like_any_estimator():
    model = LowRankBandedRidgeCV(alphas=ALPHAS, weights=[[1, 1]], cv=4, scoring="correlation", backend="numpy")
    assert set(model.get_params()) == {"alphas", "weights", "cv", "scoring", "backend"}
    copy = clone(model).set_params(cv=2)
    assert copy.cv == 2 and model.cv == 4 and copy.scoring == "correlation" and not hasattr(copy, "dual_coef_")
    bands, y = make((20, 3))
    np.testing.assert_array_equal(copy.fit(bands, y).cv_scores_.shape, (1, 7))


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"scoring": "r"}, lambda bands, y: None, "scoring='r'; it must be one of r2, correlation"),
        ({"alphas": [0.0]}, lambda bands, y: None, "encoding/alphas"),
        ({"weights": [[1.0]]}, lambda bands, y: None, "each weighting must have 2 numbers"),
        ({}, lambda bands, y: bands.__setitem__(1, bands[1][:-1]), "inconsistent numbers of samples"),
        ({}, lambda bands, y: bands[1].__setitem__(0, np.nan), r"Input Xs\[1\] contains NaN"),
        ({}, lambda bands, y: y.__setitem__(0, np.inf), "Input y contains infinity"),
    ],
)
def test_bad_input_is_named(options, change, message):
    bands, y = make((20, 3))
    change(bands, y)
    with pytest.raises(ValueError, match=message):
        LowRankBandedRidgeCV(**{"backend": "numpy", **options}).fit(bands, y)


def test_rows_of_other_bands_are_not_predicted():
    bands, y = make((20, 3))
    model = LowRankBandedRidgeCV(backend="numpy").fit(bands, y)
    with pytest.raises(ValueError, match=r"bands of \[3, 20\] columns; the model was fitted with \[20, 3\]"):
        model.predict(bands[::-1])


def test_fits_of_the_workflow_do_not_import_it():
    code = "import sys, triphase.encoding.fitting; print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
