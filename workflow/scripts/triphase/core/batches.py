"""Long rows of voxels, or of anything else, a few at a time."""

import numpy as np


def slices(total: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover `total` elements, in order."""
    return [slice(begin, min(begin + size, total)) for begin in range(0, total, size)]


def start_of_sum() -> np.ndarray:
    """Zero that a sum of arrays starts at and that leaves their dtype: one of float64 would widen float32."""
    return np.zeros((), np.float32)
