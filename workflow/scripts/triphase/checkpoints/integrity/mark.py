"""The fingerprint of one checkpoint as an object: what all rules read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from triphase.core.types import Section

# What a rule says of a checkpoint, "ok", "fault", "not checked" or "not applicable", and the detail; and of a series.
Finding = tuple[str, str]
Findings = dict[str, Finding]

STATISTICS = ("mean", "std", "minimum", "maximum")


@dataclass(frozen=True)
class Fingerprint:
    """Tensors in the order of their names.

    names, files, dtypes, hashes : tuple of str; shapes : tuple of tuple of int
    count, nonfinite : int array; mean, std, minimum, maximum : float64 array, over the finite values
    sketch : float32 array, the tensors' sketches behind one another; starts : int array, where each begins
    weights : dict of file name to sha256 ("" if not known); tokenizer : dict; config : dict
    """

    names: tuple[str, ...]
    files: tuple[str, ...]
    dtypes: tuple[str, ...]
    hashes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    count: np.ndarray
    nonfinite: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    sketch: np.ndarray
    starts: np.ndarray
    weights: dict[str, str]
    tokenizer: Section
    config: Section

    def sketch_of(self, at: int) -> np.ndarray:
        """Sketch of one tensor by its place."""
        ends = [*self.starts[1:], len(self.sketch)]
        return self.sketch[self.starts[at] : ends[at]]

    def take(self, places: Sequence[int]) -> Fingerprint:
        """The same checkpoint with these tensors only, in this order."""
        parts = [self.sketch_of(at) for at in places]
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        texts: dict[str, Any] = {
            key: tuple(getattr(self, key)[at] for at in places)
            for key in ("names", "files", "dtypes", "hashes", "shapes")
        }
        arrays: dict[str, Any] = {key: getattr(self, key)[list(places)] for key in ("count", "nonfinite", *STATISTICS)}
        starts = np.cumsum(lengths) - lengths
        sketch = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return replace(self, **texts, **arrays, sketch=sketch, starts=starts)


def rounding_of(dtype: str) -> float:
    """Largest relative error of storing a number in a type."""
    return {"float32": 2.0**-24, "float16": 2.0**-11}.get(dtype, 2.0**-8)
