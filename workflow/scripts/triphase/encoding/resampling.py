"""Block permutation and block bootstrap of held-out scores at frozen ridge weights.

Draws depend on the seed and on the held-out rows alone, so they are the same for every layer, checkpoint and model: a
difference between two checkpoints is a paired one. Both work on products summed over blocks, so that no draw ever forms
its time series again.
"""

from math import factorial, prod

import numpy as np

from triphase.encoding.scoring import fisher_z
from triphase.errors import InputError

# Voxels at a time: bounds the memory of draws x voxels.
VOXEL_BATCH = 4096


def block_length(response_acf, prediction_acf, minimum):
    """Scans per block: first lag where the product of autocorrelations is below 0.1, doubled, at least `minimum`."""
    product = response_acf * prediction_acf
    below = np.flatnonzero(product < 0.1)
    return max(minimum, 2 * (int(below[0]) if below.size else len(product)))


def segment_groups(segments, runs, stimuli):
    """Which held-out stretches heard the same thing: the same part of the same stimulus.

    Hearings of one story share the prediction and all that the story drives in the response, so they are permuted and
    drawn alike. Drawn apart they would count as independent evidence.

    Parameters
    ----------
    segments : list of int arrays
        Rows of each stretch.
    runs, stimuli : str arrays (n_scans,)

    Returns
    -------
    list of int: the group of each stretch, counted from 0
    """
    keys = []
    for rows in segments:
        offset = rows[0] - np.flatnonzero(runs == runs[rows[0]])[0]
        keys.append((str(stimuli[rows[0]]), int(offset), len(rows)))
    names = list(dict.fromkeys(keys))
    return [names.index(key) for key in keys]


def block_counts(segments, groups, length):
    """Whole blocks of at least `length` scans that fit each stretch; InputError when permutations would be too few."""
    counts = [len(rows) // length for rows in segments]
    if _permutations(counts, groups) < 100:
        raise InputError(
            f"encoding: held-out stretches of {[len(rows) for rows in segments]} scans hold {counts} blocks of "
            f"{length}: fewer than 100 permutations exist; hold out more"
        )
    return counts


def permutation_draws(counts, groups, n_draws, seed):
    """Distinct joint permutations of the blocks of each stretch, the identity excluded.

    Parameters
    ----------
    counts : list of int
        Blocks per stretch.
    groups : list of int
        From `segment_groups`: stretches of one group are permuted alike.
    n_draws : int
        Fewer are returned where fewer exist.

    Returns
    -------
    list of int arrays (n_draws, count), one per stretch: for each place the block that is put there
    """
    sizes = _group_sizes(counts, groups)
    n_draws = min(n_draws, _permutations(counts, groups) - 1)
    generator = np.random.default_rng([seed, *sizes])
    seen, draws = {tuple(np.concatenate([np.arange(size) for size in sizes]))}, []
    while len(draws) < n_draws:
        draw = tuple(np.concatenate([generator.permutation(size) for size in sizes]))
        if draw not in seen:
            seen.add(draw)
            draws.append(draw)
    per_group = np.split(np.array(draws), np.cumsum(sizes)[:-1], axis=1)
    return [per_group[group] for group in groups]


def _group_sizes(counts, groups):
    return [counts[groups.index(group)] for group in range(max(groups) + 1)]


def _permutations(counts, groups):
    return prod(factorial(size) for size in _group_sizes(counts, groups))


def permutation_p(predictions, responses, segments, orders):
    """p-value per voxel that r exceeds zero, by permuting contiguous blocks of the response within held-out stretches.

    The statistic is Fisher's z averaged over segments as in `triphase.encoding.scoring.correlate`, on whole blocks of
    equal length (a segment's last few scans are left out, also of the observed value). p = (b + 1) / (n + 1).

    Parameters
    ----------
    predictions, responses : float arrays (n_scans, n_targets)
        `predictions` summed over bands.
    segments : list of int arrays
    orders : list of int arrays (n_draws, n_blocks)
        From `permutation_draws`.

    Returns
    -------
    float array (n_targets,)
    """
    n_targets = responses.shape[1]
    exceed, n_draws = np.zeros(n_targets), len(orders[0])
    total = sum(len(rows) for rows in segments)
    for begin in range(0, n_targets, VOXEL_BATCH):
        batch = slice(begin, begin + VOXEL_BATCH)
        null, observed = 0.0, 0.0
        for rows, order in zip(segments, orders, strict=True):
            count = order.shape[1]
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
            indicator = np.zeros((n_draws, count, count), dtype=np.float32)
            place = np.arange(count)
            indicator[np.arange(n_draws)[:, None], place, order] = 1
            r = indicator.reshape(n_draws, -1) @ products.reshape(count * count, -1)
            null = null + len(rows) / total * fisher_z(r)
            observed = observed + len(rows) / total * fisher_z(products[place, place].sum(0))
        exceed[batch] = (null >= observed - 1e-7).sum(0)
    return (exceed + 1) / (n_draws + 1)


def bootstrap_draws(segments, groups, length, n_draws, seed):
    """How often each block of each stretch is drawn.

    One block fewer is drawn than there are, with replacement: with the usual number the variance over draws would be
    too small by (blocks - 1) / blocks, which matters for the few blocks of one scan (Rao and Wu 1988).

    Parameters
    ----------
    segments : list of int arrays
    groups : list of int
        From `segment_groups`: stretches of one group are drawn alike.
    length : int
        Scans per block, about: a stretch is cut into as many nearly equal blocks as fit.

    Returns
    -------
    blocks : list of list of int arrays
        Rows of each block of each stretch.
    counts : list of float32 arrays (n_draws, n_blocks)
    """
    blocks = [np.array_split(rows, max(len(rows) // length, 1)) for rows in segments]
    sizes = _group_sizes([len(b) for b in blocks], groups)
    generator = np.random.default_rng([seed, n_draws, *sizes])
    draws = [generator.multinomial(max(size - 1, 1), np.full(size, 1 / size), size=n_draws) for size in sizes]
    return blocks, [draws[group].astype(np.float32) for group in groups]


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
