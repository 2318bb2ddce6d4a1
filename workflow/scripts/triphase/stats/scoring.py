"""Correlation of predictions with held-out responses, averaged over runs or blocks, never over their concatenation."""

import numpy as np
from numpy.typing import ArrayLike

from triphase.core.batches import start_of_sum

# Fisher's z is infinite at r = 1; predictions that good do not occur in real data.
LARGEST_R = 1 - 1e-6
# A column whose variance is a smaller share of its mean square is constant, but for rounding.
CONSTANT = 1e-12


def correlate(
    predictions: np.ndarray, responses: np.ndarray, segments: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Pearson r per voxel, and its split over bands.

    r is computed inside each segment after centring there, and averaged by Fisher's z weighted by the segment's length.
    A band's split score is the part of r that its prediction carries (St-Yves and Naselaris 2018; himalaya's
    `correlation_score_split`); splits sum to the joint score also after averaging, because each segment's split is
    carried through z in proportion.

    Parameters
    ----------
    predictions : float array (n_bands, n_scans, n_targets)
    responses : float array (n_scans, n_targets)
    segments : list of int arrays, rows of each held-out run or block

    Returns
    -------
    joint : float64 array (n_targets,)
        0 where a prediction is constant; NaN where a response is constant in a segment, or anything is NaN.
    split : float64 array (n_bands, n_targets), summing to `joint`
    """
    z_split, total = start_of_sum(), 0
    for rows in segments:
        predicted, measured = centre(predictions[:, rows]), centre(responses[rows])
        joint = predicted.sum(0)
        scale = np.sqrt((joint**2).sum(0) * (measured**2).sum(0))
        split = np.einsum("btv,tv->bv", predicted, measured) / np.where(scale > 0, scale, np.inf)
        split[:, ~measured.any(0)] = np.nan
        z_split = z_split + len(rows) * split * _z_per_r(split.sum(0))
        total += len(rows)
    z_split = z_split / total
    z = z_split.sum(0)
    joint = np.tanh(z)
    return joint, z_split / np.where(np.abs(z) > 1e-12, z, 1.0) * np.where(np.abs(z) > 1e-12, joint, 1.0)


def signed_square(r: np.ndarray) -> np.ndarray:
    """Share of variance that a prediction explains, r², with the sign of r: noise is as often below 0 as above."""
    squared: np.ndarray = r * np.abs(r)
    return squared


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson r per column.

    Parameters
    ----------
    first, second : float arrays (time, voxel)

    Returns
    -------
    float array (voxel,), NaN where either is constant or not finite
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r: np.ndarray = (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return r


def fisher_z(r: ArrayLike) -> np.ndarray:
    """Fisher's z of r, clipped where r is +-1.

    Of arctanh numpy has no vectorised loop without AVX-512: its logarithm takes a ninth of the time, and is as exact as
    r itself is.
    """
    r = np.clip(r, -LARGEST_R, LARGEST_R)
    z: np.ndarray = np.log((1 + r) / (1 - r)) / 2
    return z


def _z_per_r(r: np.ndarray) -> np.ndarray:
    r = np.clip(r, -LARGEST_R, LARGEST_R)
    return np.where(np.abs(r) > 1e-6, np.arctanh(r) / np.where(r == 0, 1, r), 1.0)


def centre(values: np.ndarray) -> np.ndarray:
    """Arrays (…, n_scans, n_targets) less their mean over scans, in double precision; constant columns become 0."""
    values = values.astype(np.float64)
    mean = values.mean(axis=-2, keepdims=True)
    values -= mean
    constant = np.mean(values**2, axis=-2, keepdims=True) <= CONSTANT * mean**2
    return np.where(constant, 0.0, values)
