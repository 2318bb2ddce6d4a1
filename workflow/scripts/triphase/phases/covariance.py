"""Covariance of a curve over checkpoints, from paired draws of few blocks.

However many draws are made of B held-out blocks, they hold B - 1 independent deviations (the *freedom*). A plain
covariance of more checkpoints than that is singular, and generalised least squares that trusts it lies beside its
points with errors far too small. So what neighbouring checkpoints tell of each other is used [ours]:

- correlations are shrunk towards a smooth function of the distance on the grid, a constant and an exponential decay, by
  the weight that minimises their expected squared error (Schäfer and Strimmer 2005, "A shrinkage approach to
  large-scale covariance matrix estimation", Stat Appl Genet Mol Biol 4), which falls as the freedom grows;
- log variances are shrunk towards a local line over the grid, as far as they differ from it no more than estimates of
  this freedom do;
- intervals use Student's t with the freedom that the smoothed variances have: as many independent deviations as each is
  made of, which is the blocks' own where checkpoints are fully correlated, and more where they are not.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

REACH = 1.5  # standard deviation of the smoother's weights, in checkpoints
DECAYS = (0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # of the correlation from one checkpoint to the next
MOST_SHARED = 0.99  # largest correlation of two checkpoints by the smooth function
FEWEST = 3  # checkpoints that a local line needs
LEAST_EIGENVALUE = 1e-6  # of a correlation matrix


@dataclass(frozen=True)
class Noise:
    """Sampling covariance (n, n) of a curve's values, and the degrees of freedom of errors that follow from it."""

    covariance: np.ndarray
    freedom: float = np.inf


def estimate_noise(draws: np.ndarray, freedom: float) -> Noise:
    """Covariance of the columns of `draws` (draw, checkpoint).

    Parameters
    ----------
    draws : array (draw, n), finite
    freedom : float
        Independent deviations that the draws are made of, such as held-out blocks less one.
    """
    freedom = 1 / (1 / freedom + 1 / (len(draws) - 1))
    covariance = np.atleast_2d(np.cov(draws, rowvar=False))
    deviation = np.sqrt(np.diag(covariance))
    known = np.flatnonzero(deviation > 0)
    found = np.zeros_like(covariance)
    if not len(known):
        return Noise(found, freedom)
    own = deviation[known]
    correlation = shrink_correlations(covariance[np.ix_(known, known)] / np.outer(own, own), freedom)
    own, smoother = smooth_deviations(own, freedom)
    found[np.ix_(known, known)] = correlation * np.outer(own, own)
    # Estimates of two variances correlate as the square of what they are variances of.
    shared = np.einsum("ij,jk,ik->i", smoother, correlation**2, smoother).mean()
    return Noise(found, freedom / shared)


def shrink_correlations(correlation: np.ndarray, freedom: float) -> np.ndarray:
    """A correlation matrix (n, n) of so many degrees of freedom, shrunk towards a smooth function of the distance."""
    n = len(correlation)
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    pairs = distance > 0
    if not pairs.any():
        return correlation
    target = correlation_by_distance(correlation, distance)
    error = ((1 - correlation[pairs] ** 2) ** 2).sum() / freedom
    apart = ((correlation - target)[pairs] ** 2).sum()
    weight = min(error / apart, 1.0) if apart > 0 else 1.0
    values, vectors = np.linalg.eigh((1 - weight) * correlation + weight * target)
    shrunk = (vectors * np.maximum(values, LEAST_EIGENVALUE)) @ vectors.T
    scale = np.sqrt(np.diag(shrunk))
    return shrunk / np.outer(scale, scale)


def correlation_by_distance(correlation: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The matrix c + b d^distance that comes nearest to a correlation matrix, c and b at least 0; 1 on the diagonal."""
    places = np.arange(1, len(correlation))
    means = np.array([correlation[distance == place].mean() for place in places])
    pairs = np.sqrt(places[::-1])
    fits = []
    for decay in DECAYS:
        columns = np.column_stack([np.ones(len(places)), decay**places])
        weights, misfit = nnls(columns * pairs[:, None], means * pairs)
        fits.append((misfit, decay, weights))
    _, decay, (constant, falling) = min(fits, key=lambda fit: fit[0])
    excess = max((constant + falling * decay) / MOST_SHARED, 1.0)
    target = (constant + falling * decay**distance) / excess
    np.fill_diagonal(target, 1.0)
    return target


def smooth_deviations(deviation: np.ndarray, freedom: float) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (n,) smoothed over neighbouring checkpoints, and the smoother (n, n) of their log variances.

    The mean variance stays as it is.
    """
    n = len(deviation)
    if n < FEWEST:
        return deviation, np.eye(n)
    places, line = np.arange(n), np.empty((n, n))
    near = np.exp(-0.5 * (np.subtract.outer(places, places) / REACH) ** 2)
    for place, weights in enumerate(near):
        columns = np.column_stack([np.ones(n), places - place])
        line[place] = np.linalg.solve((columns.T * weights) @ columns, columns.T * weights)[0]
    logs = 2 * np.log(deviation)
    apart = ((logs - line @ logs) ** 2).mean()
    share = min(2 / freedom / apart, 1.0) if apart > 0 else 1.0  # 2 / freedom is the variance of a log variance
    smoother = (1 - share) * np.eye(n) + share * line
    smooth = np.exp(smoother @ logs / 2)
    return smooth * np.sqrt((deviation**2).mean() / (smooth**2).mean()), smoother
