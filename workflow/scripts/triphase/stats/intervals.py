"""Intervals: how sure they are, how wide, and when the subjects of a study stand for others."""

import numpy as np
from numpy.typing import ArrayLike

# Probability that an interval holds the truth.
LEVEL = 0.95
# From so many on subjects are a sample of listeners and are resampled; fewer are fixed.
RESAMPLED_SUBJECTS = 10


def half_width(error: ArrayLike, freedom: float, level: float = LEVEL) -> np.ndarray:
    """Half the width of an interval around an estimate: its standard error times Student's t; NaN without freedom.

    Parameters
    ----------
    error : array, standard errors
    freedom : degrees of freedom
    level : probability that the interval holds the truth
    """
    from scipy.stats import t

    return (t.ppf((1 + level) / 2, freedom) if freedom > 0 else np.nan) * np.asarray(error)


def mean_half_width(values: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """`half_width` of the mean over the first axis of independent values (n, ...)."""
    return half_width(values.std(axis=0, ddof=1) / np.sqrt(len(values)), len(values) - 1, level)
