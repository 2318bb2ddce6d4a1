"""p-values of many tests at once: false discovery rate and family-wise error."""

import numpy as np


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values (Benjamini and Hochberg 1995), shape of `p`; NaN stays NaN."""
    p = np.asarray(p, dtype=float)
    q = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    values = p[known]
    order = np.argsort(values)
    ranked = values[order] * len(values) / np.arange(1, len(values) + 1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(ranked[::-1])[::-1].clip(max=1.0)
    q[known] = adjusted
    return q


def family_wise_p(z: np.ndarray, families: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """p-values corrected for all targets of a family by the maximum statistic (Nichols and Holmes 2002).

    Parameters
    ----------
    z : float array (n_targets,), observed scores, as the test gives them
    families : int array (n_targets,)
    largest : float array (n_families, n_draws), each draw's largest score over all targets of a family

    Returns
    -------
    float array (n_targets,), NaN where z is NaN
    """
    p, n_draws = np.full(np.shape(z), np.nan), largest.shape[1]
    for family, draws in enumerate(np.sort(largest, axis=1)):
        mine = (families == family) & np.isfinite(z)
        p[mine] = (n_draws - np.searchsorted(draws, z[mine].astype(draws.dtype)) + 1) / (n_draws + 1)
    return p
