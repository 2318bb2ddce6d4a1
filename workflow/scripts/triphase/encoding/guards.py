"""Scale guards: whether a score changes by what a layer holds, or because a few of its columns have grown.

Late in training a few dimensions of a language model take values far above the others (Kovaleva et al. 2021; Timkey and
van Schijndel 2021). They could fake a fall of alignment, so the shape of the kernel stands beside each score, and three
other scalings of the features show whether the fall depends on theirs.
"""

import numpy as np

SCALINGS = ("zscore", "center", "no_outliers", "pca")
# A column is an outlier when its deviation is this many times the median column's.
OUTLIER_RATIO = 6.0
# Deviations below this share of a column's mean are rounding.
CONSTANT = 1e-6
# Rows or columns that are held in float64 at a time.
CHUNK = 2048


def kernel_shape(eigenvalues: np.ndarray) -> dict[str, float]:
    """How evenly a kernel spreads its variance.

    Parameters
    ----------
    eigenvalues : float array (n,)
        Of the centred training kernel, in any order; those below zero are rounding and count as zero.

    Returns
    -------
    dict of float
        top_share: share of the largest eigenvalue. effective_rank: exponential of the entropy of the shares (Roy and
        Vetterli 2007), between 1 and the rank. NaN for a kernel that is zero.
    """
    values = np.clip(np.asarray(eigenvalues, float), 0, None)
    if not values.any():
        return {"top_share": np.nan, "effective_rank": np.nan}
    shares = values[values > 0] / values.sum()
    return {"top_share": float(shares.max()), "effective_rank": float(np.exp(-(shares * np.log(shares)).sum()))}


def outlier_columns(features: np.ndarray) -> np.ndarray:
    """Columns whose deviation is more than 6 times the median of all columns that vary.

    Kovaleva et al. (2021) call parameters beyond 3 standard deviations outliers, Dettmers et al. (2022) activations of
    magnitude 6 and more. Those thresholds are tied to one layer or one model; a ratio to the layer's own median holds
    for checkpoints of any scale, and it is this project's own. Deviations count and not means, because features are
    centred before any kernel is made of them.

    Parameters
    ----------
    features : float array (n_rows, n_columns), rows that train

    Returns
    -------
    bool array (n_columns,)
    """
    deviation = _moments(features)[1]
    varying = deviation > 0
    return deviation > OUTLIER_RATIO * np.median(deviation[varying]) if varying.any() else varying


def reduce_columns(features: np.ndarray, training: np.ndarray, n_components: int) -> np.ndarray:
    """Principal components of the training rows, and all rows in them.

    Exact: the eigenvectors of whichever Gram matrix is smaller, rows or columns, in float64. The sign of a component is
    that of its largest loading.

    Parameters
    ----------
    features : float array (n_rows, n_columns)
    training : int array, rows that the components and the mean are taken from
    n_components : int

    Returns
    -------
    float32 array (n_rows, min(n_components, n_columns)), largest variance first; zero beyond the rank
    """
    mean = features[training].mean(0, dtype=np.float64)
    train = features[training] - mean.astype(features.dtype)
    tall = len(train) >= train.shape[1]
    long = train if tall else train.T
    from scipy.linalg import eigh  # whose import takes longer than a small fit; only this needs a few of all vectors

    gram = sum(np.matmul(part.T, part) for part in _chunks(long))
    kept = min(n_components, len(gram))
    values, vectors = eigh(gram, subset_by_index=[len(gram) - kept, len(gram) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    if not tall:
        vectors = np.concatenate([part @ vectors for part in _chunks(long)])
        vectors /= np.sqrt(np.where(values > 0, values, np.inf))
    vectors[:, values <= values[:1] * max(train.shape) * np.finfo(float).eps] = 0
    vectors *= np.where(vectors[np.abs(vectors).argmax(0), np.arange(kept)] < 0, -1, 1)
    scores = np.zeros((len(features), min(n_components, features.shape[1])), dtype=np.float32)
    scores[:, :kept] = np.concatenate([(part - mean) @ vectors for part in _chunks(features)])
    return scores


def scaled(features: np.ndarray, training: np.ndarray, scaling: str = "zscore", n_components: int = 0) -> np.ndarray:
    """A layer's columns as they enter its kernel, centred on the training rows and with a total variance of about 1.

    zscore, the headline: every column has the same variance. center: columns keep their scale, so that those with large
    values rule the kernel. no_outliers: the same without `outlier_columns`. pca: `zscore` in its first `n_components`
    principal components, with their own variances: as many dimensions for every layer and model.

    Parameters
    ----------
    features : float array (n_rows, n_columns), not delayed
    training : int array of rows
    scaling : str, one of SCALINGS
    n_components : int, for pca

    Returns
    -------
    float32 array (n_rows, n_columns); for pca (n_rows, min(n_components, n_columns)). Columns that are constant over
    the training rows, and outliers where they are left out, are zero.
    """
    if scaling not in SCALINGS:
        raise ValueError(f"features are scaled by {', '.join(SCALINGS)}, not by {scaling!r}")
    train = features[training]
    mean, deviation = _moments(train)
    divisor = np.where(deviation > 0, deviation, np.inf)
    if scaling in ("zscore", "pca"):
        divisor *= np.sqrt(max(len(mean), 1))
    else:
        kept = deviation > 0
        if scaling == "no_outliers":
            kept &= ~outlier_columns(train)
        divisor = np.where(kept, np.sqrt((deviation[kept] ** 2).sum()), np.inf)
    columns = ((features - mean.astype(np.float32)) / divisor.astype(np.float32)).astype(np.float32, copy=False)
    if scaling == "pca":
        columns = reduce_columns(columns, training, n_components)
        columns /= np.sqrt(columns[training].var(0, dtype=np.float64).sum()) or np.inf
    return columns


def _moments(features):
    """Mean and deviation of columns in float64; the deviation of a constant column is exactly zero."""
    mean, deviation = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    return mean, np.where(deviation > CONSTANT * (np.abs(mean) + 1e-12), deviation, 0.0)


def _chunks(rows):
    for begin in range(0, len(rows), CHUNK):
        yield rows[begin : begin + CHUNK].astype(np.float64)
