"""Standard errors of proportions, and of means of bounded scores, that stay above zero when all answers are alike."""

import numpy as np
from numpy.typing import ArrayLike

from triphase.stats.intervals import LEVEL

Z2 = 1.959963984540054**2


def standard_error(scores: ArrayLike, low: float = 0.0, high: float = 1.0) -> float:
    """Standard error of a mean of scores in [low, high] that stays above zero when all scores are equal.

    z²/2 pseudo-observations (z = 1.96) are added at each bound, as Agresti and Coull (1998) do for a proportion: for
    scores of 0 and 1 the result is theirs.

    Parameters
    ----------
    scores : array (n,)
    low, high : float, bounds of a score

    Returns
    -------
    float; NaN where n is 0
    """
    scores = np.asarray(scores, dtype=float)
    total = scores.size + Z2
    if not scores.size:
        return float("nan")
    mean = (scores.sum() + Z2 / 2 * (low + high)) / total
    squares = ((scores - mean) ** 2).sum() + Z2 / 2 * ((low - mean) ** 2 + (high - mean) ** 2)
    return float(np.sqrt(squares) / total)


def agresti_coull(successes: int, n: int) -> float:
    """Agresti-Coull (1998) standard error of a proportion, at 95 %: above zero also for 0 of n and n of n."""
    return standard_error(np.repeat([1.0, 0.0], [successes, n - successes]))


def clopper_pearson(successes: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Exact interval of proportions (Clopper and Pearson 1934): the lower and the upper bounds."""
    from scipy.stats import beta

    k, n, tail = np.asarray(successes), np.asarray(n), (1 - level) / 2
    low, high = beta.ppf(tail, k, n - k + 1), beta.isf(tail, k + 1, n - k)
    return np.where(k > 0, low, 0.0), np.where(k < n, high, 1.0)
