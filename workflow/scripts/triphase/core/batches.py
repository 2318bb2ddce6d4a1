"""Many voxels, or anything else, a few at a time."""

import numpy as np


def slices(total: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover `total` elements, in order."""
    return [slice(begin, min(begin + size, total)) for begin in range(0, total, size)]


def start_of_sum() -> np.ndarray:
    """The zero that a sum of arrays starts at, which keeps their dtype: a float64 zero would widen float32."""
    return np.zeros((), np.float32)
