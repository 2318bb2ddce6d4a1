"""Circular shifts of the held-out response: how far above chance a score is, where stretches are long.

A shift keeps a stretch's own autocorrelation whole but for one seam, where permuted blocks cut it at every border. One
cross-correlation by FFT gives the scores at all shifts of a stretch.
"""

from math import prod

import numpy as np

from triphase.core.batches import start_of_sum
from triphase.core.errors import InputError
from triphase.stats.resampling import Ints, distinct, group_sizes, normed, p_values, per_stretch
from triphase.stats.scoring import fisher_z

FEWEST = 500


def n_shifts(segments: list[np.ndarray], groups: Ints, nearest: int) -> int:
    """Joint shifts that there are: each stretch by `nearest` scans or more, both ways round."""
    return prod(max(size - 2 * nearest + 1, 0) for size in group_sizes([len(rows) for rows in segments], groups))


def shift_draws(segments: list[np.ndarray], groups: Ints, nearest: int, n_draws: int, seed: int) -> list[np.ndarray]:
    """Distinct joint shifts: each stretch by a lag of its own, those that heard the same thing by the same one.

    Parameters
    ----------
    segments : list of int arrays
    groups : list of int, from `triphase.stats.resampling.segment_groups`
    nearest : int
        Scans: lags nearer than the autocorrelation are no draws of the null; see
        `triphase.stats.resampling.decorrelation`.
    n_draws : int, fewer are returned where fewer exist

    Returns
    -------
    list of int arrays (n_draws,), one per stretch

    Raises
    ------
    InputError
        Fewer than 500 joint shifts exist.
    """
    lengths, nearest = [len(rows) for rows in segments], max(nearest, 1)
    number = n_shifts(segments, groups, nearest)
    if number < FEWEST:
        raise InputError(
            f"encoding: held-out stretches of {lengths} scans have {number} circular shifts of {nearest} scans or "
            f"more, fewer than {FEWEST}; hold out more, or permute blocks"
        )
    sizes = group_sizes(lengths, groups)
    generator, most = np.random.default_rng([seed, nearest, *sizes]), np.array(sizes) - nearest
    draws = distinct(lambda: generator.integers(nearest, most + 1), min(n_draws, number), np.zeros(len(sizes), int))
    return [lags[:, 0] for lags in per_stretch(draws, [1] * len(segments), groups)]


def shift_test(
    predictions: np.ndarray,
    responses: np.ndarray,
    segments: list[np.ndarray],
    lags: list[np.ndarray],
    families: np.ndarray | None = None,
    n_families: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test per voxel that r exceeds zero, by circular shifts of the response within held-out stretches.

    Parameters
    ----------
    predictions, responses : float arrays (n_scans, n_targets)
        `predictions` summed over bands.
    segments : list of int arrays
    lags : list of int arrays (n_draws,), from `shift_draws`
    families, n_families
        See `triphase.stats.resampling.p_values`.

    Returns
    -------
    z, p, largest
        As of `triphase.stats.resampling.p_values`.
    """
    total = sum(len(rows) for rows in segments)

    def scores(batch: slice) -> tuple[np.ndarray, np.ndarray]:
        observed, null = start_of_sum(), start_of_sum()
        for rows, lag in zip(segments, lags, strict=True):
            z = len(rows) / total * fisher_z(_all_lags(predictions[rows, batch], responses[rows, batch]))
            observed, null = observed + z[0], null + z[lag]
        return observed, null

    return p_values(scores, responses.shape[1], families, n_families)


def _all_lags(predictions: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Correlation of the prediction with the response shifted by every lag: float32 (n_scans, n_targets)."""
    x, y = normed(predictions), normed(responses)
    spectrum = np.conj(np.fft.rfft(x, axis=1)) * np.fft.rfft(y, axis=1)
    r = np.fft.irfft(spectrum, x.shape[1], axis=1)
    r[~y.any(1)] = np.nan
    return np.ascontiguousarray(r.T)
