import logging
import subprocess
import sys

import numpy as np
import pytest

from triphase.core.errors import InputError
from triphase.encoding import kernels
from triphase.encoding.features import delay
from triphase.encoding.folds import HELD_OUT, TRAIN, UNUSED
from triphase.encoding.kernels import Spectra, decompose, gram, himalaya_backend, set_backend

pytestmark = pytest.mark.usefixtures("one_thread")
LENGTHS, DELAYS = [21, 9, 30, 14], [0, 2, 3, 5]


@pytest.fixture
def grid():
    """Features of four runs of unequal length, each with a lead of the longest delay, and the place of every scan."""
    lead = max(DELAYS)
    begins = np.cumsum([0, *[length + lead for length in LENGTHS]])
    rows = np.concatenate([begin + lead + np.arange(n) for begin, n in zip(begins, LENGTHS, strict=False)])
    # A run need not be whole: two scans in the middle of the third are not there.
    return np.random.default_rng(0).standard_normal((begins[-1], 40)), np.delete(rows, [40, 41])


@pytest.fixture
def masks(grid):
    n = len(grid[1])
    outer = np.full((1, n), TRAIN)
    outer[0, 60:] = HELD_OUT
    inner = np.full((2, n), TRAIN)
    inner[0, :15], inner[0, 15:18], inner[1, 30:45], inner[:, 60:] = HELD_OUT, UNUSED, HELD_OUT, UNUSED
    return outer, [inner]


def unscaled(features, _):
    return features


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_gram_is_that_of_explicit_delays(grid, backend):
    features, rows = grid
    library = set_backend(backend)
    explicit = delay(features, rows, DELAYS)
    found = library.to_numpy(gram(library.asarray(features), rows, DELAYS))
    np.testing.assert_allclose(found, explicit @ explicit.T, rtol=1e-12, atol=1e-12)


def test_delays_never_reach_another_run(grid):
    features, rows = grid
    with pytest.raises(ValueError, match="longest delay"):
        gram(features, rows - 1, DELAYS)
    first = rows < rows[LENGTHS[0]]
    changed = features.copy()
    changed[: LENGTHS[0] + max(DELAYS)] += 1
    difference = gram(changed, rows, DELAYS) - gram(features, rows, DELAYS)
    assert (difference[~first][:, ~first] == 0).all() and difference[first].any()


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("n_columns", [40, 5], ids=["dual", "primal"])
def test_spectra_are_those_of_centred_kernels(grid, masks, n_columns, backend):
    features, rows = grid[0][:, :n_columns], grid[1]
    spectra = decompose(features, rows, DELAYS, *masks, backend=backend, scale=unscaled)
    explicit = delay(features, rows, DELAYS) / np.sqrt(len(DELAYS))
    assert spectra.backend == backend and len(spectra.folds[0]) == 2
    for found, mask in zip([spectra.finals[0], *spectra.folds[0]], [masks[0][0], *masks[1][0]], strict=True):
        train, other = mask == TRAIN, mask == HELD_OUT
        np.testing.assert_array_equal(found.train, np.flatnonzero(train))
        np.testing.assert_array_equal(found.other, np.flatnonzero(other))
        x = explicit - explicit[train].mean(0)
        vectors, cross = np.asarray(found.vectors), np.asarray(found.cross)
        assert vectors.shape == (train.sum(), train.sum() if n_columns == 40 else 20)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), atol=1e-10)
        np.testing.assert_allclose((vectors * found.eigenvalues) @ vectors.T, x[train] @ x[train].T, atol=1e-10)
        np.testing.assert_allclose(cross, x[other] @ x[train].T @ vectors, atol=1e-10)
        assert (np.diff(found.eigenvalues) >= 0).all()


def test_columns_are_scaled_on_training_rows_and_the_mean_diagonal_is_one(grid, masks):
    features, rows = grid[0].astype(np.float32), grid[1]
    before = decompose(features, rows, DELAYS, *masks, backend="numpy").finals[0]
    assert before.vectors.dtype == np.float32
    assert before.eigenvalues.sum() / len(before.train) == pytest.approx(1, abs=0.1)
    changed = features.copy()
    changed[rows[masks[0][0] == HELD_OUT][-3:]] *= 50
    after = decompose(changed, rows, DELAYS, *masks, backend="numpy").finals[0]
    np.testing.assert_array_equal(before.eigenvalues, after.eigenvalues)


