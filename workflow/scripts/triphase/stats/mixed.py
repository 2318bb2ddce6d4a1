"""Linear mixed models with a random intercept for each group, by maximum likelihood."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

# Bounds of the ratio of the intercepts' variance to that of the residuals, as log; below the lower one it is 0.
LOG_RATIO = (-16.0, 16.0)
SMALLEST = 1e-12  # residual variance as a share of the mean square of y; less is rounding


@dataclass(frozen=True)
class RandomIntercept:
    """A fitted model.

    Attributes
    ----------
    coefficients : float array (n_columns,)
    residual_variance : float
    ratio : float, variance of the intercepts as a share of the residual variance
    log_likelihoods : float array (n_groups,), in nats: groups are independent, so their sum is that of the data
    """

    coefficients: np.ndarray
    residual_variance: float
    ratio: float
    log_likelihoods: np.ndarray

    @property
    def log_likelihood(self) -> float:
        """That of all data, nats."""
        return float(self.log_likelihoods.sum())


def random_intercept(y: np.ndarray, design: np.ndarray, groups: np.ndarray) -> RandomIntercept:
    """Fit y = design b + intercept of the group + residual, all normal, by maximum likelihood (not REML).

    With one random intercept the covariance of a group of n rows is s² (I + c 1 1'), whose inverse and determinant are
    known, so that coefficients and s² follow from sums over groups for any c: one number is searched (Pinheiro and
    Bates 2000, section 2.2).

    Parameters
    ----------
    y : float array (n,)
    design : float array (n, n_columns), with a column of ones; of full rank
    groups : int array (n,), counted from 0 without gaps

    Raises
    ------
    ValueError : the columns of the design depend on each other, or leave no residual
    """
    size = np.bincount(groups).astype(float)
    both = np.column_stack([design, y])
    squares = both.T @ both
    sums = np.column_stack([np.bincount(groups, column) for column in both.T])
    columns, number = design.shape[1], len(y)
    smallest = SMALLEST * max(squares[-1, -1] / number, np.finfo(float).tiny)
    if np.linalg.matrix_rank(design / np.sqrt(np.diag(squares)[:-1])) < columns:
        raise ValueError("columns of the design depend on each other")

    def solve(ratio: float) -> tuple[np.ndarray, float, float]:
        share = ratio / (1 + ratio * size)
        weighted = squares - (sums * share[:, None]).T @ sums
        b = np.linalg.solve(weighted[:-1, :-1], weighted[:-1, -1])
        variance = max(float(weighted[-1, -1] - b @ weighted[:-1, -1]) / number, smallest)
        deviance = number * (np.log(2 * np.pi * variance) + 1) + np.log1p(ratio * size).sum()
        return b, variance, float(deviance)

    found = minimize_scalar(lambda x: solve(np.exp(x))[2], bounds=LOG_RATIO, method="bounded", options={"xatol": 1e-9})
    ratio = float(np.exp(found.x)) if found.fun < solve(0.0)[2] else 0.0
    b, variance, _ = solve(ratio)
    if variance <= smallest or np.log1p(ratio) > LOG_RATIO[1] - 1:
        raise ValueError("groups and columns of the design leave no residual")
    rest = y - design @ b
    within = np.bincount(groups, rest**2) - ratio / (1 + ratio * size) * np.bincount(groups, rest) ** 2
    each = -0.5 * (size * np.log(2 * np.pi * variance) + np.log1p(ratio * size) + within / variance)
    return RandomIntercept(b, variance, ratio, each)
