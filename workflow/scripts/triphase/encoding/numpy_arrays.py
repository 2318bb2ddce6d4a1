"""What is used here of himalaya's numpy backend, without himalaya: its import takes longer than a small fit."""

from typing import Any

import numpy as np
from scipy.linalg import eigh, svd

__all__ = [
    "asarray",
    "concatenate",
    "eigh",
    "exp",
    "flip",
    "mean_float64",
    "name",
    "stack",
    "svd",
    "to_numpy",
    "zeros_like",
]

name = "numpy"
concatenate, exp, flip, stack, zeros_like = np.concatenate, np.exp, np.flip, np.stack, np.zeros_like


def asarray(values: Any, dtype: Any | None = None) -> np.ndarray:
    """The values as an array, copied only where their type differs."""
    return np.asarray(values, dtype=dtype)


def to_numpy(values: Any) -> np.ndarray:
    """The values as they are."""
    return values


def mean_float64(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Mean in double precision, in the type of the values."""
    return values.mean(axis, dtype=np.float64).astype(values.dtype, copy=False)
