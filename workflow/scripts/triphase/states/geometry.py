"""Shape of a cloud of activations: directions it fills, decay of variance, width of its cone, turns of its path."""

import numpy as np

from triphase.states.dimension import BLOCKS, jackknife

# Stringer et al. (2019) fit the decay of the spectrum from rank 11 to rank 500.
FIRST_RANK, LAST_RANK = 11, 500
LEAST_RANKS = 10


def spectrum(points: np.ndarray) -> np.ndarray:
    """Eigenvalues of the covariance, largest first, up to min(n, features) of them; scaled to sum 1.

    Parameters
    ----------
    points : array (n, features)
    """
    points = np.asarray(points, dtype=np.float64)
    points = points - points.mean(axis=0)
    gram = points.T @ points if points.shape[1] <= points.shape[0] else points @ points.T
    values = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
    return values / values.sum() if values.sum() > 0 else values


def participation_ratio(values: np.ndarray) -> float:
    """(sum l)² / sum l² of covariance eigenvalues `values`: between 1 and their number; NaN for a single point."""
    total = (values**2).sum()
    return float(values.sum() ** 2 / total) if total > 0 else np.nan


def effective_rank(values: np.ndarray) -> float:
    """Exponential entropy of the normalised singular values (Roy and Vetterli 2007); `values` from `spectrum`."""
    singular = np.sqrt(values)
    if singular.sum() == 0:
        return np.nan
    share = singular[singular > 0] / singular.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def spectral_entropy(values: np.ndarray) -> float:
    """Entropy in nats of covariance eigenvalues that sum to 1: between 0 and the log of their number.

    Its exponential is what Li et al. (2025, arXiv 2509.23024) call RankMe. `effective_rank` here is that of singular
    values, the RankMe of Garrido et al. (2023), which weighs small directions more.
    """
    share = values[values > 0]
    return float(-(share * np.log(share)).sum()) if len(share) else np.nan


def spectral_decay(values: np.ndarray) -> float:
    """Exponent alpha of a power law rank^-alpha through covariance eigenvalues, largest first.

    Least squares of log eigenvalue on log rank, weighted by 1 / rank so that every octave of ranks counts alike
    (Stringer et al. 2019; alpha-ReQ of Agrawal et al. 2022), from rank 11 to 500 or half of the eigenvalues that are
    not rounding, whichever is less: the smallest are bent by the number of points. NaN where fewer than 10 ranks
    remain.
    """
    positive = int((values > len(values) * np.finfo(float).eps).sum())
    ranks = np.arange(FIRST_RANK, min(LAST_RANK, positive // 2) + 1)
    if len(ranks) < LEAST_RANKS:
        return np.nan
    x, y, weights = np.log(ranks), np.log(values[ranks - 1]), 1 / ranks
    x = x - np.average(x, weights=weights)
    return float(-(weights * x * y).sum() / (weights * x**2).sum())


def anisotropy(points: np.ndarray) -> tuple[float, float]:
    """Mean cosine of two different points, over all pairs (Ethayarajh 2019 draws some): 0 for a ball, 1 for a needle.

    Not centred: a common direction is what it measures. Points at the origin are left out.

    Parameters
    ----------
    points : array (n, features), n >= 40

    Returns
    -------
    value : float
    se : float
        Jackknife over 20 blocks of consecutive points.
    """
    points = np.asarray(points, dtype=np.float64)
    norms = np.linalg.norm(points, axis=1)
    units = points[norms > 0] / norms[norms > 0, None]
    if len(units) < 2 * BLOCKS:
        return np.nan, np.nan
    blocks = np.array_split(units, BLOCKS)
    sums = np.array([block.sum(axis=0) for block in blocks])
    sizes = np.array([len(block) for block in blocks])
    value = _mean_cosine(sums.sum(axis=0), len(units))
    without = _mean_cosine(sums.sum(axis=0) - sums, len(units) - sizes)
    return float(value), jackknife(without)


def _mean_cosine(total, n):
    """Of all pairs of n unit vectors, from their sum."""
    return ((total**2).sum(axis=-1) - n) / (n * (n - 1))


def curvature(states: np.ndarray, texts: np.ndarray) -> tuple[float, float, int]:
    """Mean angle (radians) by which the words' path turns (Hénaff et al. 2019; Hosseini and Fedorenko 2023).

    A straight line is 0; points without order in many dimensions turn by 2/3 pi on average. A word whose vector is that
    of the one before has no direction, and its angles are left out.

    Parameters
    ----------
    states : array (words, features), in the order of the text
    texts : array (words,)
        Which text a word is of; no angle spans two.

    Returns
    -------
    value : float, NaN without an angle
    se : float
        Jackknife over 20 blocks of consecutive angles; NaN where there are fewer than 40.
    n : int
        Angles.
    """
    steps = np.diff(np.asarray(states, dtype=np.float64), axis=0)
    lengths, texts = np.linalg.norm(steps, axis=1), np.asarray(texts)
    one_text = (texts[2:] == texts[1:-1]) & (texts[1:-1] == texts[:-2])
    kept = one_text & (lengths[:-1] > 0) & (lengths[1:] > 0)
    products = (steps[:-1][kept] * steps[1:][kept]).sum(axis=1)
    angles = np.arccos(np.clip(products / (lengths[:-1][kept] * lengths[1:][kept]), -1, 1))
    if len(angles) < 2 * BLOCKS:
        return (float(angles.mean()) if len(angles) else np.nan), np.nan, len(angles)
    blocks = np.array_split(angles, BLOCKS)
    sums, sizes = np.array([block.sum() for block in blocks]), np.array([len(block) for block in blocks])
    return float(angles.mean()), jackknife((angles.sum() - sums) / (len(angles) - sizes)), len(angles)
