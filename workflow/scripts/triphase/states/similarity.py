"""Similarity of two sets of features of the same words: debiased linear centred kernel alignment (CKA)."""

from dataclasses import dataclass

import numpy as np

from triphase.states.dimension import BLOCKS, jackknife


@dataclass(frozen=True)
class Cloud:
    """What comparisons need of a set of points; made by `cloud`.

    gram : array (n, n), inner products of the centred points, 0 for a point with itself
    sums : array (n, 1 + blocks), sums of the gram matrix' rows: whole, then without each block (0 inside that block)
    own : array (1 + blocks,), `_hsic` with itself
    """

    gram: np.ndarray
    sums: np.ndarray
    own: np.ndarray


def cloud(points: np.ndarray) -> Cloud:
    """Points prepared for comparisons, each of which then costs n² operations, whatever the number of features.

    Parameters
    ----------
    points : array (n >= 40, features)
    """
    points = np.asarray(points, dtype=np.float64)
    points = points - points.mean(axis=0)
    gram = points @ points.T
    np.fill_diagonal(gram, 0)
    edges, member = _blocks(len(gram))
    whole, parts = gram.sum(axis=1, keepdims=True), np.add.reduceat(gram, edges, axis=1)
    sums = np.concatenate([whole, (whole - parts) * ~member], axis=1)
    return Cloud(gram, sums, _hsic(gram, sums, gram, sums))


def _blocks(n):
    """First points of 20 blocks of consecutive points, and which block each point is in: bool array (n, blocks)."""
    blocks = np.array_split(np.arange(n), BLOCKS)
    member = np.repeat(np.arange(BLOCKS), [len(block) for block in blocks])
    return [block[0] for block in blocks], member[:, None] == np.arange(BLOCKS)


def _hsic(gram, sums, other, other_sums):
    """Unbiased estimate of the Hilbert-Schmidt independence criterion, up to a factor that CKA's ratio cancels.

    Song et al. (2012), eq. 5. It does not change when a constant is added to a row and the same column, so that points
    need not be centred anew where a block is left out.

    Returns
    -------
    array (1 + blocks,): of all points, then without each block
    """
    edges, member = _blocks(len(gram))
    shared = np.add.reduceat(np.add.reduceat(gram * other, edges, axis=0), edges, axis=1)
    trace = np.concatenate([[shared.sum()], shared.sum() - 2 * shared.sum(axis=1) + np.diag(shared)])
    n = len(gram) - np.concatenate([[0], member.sum(axis=0)])
    cross, product = (sums * other_sums).sum(axis=0), sums.sum(axis=0) * other_sums.sum(axis=0)
    return trace - 2 / (n - 2) * cross + product / ((n - 1) * (n - 2))


def cka(one: Cloud, other: Cloud) -> tuple[float, float]:
    """Debiased linear CKA of two clouds of the same points.

    The ratio of unbiased estimates of the Hilbert-Schmidt independence criterion (Song et al. 2012) takes the place of
    the biased ones of Kornblith et al. (2019): 1 for equal geometries up to rotation and scale, 0 in expectation for
    independent ones (so it may be slightly negative), also where features outnumber points.

    Parameters
    ----------
    one, other : Cloud

    Returns
    -------
    value : float
        NaN where one of the clouds is a single point.
    se : float
        Jackknife over 20 blocks of consecutive points.
    """
    if min(one.own[0], other.own[0]) <= 0:
        return np.nan, np.nan
    values = _hsic(one.gram, one.sums, other.gram, other.sums) / np.sqrt(one.own * other.own)
    return float(values[0]), jackknife(values[1:])
