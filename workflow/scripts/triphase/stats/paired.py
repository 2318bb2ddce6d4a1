"""Differences of r at the same voxels between two checkpoints (or layers): paired block swap and block bootstrap.

A permutation of the response asks whether r exceeds zero; two predictions that are both aligned differ under another
null. If they are equally aligned, it does not matter which of the two stands in a block: so blocks of the two
standardised predictions are swapped at random, both correlations computed anew, and their difference compared. All
comes from the sums over blocks that `triphase.stats.bootstrap` describes.
"""

from dataclasses import dataclass

import numpy as np

from triphase.core.batches import slices
from triphase.stats.bootstrap import average_r, bootstrap_sums, every_block_once
from triphase.stats.intervals import half_width
from triphase.stats.resampling import ROUNDING, VOXEL_BATCH, Ints, distinct, group_sizes, per_stretch


def swap_draws(sizes: Ints, groups: Ints, n_draws: int, seed: int) -> list[np.ndarray]:
    """Distinct patterns of blocks that are swapped, stretches of one group alike.

    A pattern and its complement give the same difference with another sign, which is one draw of a two-sided test: the
    first block stays where it is. The pattern that swaps nothing is left out.

    Parameters
    ----------
    sizes : list of int, blocks of each stretch
    groups : list of int, from `triphase.stats.resampling.segment_groups`
    n_draws : int, fewer are returned where fewer exist: 2 ** (free blocks - 1) - 1

    Returns
    -------
    list of float32 arrays (n_draws, size), one per stretch: -1 where a block is swapped, else 1
    """
    free = group_sizes(sizes, groups)
    generator = np.random.default_rng([seed, len(free), *free])
    most = 2 ** (sum(free) - 1) - 1
    swapped = distinct(
        lambda: np.r_[0, generator.integers(0, 2, sum(free) - 1)], min(n_draws, most), np.zeros(sum(free), dtype=int)
    )
    return per_stretch((1 - 2 * swapped).astype(np.float32), sizes, groups)


def swapped_difference(
    ours: np.ndarray, theirs: np.ndarray, measured: np.ndarray, scans: np.ndarray, signs: list[np.ndarray]
) -> np.ndarray:
    """Difference of r in every draw of the paired block swap.

    Parameters
    ----------
    ours, theirs : float32 arrays (3, n_blocks, n_targets)
        From `triphase.stats.bootstrap.prediction_sums`, of the same responses and blocks.
    measured : float32 array (2, n_blocks, n_targets), from `triphase.stats.bootstrap.response_sums`
    scans : int array (n_blocks,)
    signs : list of float32 arrays (n_draws, size), one per stretch

    Returns
    -------
    float32 array (n_draws, n_targets)
    """
    borders = np.cumsum([sign.shape[1] for sign in signs])[:-1]
    lengths = [float(part.sum()) for part in np.split(np.asarray(scans), borders)]
    ones, others = [], []
    parts = (np.split(sums, borders, axis=1) for sums in (ours, theirs, measured))
    for n, sign, a, b, y in zip(lengths, signs, *parts, strict=True):
        a, b = _standardised(a), _standardised(b)
        middle, apart = (a + b).sum(1) / 2, sign @ (a - b) / 2
        ones.append((n, n, *(middle[:, None] + apart), *y.sum(1)))
        others.append((n, n, *(middle[:, None] - apart), *y.sum(1)))
    difference: np.ndarray = average_r(ones) - average_r(others)
    return difference


def _standardised(sums: np.ndarray) -> np.ndarray:
    """Sums of a stretch as if its prediction had sum of squares 1 there."""
    norm = np.sqrt(sums[1].sum(0))
    scale = 1 / np.where(norm > 0, norm, np.inf)
    return sums * np.stack([scale, scale**2, scale])[:, None]


@dataclass(frozen=True)
class PairedDraws:
    """How blocks are drawn and swapped, for every pair of predictions of the same responses.

    Attributes
    ----------
    scans : int array (n_blocks,), length of each block
    counts : list of float32 arrays (n_draws, size), one per stretch, from `triphase.stats.bootstrap.bootstrap_draws`
    signs : list of float32 arrays (n_draws, size), one per stretch, from `swap_draws`
    freedom : int, from `triphase.stats.bootstrap.freedom`
    training : float32 array (n_draws, n_groups)
        By which the influences of groups of training scans enter a draw; None where weights are frozen.
    """

    scans: np.ndarray
    counts: list[np.ndarray]
    signs: list[np.ndarray]
    freedom: int
    training: np.ndarray | None = None


