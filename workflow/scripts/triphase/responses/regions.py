"""Mean time courses of regions, read a few voxels at a time."""

from collections.abc import Iterable, Mapping

import numpy as np

from triphase.core.artefacts import CHUNKS
from triphase.core.batches import slices

# Bytes of responses in memory at a time.
READ_BYTES = 400_000_000
# Voxels of a chunk as `triphase.responses.subject` stores them.
STORED_VOXELS = CHUNKS[1]


def voxel_batches(n_voxels: int, n_scans: int, n_bytes: int = READ_BYTES) -> list[slice]:
    """Slices over voxels, each of a size that holds `n_scans` float32 values per voxel in about `n_bytes`."""
    size = int(max(n_bytes // (4 * max(n_scans, 1)), 1))
    # Whole chunks of the stored array, where several fit, so that none is unpacked twice.
    size = size // STORED_VOXELS * STORED_VOXELS or size
    return slices(n_voxels, size)


def region_means(
    parts: Iterable[tuple[slice, Mapping[str, np.ndarray]]], masks: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Mean over the valid voxels of each region.

    Parameters
    ----------
    parts : iterable of (slice, dict of run to float array (time, voxels of the slice))
        NaN where a voxel is not valid. Slices together cover all voxels, each once.
    masks : dict of region to bool array (voxel,)

    Returns
    -------
    means : dict of run to float64 array (time, region), NaN where a region has no valid voxel
    counts : int array (region,), valid voxels
    """
    sums: dict[str, np.ndarray] = {}
    counts = np.zeros(len(masks), int)
    for voxels, by_run in parts:
        valid = np.logical_and.reduce([np.isfinite(values).all(axis=0) for values in by_run.values()])
        inside = np.stack([mask[voxels] & valid for mask in masks.values()])
        counts += inside.sum(axis=1)
        weights = inside.T.astype(np.float32)
        for name, values in by_run.items():
            sums[name] = sums.get(name, 0) + (np.where(valid, values, 0) @ weights).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: np.where(counts > 0, total / counts, np.nan) for name, total in sums.items()}, counts
