"""Permutation of contiguous blocks of the held-out response: how far above chance a score is.

Works on the inner products of predicted and measured blocks, so that no draw ever forms its time series: a draw's score
is a sum of as many products as there are blocks, which is one product of a sparse indicator with them.

Null scores are widened by what blocks lose at their borders (`triphase.stats.resampling.seam_factor`): without this
p-values near 0.005, on which a false discovery rate rests, come 1.2 to 1.4 times as often as they say.
"""

from math import factorial, prod

import numpy as np
import scipy.sparse as sp

from triphase.core.batches import start_of_sum
from triphase.core.errors import InputError
from triphase.stats.resampling import Ints, distinct, group_sizes, normed, p_values, per_stretch, seam_factor
from triphase.stats.scoring import fisher_z

FEWEST = 100


def block_counts(segments: list[np.ndarray], groups: Ints, length: int) -> list[int]:
    """Whole blocks of at least `length` scans that fit each stretch; InputError when permutations would be too few."""
    counts = [len(rows) // length for rows in segments]
    if n_permutations(counts, groups) < FEWEST:
        raise InputError(
            f"encoding: held-out stretches of {[len(rows) for rows in segments]} scans hold {counts} blocks of "
            f"{length}: fewer than {FEWEST} permutations exist; hold out more"
        )
    return counts


def n_permutations(counts: Ints, groups: Ints) -> int:
    """Joint permutations of blocks that there are, the identity included."""
    return prod(factorial(size) for size in group_sizes(counts, groups))


def permutation_draws(counts: Ints, groups: Ints, n_draws: int, seed: int) -> list[np.ndarray]:
    """Distinct joint permutations of the blocks of each stretch, the identity excluded.

    Parameters
    ----------
    counts : list of int, blocks per stretch
    groups : list of int
        From `triphase.stats.resampling.segment_groups`: stretches of one group are permuted alike.
    n_draws : int, fewer are returned where fewer exist

    Returns
    -------
    list of int arrays (n_draws, count), one per stretch: for each place the block that is put there
    """
    sizes = group_sizes(counts, groups)
    generator = np.random.default_rng([seed, *sizes])
    draws = distinct(
        lambda: np.concatenate([generator.permutation(size) for size in sizes]),
        min(n_draws, n_permutations(counts, groups) - 1),
        np.concatenate([np.arange(size) for size in sizes]),
    )
    return per_stretch(draws, counts, groups)


def permutation_test(
    predictions: np.ndarray,
    responses: np.ndarray,
    segments: list[np.ndarray],
    orders: list[np.ndarray],
    families: np.ndarray | None = None,
    n_families: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test per voxel that r exceeds zero, by permuting contiguous blocks of the response within held-out stretches.

    The statistic is Fisher's z averaged over segments as in `triphase.stats.scoring.correlate`, on whole blocks of
    equal length (a segment's last few scans are left out, also of the observed value). Null scores of a segment are
    widened by its `seam_factor`.

    Parameters
    ----------
    predictions, responses : float arrays (n_scans, n_targets)
        `predictions` summed over bands.
    segments : list of int arrays
    orders : list of int arrays (n_draws, n_blocks), from `permutation_draws`
    families, n_families
        See `triphase.stats.resampling.p_values`.

    Returns
    -------
    z, p, largest
        As of `triphase.stats.resampling.p_values`.
    """
    total = sum(len(rows) for rows in segments)
    parts = [
        (rows[: len(rows) // order.shape[1] * order.shape[1]], order.shape[1], len(rows) / total, _indicator(order))
        for rows, order in zip(segments, orders, strict=True)
        if order.shape[1]
    ]

    def scores(batch: slice) -> tuple[np.ndarray, np.ndarray]:
        observed, null = start_of_sum(), start_of_sum()
        for rows, count, weight, indicator in parts:
            x, y = (normed(values[rows, batch]) for values in (predictions, responses))
            products = _block_products(x, y, count)
            observed = observed + weight * fisher_z(products[:: count + 1].sum(0))
            null = null + weight * fisher_z(indicator @ (products * seam_factor(x, y, len(rows) // count)))
        return observed, null

    return p_values(scores, responses.shape[1], families, n_families)


def _indicator(order: np.ndarray) -> sp.csr_array:
    """Sparse (n_draws, n_blocks squared): which products of blocks a draw sums."""
    n_draws, count = order.shape
    ones, starts = np.ones(order.size, dtype=np.float32), np.arange(0, order.size + 1, count)
    return sp.csr_array((ones, (np.arange(count) * count + order).ravel(), starts), shape=(n_draws, count**2))


def _block_products(x: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """Inner products of blocks, prediction block i with response block j in row i * count + j.

    float32 array (count squared, n_targets), NaN where a response is constant.
    """
    a, b = (values.reshape(len(values), count, -1) for values in (x, y))
    products = np.matmul(a, b.transpose(0, 2, 1)).reshape(len(x), -1)
    products[~y.any(1)] = np.nan
    return np.ascontiguousarray(products.T)