def test_columns_without_variance_take_no_rank(grid, masks):
    features, rows = grid[0][:, :5].copy(), grid[1]
    features[:, 3], features[:, 4] = 2.0, features[:, 1]
    found = decompose(features, rows, DELAYS, *masks, backend="numpy", scale=unscaled).finals[0]
    assert found.vectors.shape[1] == 3 * len(DELAYS)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(12), atol=1e-10)


def test_a_failed_decomposition_is_made_in_float64(grid, masks, monkeypatch, caplog):
    features, rows = grid[0].astype(np.float32), grid[1]
    expected = decompose(features, rows, DELAYS, *masks, backend="numpy").finals[0]
    library, works = set_backend("numpy"), set_backend("numpy").eigh

    failing = set()

    def fails(matrix, **options):
        if str(matrix.dtype) in failing:
            raise np.linalg.LinAlgError("no convergence")
        return works(matrix, **options)

    monkeypatch.setattr(library, "eigh", fails)
    for dtype in ("float32", "float64"):
        failing.add(dtype)
        with caplog.at_level(logging.WARNING):
            found = decompose(features, rows, DELAYS, *masks, backend="numpy").finals[0]
        np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, atol=1e-4)
        assert found.vectors.dtype == np.float32
        assert f"split 0: the kernel is ill-conditioned in {dtype} (no convergence)" in caplog.text
    monkeypatch.setattr(kernels, "_svd", lambda library, matrix: fails(matrix))
    with pytest.raises(InputError, match="split 0: the kernel cannot be decomposed"):
        decompose(features, rows, DELAYS, *masks, backend="numpy")


def test_eigenvalues_far_below_zero_are_no_rounding(caplog):
    library, generator = set_backend("numpy"), np.random.default_rng(1)
    vectors = np.linalg.qr(generator.standard_normal((6, 6)))[0]
    matrix = ((vectors * [-0.1, 1, 1, 1, 1, 1]) @ vectors.T).astype(np.float32)
    with caplog.at_level(logging.WARNING):
        values, found = kernels.eigen(library, matrix, "fold")
    assert "ill-conditioned in float64 (its smallest eigenvalue is -0.1, its mean" in caplog.text
    assert (values >= 0).all() and (np.diff(values) >= 0).all()
    np.testing.assert_allclose(found.T @ found, np.eye(6), atol=1e-6)


def test_features_that_cannot_be_decomposed_are_named(grid, masks):
    features, rows = grid
    options = {"backend": "numpy", "scale": unscaled}
    with pytest.raises(InputError, match="no columns"):
        decompose(features[:, :0], rows, DELAYS, *masks, **options)
    with pytest.raises(InputError, match="split 0: the features do not vary"):
        decompose(np.zeros_like(features), rows, DELAYS, *masks, **options)
    with pytest.raises(InputError, match="not finite"):
        decompose(np.full_like(features, np.nan), rows, DELAYS, *masks, **options)
    with pytest.raises(InputError, match="split 0 has 74 training and 0 held-out scans|split 0 has 72 training"):
        decompose(features, rows, DELAYS, np.full_like(masks[0], TRAIN), masks[1], **options)
    with pytest.raises(InputError, match="inner fold 1 has 0 training"):
        Spectra.empty(masks[0], [np.where([[1], [0]], masks[1][0], HELD_OUT)], np.float32)


def test_numpy_needs_no_himalaya_whose_import_costs_more_than_a_small_fit():
    lines = "import sys; from triphase.encoding.kernels import set_backend; set_backend('numpy'); "
    lines += "from triphase.encoding import fitting, preparing; sys.exit('himalaya' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", lines]).returncode == 0


def test_numpy_arrays_are_himalayas():
    ours, theirs, values = set_backend("numpy"), himalaya_backend("numpy"), np.arange(12, dtype=np.float32) ** 3
    for name in ("asarray", "to_numpy", "mean_float64", "zeros_like"):
        one, other = (getattr(library, name)(values) for library in (ours, theirs))
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    square = np.cov(np.random.default_rng(0).standard_normal((30, 40))).astype(np.float32)
    for (one, vectors), (other, _) in [(ours.eigh(square), theirs.eigh(square))]:
        np.testing.assert_allclose(one, other, atol=1e-5)
        np.testing.assert_allclose(vectors * one @ vectors.T, square, atol=1e-5)
        assert one.dtype == vectors.dtype == other.dtype
    assert ours.concatenate is theirs.concatenate and ours.name == theirs.name
