"""Block bootstrap of held-out scores at frozen ridge weights, from sums over blocks of time.

A block's sums of prediction, response, their squares and products hold all that r of any set of blocks needs, centring
and norms included. They are stored with each fit, so that draws of scores, and of differences between checkpoints,
need no predictions later.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from triphase.core.batches import slices, start_of_sum
from triphase.stats.resampling import VOXEL_BATCH, Ints, group_sizes, normed, per_stretch, seam_factor
from triphase.stats.scoring import CONSTANT, centre, fisher_z

# Blocks that are stored, about: three numbers per voxel and block. More would make no interval better.
MOST_BLOCKS = 64
# A stretch is resampled in at least this many blocks.
FEWEST_BLOCKS = 4


def stored_length(segments: list[np.ndarray], length: int) -> int:
    """Scans per block: `length`, or longer where many scans are held out, for about `MOST_BLOCKS` blocks in all."""
    lengths = [len(rows) for rows in segments]
    return max(length, min(-(-sum(lengths) // MOST_BLOCKS), min(lengths) // FEWEST_BLOCKS))


def cut_blocks(segments: list[np.ndarray], length: int) -> list[list[np.ndarray]]:
    """Rows of the blocks of each stretch, as many nearly equal ones of at least `length` scans as fit, at least one.

    Returns
    -------
    list of list of int arrays
    """
    return [np.array_split(rows, max(len(rows) // length, 1)) for rows in segments]


def bootstrap_draws(sizes: Ints, groups: Ints, n_draws: int, seed: int) -> list[np.ndarray]:
    """How often each block of each stretch is drawn.

    One block fewer is drawn than there are, with replacement: with the usual number the variance over draws would be
    too small by (blocks - 1) / blocks, which matters for the few blocks of one scan (Rao and Wu 1988).

    Parameters
    ----------
    sizes : list of int, blocks of each stretch
    groups : list of int
        From `triphase.stats.resampling.segment_groups`: stretches of one group are drawn alike.

    Returns
    -------
    list of float32 arrays (n_draws, size), one per stretch
    """
    free = group_sizes(sizes, groups)
    generator = np.random.default_rng([seed, n_draws, *free])
    draws = [generator.multinomial(max(size - 1, 1), np.full(size, 1 / size), size=n_draws) for size in free]
    return per_stretch(np.concatenate(draws, axis=1).astype(np.float32), sizes, groups)


def response_sums(responses: np.ndarray, blocks: list[list[np.ndarray]]) -> np.ndarray:
    """Sums over each block of the response y, centred within its stretch, and of y squared.

    Parameters
    ----------
    responses : float array (n_scans, n_targets)
    blocks : list of list of int arrays, from `cut_blocks`

    Returns
    -------
    float32 array (2, n_blocks, n_targets); blocks of all stretches, one stretch after the other
    """
    parts = []
    for y in _of_blocks(responses, blocks):
        parts += [np.stack([part.sum(0), (part**2).sum(0)]) for part in y]
    return np.stack(parts, axis=1).astype(np.float32)


def prediction_sums(predictions: np.ndarray, responses: np.ndarray, blocks: list[list[np.ndarray]]) -> np.ndarray:
    """Sums over each block of the prediction x, centred within its stretch, of x squared and of x times y.

    Parameters
    ----------
    predictions : float array (…, n_scans, n_targets), summed over bands
    responses : float array (n_scans, n_targets)

    Returns
    -------
    float32 array (…, 3, n_blocks, n_targets)
    """
    parts = []
    for stretch in blocks:
        rows, sizes = np.concatenate(stretch), [len(part) for part in stretch]
        x = predictions[..., rows, :]
        y = centre(responses[rows]).astype(x.dtype)
        # The mean is that of sums up to rounding, by which r does not change, since y is centred.
        mean = x.mean(-2, keepdims=True)
        x -= mean
        found = np.stack([_block_sums(x, sizes), _block_sums(x, sizes, x), _block_sums(x, sizes, y)], axis=-3)
        constant = found[..., 1, :, :].sum(-2) <= CONSTANT * len(rows) * mean[..., 0, :] ** 2
        found[np.broadcast_to(constant[..., None, None, :], found.shape)] = 0
        parts.append(found)
    return np.concatenate(parts, axis=-2).astype(np.float32)


def _block_sums(x: np.ndarray, sizes: Sequence[int], y: np.ndarray | None = None) -> np.ndarray:
    """Sums of x, or of x times y, over consecutive blocks of rows: (…, n_rows, n) to (…, n_blocks, n)."""
    found, begin = [], 0
    for size, equal in groupby(sizes):
        # Blocks of one size in one go, which takes a tenth of `np.add.reduceat`.
        count = len(list(equal))
        rows = slice(begin, begin + count * size)
        a, *b = (
            values[..., rows, :].reshape(*values.shape[:-2], count, size, -1) for values in (x, y) if values is not None
        )
        found.append(np.einsum("...st,...st->...t", a, b[0]) if b else a.sum(-2))
        begin = rows.stop
    return np.concatenate(found, axis=-2)


def seams(predictions: np.ndarray, responses: np.ndarray, blocks: list[list[np.ndarray]]) -> np.ndarray:
    """How much wider scores spread than blocks say, over stretches: see `triphase.stats.resampling.seam_factor`.

    Parameters
    ----------
    predictions, responses : float arrays (n_scans, n_targets)
    blocks : list of list of int arrays

    Returns
    -------
    float32 array (n_targets,), at least 1; 1 where a prediction or response is constant
    """
    factors, scans = np.ones((len(blocks), responses.shape[1]), dtype=np.float32), []
    for factor, stretch in zip(factors, blocks, strict=True):
        rows = np.concatenate(stretch)
        scans.append(len(rows))
        for batch in slices(len(factor), VOXEL_BATCH):
            series = normed(predictions[rows, batch]), normed(responses[rows, batch])
            factor[batch] = seam_factor(*series, len(rows) // len(stretch))
    return np.average(factors, axis=0, weights=scans).astype(np.float32)


def _of_blocks(values: np.ndarray, blocks: list[list[np.ndarray]]) -> Iterator[list[np.ndarray]]:
    """Values centred within each stretch, block by block."""
    for stretch in blocks:
        sizes = np.cumsum([len(rows) for rows in stretch])[:-1]
        yield np.split(centre(values[np.concatenate(stretch)]), sizes)


def bootstrap_sums(x_sums: np.ndarray, y_sums: np.ndarray, scans: np.ndarray, counts: list[np.ndarray]) -> np.ndarray:
    """Correlation per draw and target, as `triphase.stats.scoring.correlate` has it, of blocks drawn so often.

    Parameters
    ----------
    x_sums : float array (3, n_blocks, n_targets), from `prediction_sums`
    y_sums : float array (2, n_blocks, n_targets), from `response_sums`
    scans : int array (n_blocks,), length of each block
    counts : list of float32 arrays (n_draws, size), one per stretch
        From `bootstrap_draws`; `every_block_once` gives the score itself.

    Returns
    -------
    float32 array (n_draws, n_targets)
    """
    borders = np.cumsum([count.shape[1] for count in counts])[:-1]
    sums = np.concatenate([x_sums, y_sums]).astype(np.float32, copy=False)
    r = np.empty((len(counts[0]), sums.shape[2]), dtype=np.float32)
    lengths = np.split(np.asarray(scans, dtype=np.float32), borders)
    for batch in slices(r.shape[1], VOXEL_BATCH):
        parts = np.split(sums[:, :, batch], borders, axis=1)
        r[:, batch] = average_r(
            [
                (n.sum(), count @ n[:, None], *(count @ part))
                for n, count, part in zip(lengths, counts, parts, strict=True)
            ]
        )
    return r


def whole_r(x_sums: np.ndarray, y_sums: np.ndarray, scans: np.ndarray, sizes: Ints) -> np.ndarray:
    """The correlation itself, from the sums of all blocks of each stretch.

    Parameters
    ----------
    x_sums, y_sums, scans
        See `bootstrap_sums`; `x_sums` (…, 3, n_blocks, n_targets).
    sizes : list of int, blocks of each stretch

    Returns
    -------
    float32 array (…, n_targets)
    """
    borders = np.cumsum(sizes)[:-1]
    stretches = []
    for n, x, y in zip(*(np.split(part, borders, axis=-2) for part in (scans[:, None], x_sums, y_sums)), strict=True):
        totals = [*np.moveaxis(x.sum(-2), -2, 0), *y.sum(-2)]
        stretches.append((n.sum(), np.float32(n.sum()), *totals))
    return average_r(stretches)


def every_block_once(counts: list[np.ndarray]) -> list[np.ndarray]:
    """The draw that is the data itself, in the form of `bootstrap_draws`."""
    return [np.ones((1, count.shape[1]), dtype=np.float32) for count in counts]


def average_r(stretches: Sequence[tuple[Any, ...]]) -> np.ndarray:
    """Correlation from sums, averaged over stretches by Fisher's z.

    Parameters
    ----------
    stretches : list of tuples (weight, n, x, xx, xy, y, yy)
        Weight of the stretch; number of scans and sums over them, of shapes that broadcast to (n_draws, n_targets).

    Returns
    -------
    array (n_draws, n_targets): 0 where a prediction is constant, NaN where a response is
    """
    z, total = start_of_sum(), sum(weight for weight, *_ in stretches)
    for weight, n, x, xx, xy, y, yy in stretches:
        spread = np.sqrt(np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0))
        # Assigned in place: `np.where` takes ten times as long where next to nothing is replaced.
        spread[~(spread > 0)] = np.inf
        r = (xy - x * y / n) / spread
        r[~np.broadcast_to(yy > 0, r.shape)] = np.nan
        z = z + weight / total * fisher_z(r)
    averaged: np.ndarray = np.tanh(z)
    return averaged


def bootstrap_r(
    predictions: np.ndarray, responses: np.ndarray, blocks: list[list[np.ndarray]], counts: list[np.ndarray]
) -> np.ndarray:
    """Correlation per draw and target under the block bootstrap: float32 array (n_draws, n_targets)."""
    scans = np.array([len(rows) for stretch in blocks for rows in stretch])
    sums = prediction_sums(predictions, responses, blocks), response_sums(responses, blocks)
    return bootstrap_sums(*sums, scans, counts)


def freedom(sizes: Ints, groups: Ints) -> int:
    """Degrees of freedom of an error over draws: blocks less one for each group of stretches."""
    return sum(size - 1 for size in group_sizes(sizes, groups))
