"""Kernels of delayed features and their eigendecompositions, each made once per split and fold.

A delayed feature matrix has as many columns as features times delays, but its Gram matrix is a sum of shifted copies of
the undelayed one, so the wide matrix is never made.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from triphase.core.devices import count_devices
from triphase.core.errors import InputError
from triphase.encoding import numpy_arrays
from triphase.encoding.features import delay
from triphase.encoding.folds import HELD_OUT, TRAIN, UNUSED
from triphase.encoding.guards import scaled
from triphase.encoding.memory import PRIMAL

log = logging.getLogger(__name__)

# Negative eigenvalues are rounding; beyond this share of the mean eigenvalue float32 does not hold the kernel.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Spectrum:
    """Eigendecomposition of a kernel that is centred on its training rows.

    Attributes
    ----------
    train, other : int arrays
        Rows of the responses that train (n), and those to predict (m).
    vectors : float array (n, rank), on himalaya's backend
        Orthonormal columns U; rank is below n where there are fewer columns than rows.
    eigenvalues : float64 array (rank,)
        Ascending; negative ones are rounding and count as zero.
    cross : float array (m, rank), on himalaya's backend
        M = K[other, train] U, so that kernel ridge predicts M (L + alpha)^-1 U' Y.
    """

    train: np.ndarray
    other: np.ndarray
    vectors: Any
    eigenvalues: np.ndarray
    cross: Any

    def empty(self) -> "Spectrum":
        """The same rows, and no kernel."""
        return replace(self, vectors=self.vectors[:, :0], eigenvalues=self.eigenvalues[:0], cross=self.cross[:, :0])


@dataclass(frozen=True)
class Spectra:
    """Spectra of a layer on a himalaya backend.

    Attributes
    ----------
    finals : list of Spectrum, one per outer split: all its training rows, and its test rows
    folds : list of list of Spectrum, per outer split one per inner fold: training and validation rows
    backend : str
    """

    finals: list[Spectrum]
    folds: list[list[Spectrum]]
    backend: str

    @classmethod
    def empty(cls, outer: np.ndarray, inner: list[np.ndarray], dtype: Any) -> "Spectra":
        """Spectra of a band that there is not, on numpy."""

        def nothing(train, other, _):
            vectors, cross = (np.zeros((len(rows), 0), dtype) for rows in (train, other))
            return Spectrum(train, other, vectors, np.zeros(0), cross)

        finals, folds = _per_mask(lambda split: nothing, outer, inner)
        return cls(finals, folds, "numpy")


def backend_for(device: str) -> str:
    """Name of himalaya's backend for a device: "auto", numpy on the CPU, torch_cuda for cuda and cuda:1."""
    return {"auto": "auto", "cpu": "numpy"}.get(device) or f"torch_{device.split(':')[0]}"


def set_backend(name: str = "auto") -> ModuleType:
    """The library for arrays of a himalaya backend.

    "auto" is CUDA where a GPU is visible and numpy elsewhere, whose import takes a second less than torch's. numpy
    does without himalaya, which `himalaya_backend` sets where it is needed.
    """
    if name == "auto":
        name = "torch_cuda" if count_devices() else "numpy"
    return numpy_arrays if name == "numpy" else himalaya_backend(name)


def himalaya_backend(name: str) -> ModuleType:
    """Set the backend of himalaya's own functions and return it."""
    from himalaya.backend import set_backend as choose

    return choose(name, on_error="warn")


def gram(features: Any, rows: np.ndarray, delays: list[int]) -> Any:
    """Gram matrix of delayed features by adding shifted copies of the undelayed one.

    Parameters
    ----------
    features : array (n_grid, n_columns), on himalaya's backend
        Undelayed, on every run's grid of scans with a lead of at least the longest delay, so that runs never meet.
    rows : int array (n_scans,)
        Place of each scan on the grid.
    delays : list of int, scans

    Returns
    -------
    array (n_scans, n_scans), X X' of X = [features[rows - d] for d in delays]
    """
    if len(rows) and min(rows) < max(delays):
        raise ValueError("the grid begins later than the longest delay before the first row")
    undelayed = features @ features.T
    kernel = 0
    for lag in delays:
        shifted = np.asarray(rows) - lag
        kernel = kernel + undelayed[shifted][:, shifted]
    return kernel


def decompose(
    features: np.ndarray,
    rows: np.ndarray,
    delays: list[int],
    outer: np.ndarray,
    inner: list[np.ndarray],
    *,
    backend: str = "auto",
    scale: Callable[..., np.ndarray] = scaled,
) -> Spectra:
    """Decompose the kernel of a layer's delayed features for every outer split and inner fold.

    Columns are scaled on the outer split's training rows, delayed, and centred on the training rows of each fold, as
    himalaya does it with an intercept. The kernel's mean training diagonal is about 1.

    Parameters
    ----------
    features : float array (n_grid, n_columns), see `triphase.encoding.bands.word_scans`
        float32 is computed in float32, float64 in float64.
    rows : int array (n_scans,)
    delays : list of int, scans
    outer : int8 array (n_splits, n_scans) of codes
    inner : list of int8 arrays (n_folds, n_scans)
    backend : str, himalaya backend or "auto"
    scale : function of (features, training rows of the grid), see `triphase.encoding.guards.scaled`

    Returns
    -------
    Spectra

    Raises
    ------
    InputError
        A layer without columns; a split or fold without rows, or whose features do not vary over its training rows.
    """
    library = set_backend(backend)
    if not features.shape[1]:
        raise InputError("encoding: the layer's band has no columns")

    def of_split(split):
        # The same order as everywhere in the field: columns are scaled first and delayed then.
        values = scale(features, rows[outer[split] == TRAIN]) / np.sqrt(len(delays))
        values, used = values.astype(features.dtype, copy=False), np.flatnonzero(outer[split] != UNUSED)
        make = spectrum_maker(library, values, rows[used], delays, (inner[split] == TRAIN).sum(1).min())

        def made(train, other, name):
            places = (np.searchsorted(used, side) for side in (train, other))
            return replace(make(*places, name), train=train, other=other)

        return made

    finals, folds = _per_mask(of_split, outer, inner)
    return Spectra(finals, folds, library.name)


