"""Block permutation and block bootstrap of held-out scores at frozen ridge weights.

Draws depend on the seed and on the held-out rows alone, so they are the same for every layer, checkpoint and model: a
difference between two checkpoints is a paired one. Both work on products summed over blocks, so that no draw ever forms
its time series again.
"""

from math import factorial, prod

import numpy as np

from triphase.errors import InputError
from triphase.scoring import fisher_z

# Voxels at a time: bounds the memory of draws x voxels.
VOXEL_BATCH = 4096


def block_length(response_acf, prediction_acf, minimum):
    """Scans per block: first lag where the product of autocorrelations is below 0.1, doubled, at least `minimum`."""
    product = response_acf * prediction_acf
    below = np.flatnonzero(product < 0.1)
    return max(minimum, 2 * (int(below[0]) if below.size else len(product)))


def block_counts(segments, length):
    """Whole blocks of at least `length` scans that fit each segment; InputError when permutations would be too few."""
    counts = [len(rows) // length for rows in segments]
    if prod(factorial(count) for count in counts) < 100:
        raise InputError(
            f"encoding: held-out stretches of {[len(rows) for rows in segments]} scans hold {counts} blocks of "
            f"{length}: fewer than 100 permutations exist; hold out more"
        )
    return counts


def permutation_draws(counts, n_draws, seed):
    """Distinct joint permutations of the blocks of each segment, the identity excluded.

    Parameters
    ----------
    counts : list of int
        Blocks per segment.
    n_draws : int
        Fewer are returned where fewer exist.

    Returns
    -------
    int array (n_draws, sum of counts): for each place the block that is put there, numbered within its segment
    """
    n_draws = min(n_draws, prod(factorial(count) for count in counts) - 1)
    generator = np.random.default_rng([seed, *counts])
    seen = {tuple(np.concatenate([np.arange(count) for count in counts]))}
    draws = []
    while len(draws) < n_draws:
        draw = tuple(np.concatenate([generator.permutation(count) for count in counts]))
        if draw not in seen:
            seen.add(draw)
            draws.append(draw)
    return np.array(draws)


def permutation_p(predictions, responses, segments, counts, draws):
    """p-value per voxel that r exceeds zero, by permuting contiguous blocks of the response within held-out stretches.

    The statistic is Fisher's z averaged over segments as in `triphase.scoring.correlate`, on whole blocks of equal
    length (a segment's last few scans are left out, also of the observed value). p = (b + 1) / (n + 1).

    Parameters
    ----------
    predictions, responses : float arrays (n_scans, n_targets)
        `predictions` summed over bands.
    segments, counts, draws : as above

    Returns
    -------
    float array (n_targets,)
    """
    n_targets = responses.shape[1]
    exceed, starts = np.zeros(n_targets), np.cumsum([0, *counts])
    total = sum(len(rows) for rows in segments)
    for begin in range(0, n_targets, VOXEL_BATCH):
        batch = slice(begin, begin + VOXEL_BATCH)
        null, observed = 0.0, 0.0
        for rows, count, start in zip(segments, counts, starts, strict=False):
            if not count:
                continue
            length = len(rows) // count
            kept = rows[: length * count]
            x, y = (values[kept, batch].astype(np.float32) for values in (predictions, responses))
            x, y = x - x.mean(0), y - y.mean(0)
            norm = np.sqrt((x**2).sum(0) * (y**2).sum(0))
            # products[i, j]: prediction block i with response block j, per voxel
            products = np.einsum("ilv,jlv->ijv", x.reshape(count, length, -1), y.reshape(count, length, -1))
            products = products / np.where(norm > 0, norm, np.inf)
            indicator = np.zeros((len(draws), count, count), dtype=np.float32)
            place = np.arange(count)
            indicator[np.arange(len(draws))[:, None], place, draws[:, start : start + count]] = 1
            r = indicator.reshape(len(draws), -1) @ products.reshape(count * count, -1)
            null = null + len(rows) / total * fisher_z(r)
            observed = observed + len(rows) / total * fisher_z(products[place, place].sum(0))
        exceed[batch] = (null >= observed - 1e-7).sum(0)
    return (exceed + 1) / (len(draws) + 1)


def bootstrap_draws(segments, length, n_draws, seed):
    """How often each block of each segment is drawn.

    Parameters
    ----------
    segments : list of int arrays
    length : int
        Scans per block, about: a segment is cut into as many nearly equal blocks as fit.

    Returns
    -------
    blocks : list of list of int arrays
        Rows of each block of each segment.
    counts : list of float32 arrays (n_draws, n_blocks), each row summing to its segment's number of blocks
    """
    blocks = [np.array_split(rows, max(len(rows) // length, 1)) for rows in segments]
    generator = np.random.default_rng([seed, n_draws, *(len(rows) for rows in segments)])
    counts = [
        generator.multinomial(len(b), np.full(len(b), 1 / len(b)), size=n_draws).astype(np.float32) for b in blocks
    ]
    return blocks, counts


def bootstrap_r(predictions, responses, blocks, counts):
    """Correlation per draw and voxel under the block bootstrap: float32 array (n_draws, n_targets).

    Centring and norms are recomputed in every draw, from the blocks' sums.
    """
    total = sum(len(rows) for segment in blocks for rows in segment)
    z = 0.0
    for segment, count in zip(blocks, counts, strict=True):
        x = [predictions[rows].astype(np.float64) for rows in segment]
        y = [responses[rows].astype(np.float64) for rows in segment]
        n = count @ np.array([len(rows) for rows in segment], dtype=np.float64)[:, None]
        sums = [np.stack([f(a, b) for a, b in zip(x, y, strict=True)]) for f in _SUMS]
        sx, sy, sxx, syy, sxy = (count @ values for values in sums)
        spread = np.sqrt(np.maximum(sxx - sx * sx / n, 0) * np.maximum(syy - sy * sy / n, 0))
        r = (sxy - sx * sy / n) / np.where(spread > 0, spread, np.inf)
        z = z + sum(len(rows) for rows in segment) / total * fisher_z(r)
    return np.tanh(z).astype(np.float32)


_SUMS = (
    lambda x, y: x.sum(0),
    lambda x, y: y.sum(0),
    lambda x, y: (x * x).sum(0),
    lambda x, y: (y * y).sum(0),
    lambda x, y: (x * y).sum(0),
)
