"""Scores against the gap beside held-out blocks, as `measure_gap` writes them, and the interval of their mean."""

import numpy as np
from scipy.stats import t

# From so many subjects on, an interval of their mean is drawn.
LEAST_SUBJECTS = 10


def scores(gap: dict, roi: str, band: str) -> np.ndarray:
    """Scores of one region and band: float array (n_subjects, n_gaps)."""
    return np.array([row["r"] for row in gap["rows"] if (row["roi"], row["band"]) == (roi, band)], float)


def interval(values: np.ndarray) -> np.ndarray:
    """Half the width of the 95 % interval of a mean over subjects (Student's t); values (n_subjects, n_gaps)."""
    number = len(values)
    return t.ppf(0.975, number - 1) * values.std(axis=0, ddof=1) / np.sqrt(number)
