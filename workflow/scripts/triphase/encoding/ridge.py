"""Banded ridge regression with himalaya, around splits that are given."""

import logging
from pathlib import Path

import numpy as np

from triphase.encoding.folds import HELD_OUT, TRAIN
from triphase.errors import InputError

log = logging.getLogger(__name__)


def choose_backend(name="auto"):
    """Set himalaya's backend and return it.

    "auto" is CUDA where a GPU is visible and numpy elsewhere: importing torch alone costs more than a small fit, so it
    is only imported when a device node says that there is something to find.
    """
    from himalaya.backend import set_backend

    if name == "auto":
        name = "torch_cuda" if any(Path("/dev").glob("nvidia[0-9]*")) else "numpy"
    return set_backend(name, on_error="warn")


def standardise(band, training):
    """Z-score columns with the mean and deviation of the training rows, then divide by the root of their number.

    The division gives every band's kernel a mean training diagonal of 1, so that band weights and penalties mean the
    same for bands of different width. Constant columns become zero.
    """
    mean, deviation = band[training].mean(0), band[training].std(0)
    scaled = (band - mean) / np.where(deviation > 1e-6 * (np.abs(mean) + 1e-12), deviation, np.inf)
    return (scaled / np.sqrt(max(band.shape[1], 1))).astype(np.float32)


class GivenFolds:
    """himalaya's cross-validation interface over masks made by `triphase.encoding.folds`, counted in training rows."""

    def __init__(self, masks):
        self.folds = [(np.flatnonzero(mask == TRAIN), np.flatnonzero(mask == HELD_OUT)) for mask in masks]

    def get_n_splits(self, *_):
        """Number of folds."""
        return len(self.folds)

    def split(self, *_):
        """Yield (train, validation) rows."""
        yield from self.folds


def fit_bands(bands, responses, outer, inner, *, alphas, weights, backend="auto", names=None):
    """Fit banded ridge on every outer split and predict its held-out scans, band by band.

    Hyperparameters (penalty and band weights, per voxel) are chosen by R2 on the inner folds, over the full grid
    `weights` x `alphas`, by himalaya's `solve_multiple_kernel_ridge_random_search` (Dupre la Tour et al. 2022).

    Parameters
    ----------
    bands : list of float arrays (n_scans, n_columns)
        Delayed features, unscaled.
    responses : float32 array (n_scans, n_targets)
    outer : int8 array (n_splits, n_scans)
    inner : list of int8 arrays (n_folds, n_scans), one per outer split
    alphas : array (n_alphas,)
    weights : array (n_weightings, n_bands)
        Relative kernel weights to try.
    backend : str
        himalaya backend or "auto".

    Returns
    -------
    predictions : float32 array (n_bands, n_scans, n_targets)
        NaN where a scan is never held out.
    fit : dict
        alpha (n_splits, n_targets); weight (n_splits, n_bands, n_targets), summing to 1 over bands;
        cv_score (n_targets,): inner R2 at the chosen grid point, averaged over splits.

    Raises
    ------
    InputError
        A band has no columns.
    """
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from himalaya.scoring import r2_score

    for position, band in enumerate(bands):
        if not band.shape[1]:
            raise InputError(f"encoding: band {(names or range(len(bands)))[position]!r} has no columns")
    library = choose_backend(backend)
    predictions = np.full((len(bands), *responses.shape), np.nan, dtype=np.float32)
    fit = {"alpha": [], "weight": [], "cv_score": []}
    for mask, folds in zip(outer, inner, strict=True):
        train, test = np.flatnonzero(mask == TRAIN), np.flatnonzero(mask == HELD_OUT)
        scaled = [standardise(band, train) for band in bands]
        kernels = np.stack([band @ band[train].T for band in scaled])
        with np.errstate(divide="ignore"):  # a weight of 0 has a log weight of minus infinity, which is right
            deltas, dual, scores, chosen, _ = solve_multiple_kernel_ridge_random_search(
                kernels[:, train],
                responses[train],
                n_iter=np.asarray(weights, dtype=np.float32),
                alphas=np.asarray(alphas, dtype=np.float32),
                score_func=r2_score,
                cv=GivenFolds(folds[:, train]),
                fit_intercept=True,
                return_weights="dual",
                return_alphas=True,
                progress_bar=False,
            )
        scale, dual, chosen = np.exp(_numpy(library, deltas)), _numpy(library, dual), _numpy(library, chosen)
        # No intercept: scores centre predictions within each held-out run or block.
        for band, kernel in enumerate(kernels):
            predictions[band, test] = (kernel[test] @ dual) * scale[band]
        fit["alpha"].append(chosen)
        fit["weight"].append(scale / np.maximum(scale.sum(0), 1e-30))
        fit["cv_score"].append(_numpy(library, scores).max(0))
        _warn_edges(chosen, alphas)
    fit = {name: np.stack(values) for name, values in fit.items()}
    fit["cv_score"] = fit["cv_score"].mean(0)
    return predictions, fit


def weight_grid(shares):
    """Two-band weightings: each share for the first band, the rest for the second; array (n_shares, 2)."""
    shares = np.asarray(shares, dtype=float)
    return np.column_stack([shares, 1 - shares])


def _numpy(library, array):
    return np.asarray(library.to_numpy(array))


def _warn_edges(chosen, alphas):
    """The smallest penalty at the edge means an underregularised grid; the largest is where unpredictable voxels go."""
    share = float((chosen <= np.min(alphas) * 1.001).mean())
    if share > 0.05:
        log.warning(
            "%.0f %% of voxels chose the smallest penalty %g: widen encoding/alphas", 100 * share, np.min(alphas)
        )
