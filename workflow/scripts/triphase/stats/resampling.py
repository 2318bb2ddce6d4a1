"""What tests of held-out scores share: block length, which stretches go together, distinct draws, p-values from draws.

Draws depend on the seed and on the held-out rows alone, so they are the same for every layer, checkpoint and model, and
for every batch of voxels.
"""

from collections.abc import Callable, Sequence

import numpy as np

from triphase.core.batches import slices
from triphase.stats.autocorrelation import first_below
from triphase.stats.scoring import centre

# Whole numbers, such as the sizes of stretches.
Ints = Sequence[int] | np.ndarray
# Voxels at a time: draws x voxels then stay in a core's cache.
VOXEL_BATCH = 512
# Fisher's z this close to another counts as equal: sums in another order differ by rounding.
ROUNDING = 1e-6


def decorrelation(response_acf: np.ndarray, prediction_acf: np.ndarray) -> int:
    """First lag, in scans, where the product of two autocorrelations is below 0.1; their length when it never is."""
    return first_below(np.asarray(response_acf) * np.asarray(prediction_acf), 0.1)


def block_length(response_acf: np.ndarray, prediction_acf: np.ndarray, minimum: int) -> int:
    """Scans per block: twice the lag at which the product of autocorrelations has decayed, at least `minimum`."""
    return max(minimum, 2 * decorrelation(response_acf, prediction_acf))


def segment_groups(segments: list[np.ndarray], runs: np.ndarray, stimuli: np.ndarray) -> list[int]:
    """Which held-out stretches heard the same thing: the same part of the same stimulus.

    Hearings of one story share the prediction and all that the story drives in the response, so they are permuted and
    drawn alike. Drawn apart they would count as independent evidence.

    Parameters
    ----------
    segments : list of int arrays, rows of each stretch
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


def group_sizes(sizes: Ints, groups: Ints) -> list[int]:
    """Size of each group of stretches, from the size of each stretch: those of a group are of one size."""
    groups = list(groups)
    return [int(sizes[groups.index(group)]) for group in range(max(groups) + 1)]


def per_stretch(draws: np.ndarray, sizes: Ints, groups: Ints) -> list[np.ndarray]:
    """Columns of joint draws (n_draws, sum of group sizes) given to each stretch: list of arrays (n_draws, size)."""
    parts = np.split(draws, np.cumsum(group_sizes(sizes, groups))[:-1], axis=1)
    return [parts[group] for group in groups]


def distinct(draw: Callable[[], np.ndarray], n_draws: int, excluded: np.ndarray) -> np.ndarray:
    """`n_draws` different results of the function `draw`, none of them `excluded`: int array (n_draws, n)."""
    found = {tuple(excluded): None}
    while len(found) <= n_draws:
        found[tuple(draw())] = None
    return np.array(list(found)[1:], dtype=int).reshape(n_draws, -1)


def p_values(
    scores: Callable[[slice], tuple[np.ndarray, np.ndarray]],
    n_targets: int,
    families: np.ndarray | None = None,
    n_families: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One-sided p-values from observed scores and their null draws, and the draws' largest scores.

    Parameters
    ----------
    scores : callable
        Takes a slice of targets and gives their observed scores (n,) and null scores (n_draws, n).
    n_targets : int
    families : int array (n_targets,), optional
        Family of each target, such as its subject; without it all are one family.
    n_families : int

    Returns
    -------
    observed : float array (n_targets,)
    p : float array (n_targets,)
        (b + 1) / (n_draws + 1), where b draws reach the observed score; NaN where that is not finite.
    largest : float32 array (n_families, n_draws)
        The largest null score of each family's targets, -inf without targets: the maximum over batches of voxels is
        what `triphase.stats.multiple_tests.family_wise_p` takes.
    """
    observed, p = np.full((2, n_targets), np.nan)
    largest = np.empty((n_families, 0), dtype=np.float32)
    families = np.zeros(n_targets, dtype=int) if families is None else np.asarray(families)
    for batch in slices(n_targets, VOXEL_BATCH):
        value, null = scores(batch)
        if not largest.size:
            largest = np.full((n_families, len(null)), -np.inf, dtype=np.float32)
        known = np.isfinite(value)
        reached = (null >= value - ROUNDING).sum(0)
        observed[batch] = value
        p[batch] = np.where(known, (reached + 1) / (len(null) + 1), np.nan)
        for family in np.unique(families[batch][known]):
            mine = known & (families[batch] == family)
            np.maximum(largest[family], null[:, mine].max(1), out=largest[family])
    return observed, p, largest


def normed(values: np.ndarray) -> np.ndarray:
    """Columns centred and of norm 1, voxel by voxel: float32 array (n_targets, n_scans); constant ones are 0."""
    values = np.ascontiguousarray(centre(values).T, dtype=np.float32)
    norm = np.sqrt(np.einsum("vt,vt->v", values, values))[:, None]
    return values / np.where(norm > 0, norm, 1)


def seam_factor(x: np.ndarray, y: np.ndarray, length: int) -> np.ndarray:
    """How much wider the scores of an unrelated response spread than those of its blocks drawn apart.

    A series of permuted blocks has lost what its scans share across the blocks' borders. The variance of the sum of x y
    over n scans is proportional to the sum over lags k of (1 - k / n) rho(k), where rho is the product of both
    autocorrelations; within blocks of `length` scans it is that of (1 - k / length) rho(k). At 20 scans and AR(1) of
    0.9 and 0.6 a tenth of the variance is lost. Autocorrelations are followed up to the length of a block.

    Parameters
    ----------
    x, y : float32 arrays (n_targets, n_scans), from `normed`
    length : int, scans per block

    Returns
    -------
    float32 array (n_targets,), at least 1
    """
    n_scans, lags = x.shape[1], np.arange(1, length, dtype=np.float32)
    size = 2 ** int(n_scans + length - 1).bit_length()
    powers = (np.abs(np.fft.rfft(values, size, axis=1)) ** 2 for values in (x, y))
    own, other = (np.fft.irfft(power, size, axis=1)[:, 1:length] for power in powers)
    kept = 1 + 2 * (own * other) @ (1 - lags / length)
    lost = 2 * (own * other) @ (lags / length - lags / n_scans)
    factor: np.ndarray = np.sqrt(1 + np.maximum(lost, 0) / np.maximum(kept, 1))
    return factor
