"""Cleaning of one run: detrending, high-pass and confounds by nilearn, then standardisation.

Cleaning never moves or drops a voxel: one that cannot be used is NaN.
"""

import numpy as np
import pandas as pd

from triphase.core.errors import InputError

# Values cleaned at a time: cleaning makes several copies in double precision, which had better fit the cache.
BLOCK_VALUES = 1_000_000
# A perfect fit leaves less than this of a value in single precision.
PERFECT_FIT = 1e-6


def usable_voxels(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which voxels can be used: finite throughout, and not constant.

    Parameters
    ----------
    values : array (time, voxel)

    Returns
    -------
    finite, varying : bool arrays (voxel,)
    """
    with np.errstate(invalid="ignore"):
        low, high = values.min(axis=0), values.max(axis=0)
    # Both are NaN where any value is, and infinite where one is.
    finite = np.isfinite(low) & np.isfinite(high)
    return finite, finite & (high > low)


def cosine_drifts(volumes: int, tr: float, high_pass: float) -> np.ndarray:
    """Discrete cosines slower than `high_pass` (Hz): array (volumes, k), k = 2 volumes tr high_pass rounded down.

    They are handed to `nilearn.signal.clean` as confounds. Its own `filter="cosine"` gives up the whole high-pass, with
    no more than a warning, when any confound correlates above 0.9 with any cosine, as a head that drifts slowly does.
    """
    k = np.arange(1, min(volumes - 1, int(np.floor(2 * volumes * tr * high_pass))) + 1)
    return np.cos(np.pi * (np.arange(volumes)[:, None] + 0.5) * k / volumes)


def clean_run(
    values: np.ndarray,
    *,
    tr: float,
    high_pass: float | None,
    confounds: np.ndarray | pd.DataFrame | None = None,
    cut: int = 0,
    where: str = "run",
) -> tuple[np.ndarray, dict[str, int]]:
    """Clean one run as `nilearn.signal.clean` does, and z-score it; a voxel that cannot be used comes back as NaN.

    The linear trend is removed; means are zero and variances one over the run (sample standard deviation).

    Parameters
    ----------
    values : float array (time, voxel); one of float32 is overwritten
    tr : float, s
    high_pass : float or None, Hz; slower cosines are regressed out together with the confounds
    confounds : array (time, confound), optional
    cut : int, volumes at the start that are cleaned with the others and then left out, before standardising
    where : str, name of the run in messages

    Returns
    -------
    cleaned : float32 array (time - cut, voxel)
    counts : dict, number of voxels `nonfinite` and `constant` (also: constant once cleaned)

    Raises
    ------
    InputError : as many regressors as volumes, so that nothing of a response would be left
    """
    removed = [] if confounds is None else [np.asarray(confounds, dtype=float)]
    if high_pass:
        removed.append(cosine_drifts(len(values), tr, high_pass))
    regressors = np.hstack([np.empty((len(values), 0)), *removed])
    count = regressors.shape[1]
    if count + 2 >= len(values) - cut:
        raise InputError(
            f"{where}: {len(values) - cut} volumes are too few for {count} confounds and drifts; lower "
            "responses.high_pass, choose fewer confounds, or leave the run out"
        )
    cleaned = values if values.dtype == np.float32 else np.empty(values.shape, np.float32)
    basis = removed_space(len(values), tr, regressors)
    nonfinite, step = 0, max(1, BLOCK_VALUES // len(values))
    for start in range(0, values.shape[1], step):
        block = values[:, start : start + step]
        finite, varying = usable_voxels(block)
        nonfinite += int((~finite).sum())
        target = cleaned[cut:, start : start + step]
        if varying.all():
            target[:] = _clean_block(block, basis, cut)
        else:
            left = _clean_block(block[:, varying], basis, cut) if varying.any() else 0
            target[:] = np.nan
            target[:, varying] = left
    cleaned = cleaned[cut:]
    return cleaned, {"nonfinite": nonfinite, "constant": int(np.isnan(cleaned[0]).sum()) - nonfinite}


def removed_space(volumes: int, tr: float, regressors: np.ndarray) -> np.ndarray:
    """An orthonormal basis of all that `nilearn.signal.clean` takes from a run.

    Detrending and regression together are one orthogonal projection of the time axis. Its matrix is what nilearn makes
    of an impulse at each volume; what it takes away has only as many dimensions as there are regressors, so that
    a voxel costs a few products with this basis, not with the whole matrix.

    Returns
    -------
    array (volumes, k)
    """
    from nilearn.signal import clean
    from scipy.linalg import eigh

    impulses = np.eye(volumes)
    # nilearn takes None for no confound, and no array without columns.
    confounds = regressors if regressors.shape[1] else None
    kept = clean(impulses, detrend=True, standardize=None, confounds=confounds, filter=False, t_r=tr)
    removed = impulses - kept
    count = round(np.trace(removed))
    values, basis = eigh(removed, subset_by_index=(volumes - count, volumes - 1))
    if not np.allclose(values, 1, atol=1e-6):
        raise RuntimeError(f"cleaning is no projection: eigenvalues from {values.min():g} to {values.max():g}")
    return basis


def _clean_block(values, basis, cut):
    values = values.astype(np.float64)
    size = np.abs(values).max(axis=0)
    values -= basis @ (basis.T @ values)
    left = values[cut:]
    # What is left of a voxel that the confounds explain is rounding error: scaled up it would look like data.
    spread = left.std(axis=0, ddof=1)
    empty = spread <= PERFECT_FIT * size
    left -= left.mean(axis=0)
    left /= np.where(empty, 1, spread)
    left[:, empty] = np.nan
    return left
