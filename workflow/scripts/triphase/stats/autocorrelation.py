"""Autocorrelation of responses inside their runs, and where it has died away."""

from collections.abc import Iterable

import numpy as np


def autocorrelation(batches: Iterable[np.ndarray], runs: np.ndarray, n_lags: int) -> np.ndarray:
    """Mean autocorrelation over columns, computed inside runs after centring: array (n_lags + 1,), 1 at lag 0.

    Parameters
    ----------
    batches : float arrays (n_scans, n_columns), some of the columns each
    runs : array (n_scans,), the run of each scan
    n_lags : scans
    """
    total = np.zeros(n_lags + 1)
    for values in batches:
        total += _autocovariance(values, runs, n_lags)
    return np.asarray(total / total[0])


def _autocovariance(values: np.ndarray, runs: np.ndarray, n_lags: int) -> np.ndarray:
    """Products of scans `lag` apart, summed over runs and columns after centring in each run: array (n_lags + 1,)."""
    total = np.zeros(n_lags + 1)
    for run in dict.fromkeys(runs):
        block = values[runs == run] - values[runs == run].mean(0)
        for lag in range(min(n_lags + 1, len(block))):
            total[lag] += np.einsum("tv,tv->", block[lag:], block[: len(block) - lag], dtype=np.float64)
    return total


def first_below(curve: np.ndarray, threshold: float) -> int:
    """First index at which a curve falls below a threshold; its length when it never does."""
    below = np.flatnonzero(curve < threshold)
    return int(below[0]) if below.size else len(curve)


def effective_size(x: np.ndarray, y: np.ndarray) -> float:
    """How many independent samples a correlation of two series is worth (Bartlett 1935; Pyper and Peterman 1998).

    n / (1 + 2 sum over lags of (1 - lag / n) rho_x rho_y), with lags up to a fifth of the series; between 4 and n.

    Parameters
    ----------
    x, y : float arrays (n,)
    """
    n = len(x)
    lags = n // 5
    one = np.zeros(n)
    rho = autocorrelation([x[:, None]], one, lags) * autocorrelation([y[:, None]], one, lags)
    weights = 1 - np.arange(1, lags + 1) / n
    return float(np.clip(n / max(1 + 2 * (weights * rho[1:]).sum(), 1e-12), 4, n))
