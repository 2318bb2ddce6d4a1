"""The fingerprints of one training run side by side, in the order of their steps."""

import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from triphase.checkpoints.integrity.mark import Fingerprint, rounding_of

# Tables that the code computes and some releases store: the same at every step by construction.
BUFFER = re.compile(r"(rotary_emb\.inv_freq|attention\.bias|attn\.bias|masked_bias|position_ids)$")


class Series:
    """Checkpoints that hold the same trainable tensors, sorted by step.

    Parameters
    ----------
    names : list of str, of the checkpoints
    steps : list of int
    marks : list of Fingerprint, cut to the tensors that all have with equal shape

    Attributes
    ----------
    points : float32 array, (checkpoint, point) sketches of all tensors behind one another
    starts : int array, where each tensor's points begin
    """

    def __init__(self, names: Sequence[str], steps: Sequence[int], marks: Sequence[Fingerprint]) -> None:
        order = np.argsort(steps, kind="stable")
        self.names = [names[at] for at in order]
        self.steps = np.array(steps)[order]
        self.marks = [marks[at] for at in order]
        self.tensors = self.marks[0].names
        self.starts = self.marks[0].starts
        self.points = np.stack([mark.sketch for mark in self.marks])
        self.lengths = np.diff(np.append(self.starts, self.points.shape[1]))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def hashes(self) -> np.ndarray:
        """Hashes as small numbers, (checkpoint, tensor)."""
        numbers: dict[str, int] = {}
        rows = [[numbers.setdefault(value, len(numbers)) for value in mark.hashes] for mark in self.marks]
        return np.array(rows, dtype=np.int64)

    @cached_property
    def squared(self) -> np.ndarray:
        """Mean squared difference over each tensor's sketch, float64 (tensor, checkpoint, checkpoint)."""
        found = np.empty((len(self.tensors), len(self), len(self)))
        for at, (start, length) in enumerate(zip(self.starts, self.lengths, strict=True)):
            values = self.points[:, start : start + length].astype(np.float64)
            values -= values[len(values) // 2]
            gram = values @ values.T
            norms = np.diag(gram)
            found[at] = np.maximum(norms[:, None] + norms - 2 * gram, 0) / max(length, 1)
            np.fill_diagonal(found[at], 0)
        return found

    def distance(self, tensors: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Root mean square over tensors of their distances in units of their own size, (checkpoint, checkpoint)."""
        chosen = np.arange(len(self.tensors)) if tensors is None else np.asarray(tensors)
        size = np.array([np.mean([m.mean[at] ** 2 + m.std[at] ** 2 for m in self.marks]) for at in chosen])
        weight = np.where(size > 0, 1 / np.maximum(size, 1e-30), 0) / max(len(chosen), 1)
        return np.sqrt(np.tensordot(weight, self.squared[chosen], 1))

    def excess(self, a: int, b: int, reach: float, kept: float) -> tuple[float, str]:
        """Largest difference of two checkpoints as a multiple of what an optimiser can have moved: (float, str).

        Compared are the sketches and the exact extremes: the largest value of a tensor can move no further than the
        values do. What decay can have taken (1 - kept) and what storage and 32-bit arithmetic round are granted first.
        """
        first, second = (
            (self.marks[a], self.marks[b]) if self.steps[a] <= self.steps[b] else (self.marks[b], self.marks[a])
        )
        rounding = max(rounding_of(dtype) for mark in (first, second) for dtype in set(mark.dtypes))
        shrink = 1 - kept + rounding + 2.0**-24 * abs(int(self.steps[b] - self.steps[a]))
        over = np.abs(second.sketch - first.sketch) - shrink * np.abs(first.sketch) - rounding * np.abs(second.sketch)
        per_tensor = np.maximum.reduceat(over, self.starts).astype(np.float64)
        for ends in ("minimum", "maximum"):
            one, two = getattr(first, ends), getattr(second, ends)
            per_tensor = np.fmax(per_tensor, np.abs(two - one) - shrink * np.abs(one) - rounding * np.abs(two))
        worst = int(np.argmax(per_tensor))
        if reach <= 0:
            return (np.inf if per_tensor[worst] > 0 else 0.0), self.tensors[worst]
        return float(per_tensor[worst] / reach), self.tensors[worst]


def trainable(mark: Fingerprint) -> list[int]:
    """Places of the tensors that training changes: floating-point, not computed by the code."""
    return [
        at
        for at, (name, dtype) in enumerate(zip(mark.names, mark.dtypes, strict=True))
        if "float" in dtype and not BUFFER.search(name)
    ]
