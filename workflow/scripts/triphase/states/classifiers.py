"""Linear classifiers: one-vs-rest ridge for many problems at once, and multinomial logistic regression."""

from collections.abc import Sequence

import numpy as np


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both z-scored by the training rows; constant features become 0."""
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale == 0] = 1
    return (train - mean) / scale, (test - mean) / scale


def ridge_classes(
    train: np.ndarray, columns: list[np.ndarray], test: np.ndarray, groups: np.ndarray, alphas: Sequence[float]
) -> np.ndarray:
    """Classes of test rows by one-vs-rest ridge classifiers that share one decomposition.

    Targets are -1 and 1, centred, as in scikit-learn's RidgeClassifier. Each problem takes the alpha with the least
    generalised cross-validation error (Golub et al. 1979) on training rows.

    Parameters
    ----------
    train, test : array (n, p), (m, p), standardised
    columns : list of int array (n,)
        Classes 0..k-1 of each problem.
    groups : int array (n,)
        Not used.
    alphas : sequence of float

    Returns
    -------
    int array (problems, m)
    """
    sizes = [codes.max() + 1 for codes in columns]
    targets = [2.0 * (codes[:, None] == np.arange(size)) - 1 for codes, size in zip(columns, sizes, strict=True)]
    starts = np.cumsum([0, *sizes])
    scores = _ridge_scores(train, np.concatenate(targets, axis=1), test, starts, np.asarray(alphas, dtype=float))
    return np.stack([scores[:, i:j].argmax(axis=1) for i, j in zip(starts[:-1], starts[1:], strict=True)])


def _ridge_scores(train, targets, test, starts, alphas):
    """Scores of the test rows, one column per target; alpha per problem, whose columns are starts[i]:starts[i + 1]."""
    centre = targets.mean(axis=0)
    targets = targets - centre
    n, p = train.shape
    # Eigenvectors of the smaller Gram matrix; those without variance are left out.
    values, vectors = np.linalg.eigh(train.T @ train if p <= n else train @ train.T)
    kept = values > values[-1] * max(n, p) * np.finfo(float).eps
    values, vectors = values[kept][:, None], vectors[:, kept]
    if p <= n:
        parts, seen = vectors.T @ (train.T @ targets), test @ vectors
        loadings = parts / np.sqrt(values)
    else:
        parts, seen = vectors.T @ targets, (test @ train.T) @ vectors
        loadings = parts
    # |residual|² without forming it: what the left singular vectors do not span, plus what shrinking leaves.
    left = alphas / (values + alphas)
    residual = (left**2).T @ loadings**2 + (targets**2).sum(axis=0) - (loadings**2).sum(axis=0)
    freedom = n - 1 - (1 - left).sum(axis=0)
    error = np.add.reduceat(residual, starts[:-1], axis=1) / freedom[:, None] ** 2
    best = np.repeat(error.argmin(axis=0), np.diff(starts))
    return seen @ (parts / (values + alphas[best])) + centre


def logistic_classes(
    train: np.ndarray, columns: list[np.ndarray], test: np.ndarray, groups: np.ndarray, alphas: Sequence[float]
) -> np.ndarray:
    """Classes of test rows by multinomial logistic regression (scikit-learn), each problem on its own.

    The penalty is alpha / 2 times the squared weights; of several alphas each problem takes the one with the largest
    likelihood on a fifth of the training sentences that is held out for it.

    Parameters
    ----------
    train, test : array (n, p), (m, p), standardised
    columns : list of int array (n,)
    groups : int array (n,)
        Sentence of each training row.
    alphas : sequence of float

    Returns
    -------
    int array (problems, m)
    """
    from sklearn.linear_model import LogisticRegression

    inner = np.isin(groups, np.unique(groups)[::5])
    predicted = []
    for codes in columns:
        if len(np.unique(codes)) == 1:  # a control task, where it draws one label for all types
            predicted.append(np.full(len(test), codes[0]))
            continue
        best = alphas[0]
        if len(alphas) > 1 and len(np.unique(codes[~inner])) > 1 and inner.any():
            fits = [LogisticRegression(C=1 / a, max_iter=1000).fit(train[~inner], codes[~inner]) for a in alphas]
            best = alphas[int(np.argmax([_likelihood(fit, train[inner], codes[inner]) for fit in fits]))]
        predicted.append(LogisticRegression(C=1 / best, max_iter=1000).fit(train, codes).predict(test))
    return np.stack(predicted)


def _likelihood(fit, features, codes):
    """Mean log-probability of the true classes; those that the fit has not seen are left out."""
    known = np.isin(codes, fit.classes_)
    if not known.any():
        return -np.inf
    probabilities = fit.predict_log_proba(features[known])
    return probabilities[np.arange(known.sum()), np.searchsorted(fit.classes_, codes[known])].mean()


CLASSIFIERS = {"ridge": ridge_classes, "logistic": logistic_classes}
