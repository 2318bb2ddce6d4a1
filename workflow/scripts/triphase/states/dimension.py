"""Intrinsic dimension of a cloud of points from distances to neighbours: TwoNN and GRIDE.

scikit-dimension has both estimators (tests hold its values), but finds neighbours anew for every estimate, gives errors
for independent points only, which words of a text are not, and takes a second to import at every checkpoint (numba,
200 MB). DADApy does not build with numpy 2. Here one search serves both estimators at all scales and their errors.
"""

from collections.abc import Sequence

import numpy as np

# Two vectors closer than this share of the cloud's root-mean-square radius are one point: their distance is rounding.
SAME_POINT = 1e-5
DISCARD = 0.1
BLOCKS = 20
# Neighbourhoods of more than this share of the points see the shape of the whole cloud.
LARGEST_SCALE = 1 / 8
# A plateau is three scales in a row whose dimensions differ by this share at most.
PLATEAU, SPREAD = 3, 0.05


def neighbour_distances(points: np.ndarray) -> np.ndarray:
    """Distances to the nearest neighbours of every distinct point.

    Repeated vectors count once (the embedding layer has one vector per word type, however often the word occurs).

    Parameters
    ----------
    points : array (n, features)

    Returns
    -------
    array (n_distinct, k), float64: ascending, in the order of the points; k is what the largest scale of `scales` needs
    """
    points = np.asarray(points, dtype=np.float64)
    points = points - points.mean(axis=0)
    norms = (points**2).sum(axis=1)
    squared = norms[:, None] + norms[None, :] - 2 * points @ points.T
    distinct = ~np.tril(squared <= SAME_POINT**2 * norms.mean(), -1).any(axis=1)
    squared = squared[np.ix_(distinct, distinct)]
    np.fill_diagonal(squared, np.inf)
    n = len(squared)
    nearest = min(2 * scales(n)[-1], n - 1)
    squared.partition(max(nearest - 1, 0), axis=1)
    return np.sqrt(np.sort(np.maximum(squared[:, :nearest], 0.0), axis=1))


def scales(n: int) -> np.ndarray:
    """Neighbours n1 = 1, 2, 4, … whose partner 2 n1 is at most an eighth of `n` points; always 1."""
    return 2 ** np.arange(max(int(np.log2(max(n * LARGEST_SCALE, 2))), 1))


def two_nn(distances: np.ndarray) -> tuple[float, float]:
    """Intrinsic dimension from the ratio of each point's second to first neighbour distance.

    TwoNN of Facco, d'Errico, Rodriguez and Laio (2017): the slope through the origin of -log(1 - F(mu)) on log mu, the
    largest 10 % of the ratios left out. Underestimates high dimensions at finite n (about 10 % for a cube of d = 10).

    Parameters
    ----------
    distances : array (n, k >= 2)
        From `neighbour_distances`.

    Returns
    -------
    dimension : float
        NaN with fewer than 20 points.
    se : float
        Jackknife over 20 blocks of consecutive points, so that the dependence of neighbouring words counts.
    """
    if len(distances) < BLOCKS:
        return np.nan, np.nan
    ratios = distances[:, 1] / distances[:, 0]
    blocks = np.array_split(np.arange(len(ratios)), BLOCKS)
    without = np.array([_slope(np.delete(ratios, block)) for block in blocks])
    return _slope(ratios), jackknife(without)


def _slope(ratios):
    n = len(ratios)
    kept = np.log(np.sort(ratios))[: int(n * (1 - DISCARD))]
    expected = -np.log1p(-np.arange(1, len(kept) + 1) / n)
    return float(kept @ expected / (kept @ kept))


def jackknife(without: Sequence[float] | np.ndarray) -> float:
    """Standard error from the estimates that leave out one block each."""
    without = np.asarray(without)
    return float(np.sqrt((len(without) - 1) / len(without) * ((without - without.mean()) ** 2).sum()))


def gride(distances: np.ndarray, n1: int) -> tuple[float, float]:
    """Intrinsic dimension from the ratio of each point's distances to its neighbours 2 n1 and n1.

    Maximum likelihood of Denti, Doimo, Laio and Mira (2022), with n - 1 in place of n before the logarithm of d, which
    makes it unbiased at n1 = 1, as in DADApy and scikit-dimension. A larger n1 looks at the cloud on a larger scale.

    Parameters
    ----------
    distances : array (n, k >= 2 n1)
        From `neighbour_distances`.
    n1 : int

    Returns
    -------
    dimension : float
        NaN with fewer than 20 points.
    se : float
        From the scores of 20 blocks of consecutive points: neighbouring words are dependent, and so are
        neighbourhoods that overlap.
    """
    if len(distances) < BLOCKS:
        return np.nan, np.nan
    # Equal distances, a ratio of 1, have no likelihood: the smallest ratio that has one stands for them.
    logs = np.maximum(np.log(distances[:, 2 * n1 - 1] / distances[:, n1 - 1]), 1e-12)
    low, high = np.log(1e-3), np.log(1e6)
    for _ in range(60):  # the likelihood is concave, so that its derivative has one root
        middle = (low + high) / 2
        d = np.exp(middle)
        low, high = (middle, high) if _scores(logs, n1, d).sum() > 1 / d else (low, middle)
    information = len(logs) / d**2 + (n1 - 1) * ((logs / (2 * np.sinh(np.minimum(d * logs / 2, 300)))) ** 2).sum()
    sums = np.array([part.sum() for part in np.array_split(_scores(logs, n1, d), BLOCKS)])
    return float(d), float(np.sqrt(((sums - sums.mean()) ** 2).sum() * BLOCKS / (BLOCKS - 1)) / information)


def _scores(logs, n1, d):
    """Derivative of each point's log-likelihood by d; `logs` are of its ratio."""
    return 1 / d + (n1 - 1) * logs / -np.expm1(-d * logs) - (2 * n1 - 1) * logs


def plateau(curve: Sequence[float]) -> int:
    """Place of the scale to report: the middle of the first three scales in a row that differ by 5 % at most.

    Below a plateau noise adds dimensions, above it curvature and borders do (Denti et al. 2022). Where no three scales
    are as even, the evenest three are taken.

    Parameters
    ----------
    curve : array (scales,)
        Dimension from the smallest scale to the largest.

    Returns
    -------
    int
        0 with fewer than three scales.
    """
    if len(curve) < PLATEAU:
        return 0
    windows = np.lib.stride_tricks.sliding_window_view(np.log(curve), PLATEAU)
    spread = np.ptp(windows, axis=1)
    even = np.flatnonzero(spread <= np.log1p(SPREAD))
    return int(even[0] if len(even) else spread.argmin()) + PLATEAU // 2
