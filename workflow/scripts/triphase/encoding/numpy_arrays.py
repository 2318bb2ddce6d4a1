"""What is used here of himalaya's numpy backend, without himalaya: its import takes longer than a small fit."""

from typing import Any

import numpy as np
from numpy.linalg import eigh, svd

__all__ = [
    "asarray",
    "concatenate",
    "eigh",
    "einsum",
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
concatenate, einsum, exp, flip = np.concatenate, np.einsum, np.exp, np.flip
stack, zeros_like = np.stack, np.zeros_like


def asarray(values: Any, dtype: Any | None = None) -> np.ndarray:
    """The values as an array, copied only where their type differs."""
    return np.asarray(values, dtype=dtype)


def to_numpy(values: Any) -> np.ndarray:
    """The values as they are."""
    return values


def mean_float64(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Mean in double precision, in the type of the values."""
    return values.mean(axis, dtype=np.float64).astype(values.dtype, copy=False)
