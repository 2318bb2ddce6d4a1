"""Shape of a cloud of activations: intrinsic dimension, participation ratio, effective rank, similarity to another."""

import numpy as np

# Two vectors closer than this share of the cloud's root-mean-square radius are one point: their distance is rounding.
SAME_POINT = 1e-5
DISCARD = 0.1
BLOCKS = 20


def distinct_points(points):
    """Drop repeated vectors (the embedding layer has one vector per word type, however often the word occurs).

    Parameters
    ----------
    points : array (n, features)

    Returns
    -------
    array (n_distinct, features), float64, centred: the first of each set of equal vectors, in order
    """
    points = np.asarray(points, dtype=np.float64)
    points = points - points.mean(axis=0)
    near = _squared_distances(points) <= SAME_POINT**2 * np.mean((points**2).sum(axis=1))
    return points[~np.tril(near, -1).any(axis=1)]


def _squared_distances(points):
    norms = (points**2).sum(axis=1)
    return np.maximum(norms[:, None] + norms[None, :] - 2 * points @ points.T, 0.0)


def two_nn(points):
    """Intrinsic dimension from the ratio of each point's second to first neighbour distance.

    TwoNN of Facco, d'Errico, Rodriguez and Laio (2017): the slope through the origin of -log(1 - F(mu)) on log mu, the
    largest 10 % of the ratios left out. Underestimates high dimensions at finite n (about 10 % for a cube of d = 10).

    Parameters
    ----------
    points : array (n, features)
        Repeated vectors are dropped first, as their neighbour lies at distance 0.

    Returns
    -------
    dimension : float
        NaN with fewer than 20 distinct points.
    se : float
        Jackknife over 20 blocks of consecutive points, so that the dependence of neighbouring words counts.
    n : int
        Distinct points.
    """
    points = distinct_points(points)
    if len(points) < BLOCKS:
        return np.nan, np.nan, len(points)
    ratios = _neighbour_ratios(points)
    blocks = np.array_split(np.arange(len(ratios)), BLOCKS)
    without = np.array([_slope(np.delete(ratios, block)) for block in blocks])
    return _slope(ratios), _jackknife(without), len(points)


def _neighbour_ratios(points):
    """Second over first neighbour distance; candidates by inner products, their distances exactly."""
    squared = _squared_distances(points)
    np.fill_diagonal(squared, np.inf)
    candidates = np.argpartition(squared, 4, axis=1)[:, :4]
    exact = np.linalg.norm(points[candidates] - points[:, None], axis=2)
    exact.sort(axis=1)
    return exact[:, 1] / exact[:, 0]


def _slope(ratios):
    n = len(ratios)
    kept = np.log(np.sort(ratios))[: int(n * (1 - DISCARD))]
    expected = -np.log1p(-np.arange(1, len(kept) + 1) / n)
    return float(kept @ expected / (kept @ kept))


def _jackknife(without):
    """Standard error from the estimates that leave out one block each."""
    without = np.asarray(without)
    return float(np.sqrt((len(without) - 1) / len(without) * ((without - without.mean()) ** 2).sum()))


def spectrum(points):
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


def participation_ratio(values):
    """(sum l)² / sum l² of covariance eigenvalues `values`: between 1 and their number; NaN for a single point."""
    total = (values**2).sum()
    return float(values.sum() ** 2 / total) if total > 0 else np.nan


def effective_rank(values):
    """Exponential entropy of the normalised singular values (Roy and Vetterli 2007); `values` from `spectrum`."""
    singular = np.sqrt(values)
    if singular.sum() == 0:
        return np.nan
    share = singular[singular > 0] / singular.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def cka(x, y):
    """Debiased linear centred kernel alignment of two sets of features of the same points.

    The ratio of unbiased estimates of the Hilbert-Schmidt independence criterion (Song et al. 2012), in feature space
    as in Kornblith et al. (2019): 1 for equal geometries up to rotation and scale, 0 in expectation for independent
    ones (so it may be slightly negative), without the upward bias that plain CKA has when features outnumber points.

    Parameters
    ----------
    x, y : array (n, features of x), (n, features of y); n >= 40

    Returns
    -------
    value : float
        NaN where one of the clouds is a single point.
    se : float
        Jackknife over 20 blocks of consecutive points.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    blocks = np.array_split(np.arange(len(x)), BLOCKS)
    products = {"xy": (x, y), "xx": (x, x), "yy": (y, y)}
    # With one block left out, each product of features follows from the whole one, so a jackknife costs two passes.
    parts = {key: _hsic_without(*pair, blocks) for key, pair in products.items()}
    if min(parts["xx"][0], parts["yy"][0]) <= 0:
        return np.nan, np.nan
    values = parts["xy"] / np.sqrt(parts["xx"] * parts["yy"])
    return float(values[0]), _jackknife(values[1:])


def _hsic_without(x, y, blocks):
    """Unbiased HSIC of all points, then without each block: array (1 + blocks,)."""
    whole = x.T @ y
    results = [_unbiased_hsic(whole, x, y)]
    for block in blocks:
        kept = np.delete(np.arange(len(x)), block)
        left_x, left_y = x[kept], y[kept]
        mean_x, mean_y = left_x.mean(axis=0), left_y.mean(axis=0)
        product = whole - x[block].T @ y[block] - len(kept) * np.outer(mean_x, mean_y)
        results.append(_unbiased_hsic(product, left_x - mean_x, left_y - mean_y))
    return np.array(results)


def _unbiased_hsic(product, x, y):
    """From the product of centred features and the features: up to a factor, which the ratio cancels."""
    n = len(x)
    norms_x, norms_y = (x**2).sum(axis=1), (y**2).sum(axis=1)
    return (product**2).sum() - n / (n - 2) * (norms_x @ norms_y) + norms_x.sum() * norms_y.sum() / ((n - 1) * (n - 2))