def compare(
    ours: np.ndarray,
    theirs: np.ndarray,
    measured: np.ndarray,
    seams: np.ndarray,
    regions: np.ndarray,
    draws: PairedDraws,
    influence: np.ndarray | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Where two predictions of the same responses differ: per voxel, and in the mean over each region's voxels.

    Parameters
    ----------
    ours, theirs, measured
        See `swapped_difference`.
    seams : float array (n_targets,)
        From `triphase.stats.bootstrap.seams`, the mean of both predictions' own: draws are widened by it.
    regions : bool array (n_regions, n_targets)
    draws : PairedDraws
    influence : float array (n_groups, n_targets)
        Of each group of training scans on the difference, for draws that have `training`.

    Returns
    -------
    voxels, means : dicts of float arrays (n_targets,) and (n_regions,)
        difference : r of ours minus r of theirs
        se : its deviation over bootstrap draws
        low, high : interval of 95 %, difference -+ t x se with t of Student's distribution. Percentiles of draws are
            too narrow with the few blocks of one scan.
        p : two-sided, (b + 1) / (n_draws + 1), where b swaps reach the difference. Swaps leave weights as they are:
            with influences they are widened as the error is.
        NaN where a voxel has no r, or a region no voxel that has.
    """
    n_targets, known, scans = ours.shape[2], [], draws.scans
    whole, still = every_block_once(draws.counts), every_block_once(draws.signs)
    voxels = {name: np.full(n_targets, np.nan) for name in ("difference", "se", "p")}
    sums = {"difference": 0.0, "frozen": 0.0, "draws": 0.0, "swaps": 0.0}
    for batch in slices(n_targets, VOXEL_BATCH):
        a, b, y = ours[..., batch], theirs[..., batch], measured[..., batch]
        difference = (bootstrap_sums(a, y, scans, whole) - bootstrap_sums(b, y, scans, whole))[0]
        drawn = bootstrap_sums(a, y, scans, draws.counts) - bootstrap_sums(b, y, scans, draws.counts)
        frozen = difference + seams[batch] * (drawn - difference)
        drawn = frozen
        if draws.training is not None and influence is not None:
            drawn = frozen + seams[batch] * (draws.training @ influence[:, batch])
        swaps = seams[batch] * swapped_difference(a, b, y, scans, draws.signs)
        voxels["difference"][batch], voxels["se"][batch] = difference, drawn.std(0, ddof=1)
        wider = wider_by(drawn, frozen)
        voxels["p"][batch] = two_sided(swapped_difference(a, b, y, scans, still)[0], wider * swaps)
        known.append(np.isfinite(difference) & np.isfinite(drawn).all(0))
        inside = (regions[:, batch] & known[-1]).T.astype(np.float32)
        for name, values in {"difference": difference[None], "frozen": frozen, "draws": drawn, "swaps": swaps}.items():
            sums[name] = sums[name] + (np.where(known[-1], values, 0) @ inside).astype(np.float64)
    numbers = (regions & np.concatenate(known)).sum(1)
    difference, frozen, drawn, swaps = (values / np.where(numbers, numbers, np.nan) for values in sums.values())
    swaps = wider_by(drawn, frozen) * swaps
    means = {"difference": difference[0], "se": drawn.std(0, ddof=1), "p": two_sided(difference[0], swaps)}
    for found in (voxels, means):
        half = half_width(found["se"], draws.freedom)
        found["low"], found["high"] = found["difference"] - half, found["difference"] + half
    return voxels, means


def wider_by(draws: np.ndarray, frozen: np.ndarray) -> np.ndarray:
    """How many times wider draws (n_draws, n) spread than those at frozen weights, at least 1."""
    spread = frozen.std(0)
    ratio: np.ndarray = np.ones_like(spread)
    np.divide(draws.std(0), spread, out=ratio, where=spread > 0)
    return ratio.clip(1)


def two_sided(value: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Two-sided p-value of values (n,) by draws (n_draws, n) of their null: (b + 1) / (n_draws + 1), NaN for NaN."""
    reached = (np.abs(draws) >= np.abs(value) - ROUNDING).sum(0)
    return np.where(np.isfinite(value), (reached + 1) / (len(draws) + 1), np.nan)