def spectrum_maker(
    library: ModuleType, values: np.ndarray, rows: np.ndarray, delays: list[int], fewest: int
) -> Callable[..., Spectrum]:
    """Function that decomposes the kernel of delayed columns, centred on training rows, for any such rows and others.

    Parameters
    ----------
    library : module, himalaya backend
    values : float array (n_grid, n_columns), scaled
    rows : int array (n_scans,)
    delays : list of int, scans
    fewest : int
        Training rows of the smallest fold, by which the covariance of few columns or the kernel is decomposed.

    Returns
    -------
    function of (training rows, other rows, name in messages) returning a Spectrum; see `eigen` for what it raises
    """
    if values.shape[1] * len(delays) <= PRIMAL * fewest:
        return partial(_of_columns, library, library.asarray(delay(values, rows, delays)))
    return partial(_of_kernel, library, gram(library.asarray(values), rows, delays))


def _per_mask(of_split, outer, inner):
    """A spectrum of every outer mask, and lists of those of its inner masks."""

    def made(make, mask, name):
        return make(*_sides(mask, name), name)

    finals, folds = [], []
    for split, (mask, masks) in enumerate(zip(outer, inner, strict=True)):
        make = of_split(split)
        finals.append(made(make, mask, f"split {split}"))
        folds.append([made(make, m, f"split {split}, inner fold {fold}") for fold, m in enumerate(masks)])
    return finals, folds


def _of_kernel(library, kernel, train, other, name):
    """Spectrum of a kernel (n_scans, n_scans) over its training rows."""
    inside, across = kernel[train][:, train], kernel[other][:, train]
    columns = library.mean_float64(inside, 0)
    across = across - library.mean_float64(across, 1)[:, None] - columns + columns.mean()
    inside = inside - columns[:, None] - columns + columns.mean()
    eigenvalues, vectors = eigen(library, inside, name)
    return Spectrum(train, other, vectors, eigenvalues, across @ vectors)


def _of_columns(library, columns, train, other, name):
    """Spectrum of the kernel of few columns (n_scans, n_columns), from their covariance in float64: U = X V L^-1/2."""
    centred = library.asarray(columns[np.concatenate([train, other])], dtype="float64")
    centred = centred - centred[: len(train)].mean(0)
    inside, across = centred[: len(train)], centred[len(train) :]
    eigenvalues, loadings = eigen(library, inside.T @ inside, name)
    # A direction without variance has no vector of unit length, and predicts nothing.
    kept = np.flatnonzero(eigenvalues > eigenvalues[-1] * len(centred) * np.finfo(np.float64).eps)
    eigenvalues, loadings = eigenvalues[kept], loadings[:, kept]
    root, cast = library.asarray(np.sqrt(eigenvalues)), partial(library.asarray, dtype=dtype_name(columns))
    return Spectrum(train, other, cast(inside @ loadings / root), eigenvalues, cast(across @ loadings * root))


def eigen(library: ModuleType, matrix: Any, name: str) -> tuple[Any, Any]:
    """Eigenvalues, ascending (numpy, float64), and eigenvectors of a symmetric matrix on himalaya's backend.

    Where float32 fails, or leaves negative eigenvalues that are more than rounding, the matrix is decomposed in
    float64, and where that fails too by its singular values. A log line says so.
    """
    if not float(matrix.diagonal().sum()) > 0:
        raise InputError(f"encoding: {name}: the features do not vary over the training rows, or are not finite")
    for how, solve in (
        ("float32", library.eigh),
        ("float64", library.eigh),
        ("singular values", partial(_svd, library)),
    ):
        if how == "float32" != dtype_name(matrix):
            continue
        try:
            values, vectors = solve(library.asarray(matrix, dtype="float32" if how == "float32" else "float64"))
            values = np.asarray(library.to_numpy(values), dtype=np.float64)
            if np.isfinite(values).all() and -values[0] <= ROUNDING * values.mean():
                return values, library.asarray(vectors, dtype=dtype_name(matrix))
            problem = f"its smallest eigenvalue is {values[0]:.3g}, its mean {values.mean():.3g}"
        except (RuntimeError, np.linalg.LinAlgError) as error:
            problem = str(error).splitlines()[-1]
        log.warning("%s: the kernel is ill-conditioned in %s (%s); next is a slower way", name, how, problem)
    raise InputError(f"encoding: {name}: the kernel cannot be decomposed; are the features finite?")


def _svd(library, matrix):
    """Singular values of a positive matrix as its eigenvalues, ascending."""
    vectors, values, _ = library.svd(matrix)
    return library.flip(values, 0), library.flip(vectors, 1)


def _sides(mask, name):
    train, other = np.flatnonzero(mask == TRAIN), np.flatnonzero(mask == HELD_OUT)
    if not len(train) or not len(other):
        raise InputError(f"encoding/split: {name} has {len(train)} training and {len(other)} held-out scans")
    return train, other


def dtype_name(array: Any) -> str:
    """Name of a dtype, the same for numpy and torch."""
    return str(array.dtype).removeprefix("torch.")
