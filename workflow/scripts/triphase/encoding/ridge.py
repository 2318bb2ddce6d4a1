"""Banded ridge regression around splits that are given: one wide band, bands of low rank, penalties per voxel."""

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from triphase.core.errors import InputError
from triphase.encoding.deletions import Deletions, Refit
from triphase.encoding.kernels import Spectra, dtype_name, himalaya_backend, set_backend
from triphase.encoding.search import Grid

log = logging.getLogger(__name__)

# Columns of all low-rank bands per training row above which himalaya's own solver is not slower.
LOW_RANK = 0.25
# Share of voxels at the smallest penalty from which on it is told.
EDGE = 0.05
# Random weightings per share, for four bands and more.
DRAWS = 20


def penalties(alphas: list[float]) -> np.ndarray:
    """The grid that `encoding/alphas` stands for: [exponent of the least, of the largest, number], base 10."""
    low, high, number = alphas
    return np.logspace(low, high, int(number))


def standardise(band: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Z-score columns with the mean and deviation of the training rows, then divide by the root of their number.

    The division gives every band's kernel a mean training diagonal of 1, so that band weights and penalties mean the
    same for bands of different width. Constant columns become zero.
    """
    mean, deviation = band[training].mean(0), band[training].std(0)
    scaled = (band - mean) / np.where(deviation > 1e-6 * (np.abs(mean) + 1e-12), deviation, np.inf)
    return scaled / np.sqrt(max(band.shape[1], 1))


@dataclass(frozen=True, eq=False)
class Search:
    """The grid of hyperparameters that a fit searches, and how.

    Attributes
    ----------
    alphas : array (n_alphas,)
    weights : array (n_weightings, n_bands)
        Kernel weights, as himalaya's `gammas`: the fit has kernel sum(weight * kernel) and penalty alpha. Weightings
        with the same weight of the wide band share its products.
    solver : str
        "lowrank" (`triphase.encoding.lowrank`), "himalaya" (its random search, the reference), or "auto": himalaya
        where the bands beside the wide one are not of low rank.
    score : str, "r2" or "correlation", by which hyperparameters are chosen
    names : list of str, optional, of the bands in messages
    """

    alphas: np.ndarray
    weights: np.ndarray
    solver: str = "auto"
    score: str = "r2"
    names: list[str] | None = None


def fit_bands(
    spectra: Spectra | None,
    low_rank: list[np.ndarray],
    responses: np.ndarray,
    outer: np.ndarray,
    inner: list[np.ndarray],
    search: Search,
    deletions: Deletions | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit banded ridge on every outer split and predict its held-out scans, band by band.

    Penalty and band weights are chosen per voxel on the inner folds, over the full grid of weights and alphas, as
    himalaya's `solve_multiple_kernel_ridge_random_search` does it (Dupre la Tour et al. 2022). To be called once per
    batch of voxels with the same spectra.

    Parameters
    ----------
    spectra : triphase.encoding.kernels.Spectra, or None where there is no wide band
    low_rank : list of float arrays (n_scans, n_columns), or (n_splits, n_scans, n_columns) where they differ by split
        Delayed features, unscaled; standardised here on training rows.
    responses : float array (n_scans, n_targets)
        A voxel that is constant or not finite in an outer split's training rows gets NaN there.
    outer : int8 array (n_splits, n_scans)
    inner : list of int8 arrays (n_folds, n_scans), one per outer split
    search : Search
    deletions : Deletions, optional
        Takes in the predictions without each group of training scans.

    Returns
    -------
    predictions : float array (n_bands, n_scans, n_targets)
        The wide band first. Without an intercept, NaN where a scan is never held out.
    fit : dict
        alpha (n_splits, n_targets); weight (n_splits, n_bands, n_targets), summing to 1 over bands;
        cv_score (n_targets,): inner score at the chosen grid point, averaged over splits; solvers, a set of those used.

    Raises
    ------
    InputError
        A band without columns, a penalty or weight that is not possible, a fold without scans or variance, predictions
        that overflow.
    """
    weights, alphas = np.atleast_2d(np.asarray(search.weights, float)), np.asarray(search.alphas, float)
    _check(spectra, low_rank, alphas, weights, search.names)
    library = set_backend(spectra.backend if spectra else "numpy")
    if spectra is None:
        # A wide band without a weight, so that there is one way for all.
        spectra, found = Spectra.empty(outer, inner, responses.dtype), slice(1, None)
        weights = np.column_stack([np.zeros(len(weights)), weights])
    else:
        found = slice(None)
    search = replace(search, alphas=alphas, weights=weights)
    shape = responses.shape[1]
    predictions = np.full((len(weights.T), *responses.shape), np.nan, dtype_name(spectra.finals[0].vectors))
    fit: dict[str, Any] = {name: np.full((len(outer), shape), np.nan) for name in ("alpha", "cv_score")}
    fit |= {"weight": np.full((len(outer), len(weights.T), shape), np.nan), "solvers": set()}
    for split, (final, folds) in enumerate(zip(spectra.finals, spectra.folds, strict=True)):
        bands = [standardise(band if band.ndim == 2 else band[split], final.train) for band in low_rank]
        varies = varying(responses[final.train])
        # A slice where all are valid, so that nothing is copied.
        valid: Any = slice(None) if varies.all() else np.flatnonzero(varies)
        y = responses[:, valid].astype(predictions.dtype, copy=False)
        if not y.shape[1]:
            continue
        for number, fold in enumerate(folds):
            if not (any_varies(y, fold.train) and any_varies(y, fold.other)):
                raise InputError(f"encoding/split: split {split}, inner fold {number}: no response varies")
        narrow = sum(band.shape[1] for band in bands) <= LOW_RANK * len(final.train) or not len(final.eigenvalues)
        used = search.solver if search.solver != "auto" else "lowrank" if narrow else "himalaya"
        fit["solvers"].add(used)
        fitted = {"lowrank": _fit_lowrank, "himalaya": _fit_himalaya}[used]
        made, alpha, weight, best = fitted(library, final, folds, bands, y, search)
        if not all(np.isfinite(part.sum(dtype=np.float64)) for part in made):
            raise InputError(
                f"encoding/alphas: predictions overflow with penalties of {alphas.min():g} to {alphas.max():g}, whose "
                "log10 the key gives; raise the first of its numbers"
            )
        for place, part in zip(predictions, made, strict=True):
            place[final.other[:, None] if isinstance(valid, np.ndarray) else final.other, valid] = part
        fit["alpha"][split, valid], fit["cv_score"][split, valid] = alpha, best
        fit["weight"][split][:, valid] = weight / weight.sum(0)
        _warn_edges(alpha, alphas)
        if deletions is not None:
            deletions.add(Refit(library, final, bands, y, alpha, weight), made.sum(0), valid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a voxel may have no score in any split
        fit["cv_score"] = np.nanmean(fit["cv_score"], axis=0)
    return predictions[found], fit | {"weight": fit["weight"][:, found]}


def _fit_lowrank(library, final, folds, bands, y, search):
    """One outer split by `triphase.encoding.lowrank`; see `_fit_himalaya`."""
    grid = Grid(library, bands, search.alphas, search.weights, y)
    penalty, weighting, highest = grid.search(folds, search.score)
    made = np.empty((len(bands) + 1, len(final.other), y.shape[1]), y.dtype)

    def predict(solution, voxels, *chosen):
        coordinates, beta = solution.solve(*chosen)
        made[0, :, voxels] = library.to_numpy(solution.spectrum.cross @ coordinates).T
        for band, columns in enumerate(grid.columns, 1):
            made[band, :, voxels] = library.to_numpy(solution.across[:, columns] @ beta[columns]).T

    grid.refit(final, penalty, weighting, predict)
    return made, search.alphas[penalty], search.weights[weighting].T, highest[weighting, np.arange(len(weighting))]


def _fit_himalaya(library, final, folds, bands, y, search):
    """One outer split by himalaya's random search over kernels.

    Returns
    -------
    predictions : array (n_bands, m, n_targets)
    alpha : array (n_targets,)
    weight : array (n_bands, n_targets)
    best : array (n_targets,), score of the chosen grid point
    """
    from himalaya import scoring
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search

    himalaya_backend(library.name)
    eigenvalues = library.asarray(np.maximum(final.eigenvalues, 0), dtype=str(y.dtype))
    kernels = [(final.vectors * eigenvalues) @ final.vectors.T]
    across = [final.cross @ final.vectors.T]
    for band in bands:
        band = library.asarray(band, dtype=str(y.dtype))
        kernels.append(band[final.train] @ band[final.train].T)
        across.append(band[final.other] @ band[final.train].T)
    with np.errstate(divide="ignore"):  # a weight of 0 has a log weight of minus infinity, which is right
        deltas, dual, scores, chosen, _ = solve_multiple_kernel_ridge_random_search(
            library.stack(kernels),
            library.asarray(y[final.train]),
            n_iter=library.asarray(search.weights, dtype=str(y.dtype)),
            alphas=library.asarray(search.alphas, dtype=str(y.dtype)),
            score_func={"r2": scoring.r2_score, "correlation": scoring.correlation_score}[search.score],
            cv=GivenFolds(final, folds),
            fit_intercept=True,
            return_weights="dual",
            return_alphas=True,
            progress_bar=False,
        )
    deltas, chosen = library.to_numpy(library.exp(deltas)), library.to_numpy(chosen)
    made = np.stack([library.to_numpy(kernel @ library.asarray(dual)) for kernel in across]) * deltas[:, None]
    return made, chosen, deltas * chosen, library.to_numpy(scores).max(0)


class GivenFolds:
    """himalaya's cross-validation interface over folds that are given, counted in training rows."""

    def __init__(self, final: Any, folds: list[Any]):
        self.folds = [tuple(np.searchsorted(final.train, rows) for rows in (f.train, f.other)) for f in folds]

    def get_n_splits(self, *_: Any) -> int:
        """Number of folds."""
        return len(self.folds)

    def split(self, *_: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (train, validation) rows."""
        yield from self.folds


def weight_grid(shares: ArrayLike, n_bands: int = 2, seed: int = 0) -> np.ndarray:
    """Kernel weights to try, over the shares that the first band may have.

    Two bands: the rest is the second's. Three: the rest is divided between the others by the same shares. Four and
    more: it is divided at random, Dirichlet(1), 20 times for each share.

    Parameters
    ----------
    shares : list of float in [0, 1]
    n_bands : int
    seed : int, of the random ones

    Returns
    -------
    float64 array (n_weightings, n_bands)
        The first band's weight is 1, so that all weightings share its products, or 0 where its share is.
    """
    shares = np.unique(np.asarray(shares, dtype=float))
    if n_bands == 1:
        return np.ones((1, 1))
    if not len(shares) or shares[0] < 0 or shares[-1] > 1:
        raise InputError(f"encoding/band_weights: {shares.tolist()}; at least one share is needed, each from 0 to 1")
    if n_bands == 2:
        divisions = np.ones((1, 1))
    elif n_bands == 3:
        divisions = np.column_stack([shares, 1 - shares])
    else:
        divisions = np.random.default_rng(seed).dirichlet(np.ones(n_bands - 1), DRAWS)
    rows = []
    for share in shares:
        rest = divisions if share < 1 else 0 * divisions[:1]
        rows.append(np.column_stack([np.full(len(rest), min(share, 1.0) and 1.0), (1 - share) / (share or 1) * rest]))
    return np.concatenate(rows)


def varying(responses: np.ndarray) -> np.ndarray:
    """Voxels (n_targets,) that are finite and not constant over the rows."""
    low, high = responses.min(0), responses.max(0)
    return np.isfinite(low) & np.isfinite(high) & (high > low)


def any_varies(y: np.ndarray, rows: np.ndarray, size: int = 256) -> bool:
    """Whether any voxel varies over the rows; the first few tell it as a rule."""
    return any(varying(y[rows, begin : begin + size]).any() for begin in range(0, y.shape[1], size))


def _check(spectra, low_rank, alphas, weights, names):
    count = len(low_rank) + (spectra is not None)
    for position, band in enumerate(low_rank, count - len(low_rank)):
        if not band.shape[-1]:
            raise InputError(f"encoding: band {(names or range(count))[position]!r} has no columns")
        if not np.isfinite(band).all():
            raise InputError(f"encoding: band {(names or range(count))[position]!r} has values that are not finite")
    check_grid(alphas, weights, count)


def check_grid(alphas: np.ndarray, weights: np.ndarray, count: int) -> None:
    """Refuse penalties (n_alphas,) and weights (n_weightings, n_bands) that are not possible for `count` bands."""
    if alphas.ndim != 1 or not len(alphas) or not (np.isfinite(alphas) & (alphas > 0)).all():
        raise InputError(f"encoding/alphas: {alphas.tolist()}; each penalty must be a number above 0")
    if weights.shape[1] != count or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any(1).all():
        raise InputError(
            f"encoding/band_weights: {weights.tolist()}; each weighting must have {count} numbers, one per band, "
            "none below 0 and not all 0"
        )


def _warn_edges(chosen, alphas):
    """The smallest penalty at the edge means an underregularised grid; the largest is where unpredictable voxels go."""
    share = float((chosen <= np.min(alphas) * 1.001).mean())
    if share > EDGE:
        log.warning(
            "%.0f %% of voxels chose the smallest penalty %g: widen encoding/alphas", 100 * share, np.min(alphas)
        )
