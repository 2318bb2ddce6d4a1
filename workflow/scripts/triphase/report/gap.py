"""Scores against the gap beside held-out blocks, as `measure_gap` writes them."""

import numpy as np

# From so many subjects on, an interval of their mean is drawn.
LEAST_SUBJECTS = 10


def scores(gap: dict, roi: str, band: str) -> np.ndarray:
    """Scores of one region and band: float array (n_subjects, n_gaps)."""
    return np.array([row["r"] for row in gap["rows"] if (row["roi"], row["band"]) == (roi, band)], float)
