"""The fingerprint of one checkpoint as an object: what all rules read."""

from dataclasses import dataclass, replace

import numpy as np

STATISTICS = ("mean", "std", "minimum", "maximum")


@dataclass(frozen=True)
class Fingerprint:
    """Tensors in the order of their names.

    names, files, dtypes, hashes : tuple of str; shapes : tuple of tuple of int
    count, nonfinite : int array; mean, std, minimum, maximum : float64 array, over the finite values
    sketch : float32 array, the tensors' sketches behind one another; starts : int array, where each begins
    weights : dict of file name to sha256 ("" if not known); tokenizer : dict; config : dict
    """

    names: tuple
    files: tuple
    dtypes: tuple
    hashes: tuple
    shapes: tuple
    count: np.ndarray
    nonfinite: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    sketch: np.ndarray
    starts: np.ndarray
    weights: dict
    tokenizer: dict
    config: dict

    def sketch_of(self, at):
        """Sketch of one tensor by its place."""
        ends = [*self.starts[1:], len(self.sketch)]
        return self.sketch[self.starts[at] : ends[at]]

    def take(self, places):
        """The same checkpoint with these tensors only, in this order."""
        parts = [self.sketch_of(at) for at in places]
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        texts = {key: tuple(getattr(self, key)[at] for at in places)
                 for key in ("names", "files", "dtypes", "hashes", "shapes")}  # fmt: skip
        arrays = {key: getattr(self, key)[list(places)] for key in ("count", "nonfinite", *STATISTICS)}
        starts = np.cumsum(lengths) - lengths
        sketch = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return replace(self, **texts, **arrays, sketch=sketch, starts=starts)
