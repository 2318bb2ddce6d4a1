"""Voxels in tiles that fit in the caches of a CPU or the memory of a GPU."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from triphase.core.batches import slices

log = logging.getLogger(__name__)

# Bytes in which one tile of voxels is scored on a CPU, near its caches, and share of a GPU's free memory.
CPU_BYTES, GPU_SHARE = 2**25, 0.4
# Voxels of a tile, at least: products of fewer columns are slow.
FEWEST = 256


def tile_size(
    library: ModuleType, spectrum: Any, n_penalties: int, n_weightings: int, q: int, y: np.ndarray
) -> tuple[int, int]:
    """Voxels to work on at a time, and penalties, from the memory that there is."""
    n, m = len(spectrum.train), len(spectrum.other) + q
    if library.name == "torch_cuda":
        import torch

        budget, batch = GPU_SHARE * torch.cuda.mem_get_info()[0], n_penalties
    else:
        budget, batch = CPU_BYTES, min(n_penalties, 4)
    # Responses and U' Y, products, and what each penalty's scores are made of.
    floats = 3 * n + n_penalties * m + batch * (3 * m + 2 * n_weightings * q)
    return int(np.clip(budget // (floats * y.dtype.itemsize), FEWEST, max(y.shape[1], FEWEST))), batch


def in_tiles(library: ModuleType, n_targets: int, size: int, work: Callable[[slice], None]) -> None:
    """Call `work` with slices of up to `size` targets that cover them all.

    On numpy every core has a tile of its own, since most of numpy's operations keep only one core busy. Where a GPU's
    memory runs out tiles are halved, and work goes on.
    """
    if library.name == "numpy":
        limits = _threads()
        cores = max((entry["num_threads"] for entry in limits.info() if entry["user_api"] == "blas"), default=1)
        size = max(1, min(size, -(-n_targets // cores)))
        if cores == 1:
            for tile in slices(n_targets, size):
                work(tile)
            return
        with limits.limit(limits=1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
            list(pool.map(work, slices(n_targets, size)))
        return
    begin = 0
    while begin < n_targets:
        full = False
        try:
            work(slice(begin, begin + size))
        except RuntimeError as error:
            full = size > 1 and "out of memory" in str(error)
            if not full:
                raise
        # Outside of the handler, which keeps what the failed tile had allocated.
        if full:
            size //= 2
            log.warning("out of memory with %d voxels at a time; going on with %d", 2 * size, size)
        else:
            begin += size


@cache
def _threads():
    return ThreadpoolController()
