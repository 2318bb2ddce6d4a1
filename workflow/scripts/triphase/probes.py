"""What can be read linearly from activations: ridge classifiers for every concept at once, with a control task.

All concepts, their control labels and all classes are columns of one regression, so a layer costs one decomposition per
fold, however many concepts there are.
"""

import numpy as np

from triphase.errors import InputError


def sentence_groups(words, block=20):
    """Group number of every word: its sentence, or a block of consecutive words where the table has no sentences.

    A word whose sentence is null belongs to that of the word before it.

    Parameters
    ----------
    words : pandas.DataFrame (n words)
        With `stimulus`, and `sentence` where it is known.
    block : int
        Words per group without sentences.

    Returns
    -------
    int array (n,)
    """
    if "sentence" in words and words["sentence"].notna().any():
        sentence = words.groupby("stimulus", sort=False)["sentence"].ffill()
        filled = words.assign(sentence=sentence)
        return filled.groupby(["stimulus", "sentence"], sort=False, dropna=False).ngroup().to_numpy()
    number = words.groupby("stimulus", sort=False).cumcount() // block
    return words.assign(number=number).groupby(["stimulus", "number"], sort=False).ngroup().to_numpy()


def concept_classes(words, concept, min_count):
    """Class of every word for one concept.

    Parameters
    ----------
    words : pandas.DataFrame
    concept : dict
        `name` (a column of `words`); `missing`, values that mean "no label" beside null; `bins` where numbers are to be
        cut into so many equally filled classes.
    min_count : int
        Rarer classes are left out: they can't be learnt and scored over folds.

    Returns
    -------
    codes : int array (n,)
        -1 where the label is missing or its class too rare.
    classes : list
        Names of the classes.
    skipped : dict
        `missing` and `rare`: words left out for either reason.

    Raises
    ------
    InputError
        The table has no such column; more than 10 numeric values and no `bins`; `bins` for what is not numeric.
    """
    import pandas as pd

    name = concept["name"]
    if name not in words:
        fixed = {"stimulus", "run", "index", "word", "onset", "offset", "char_start", "char_end", "sentence"}
        raise InputError(
            f"states.probes.concepts: {name!r} is no column of the words table; its labels are: "
            f"{', '.join(sorted(set(words) - fixed)) or 'none'}"
        )
    labels = words[name].mask(words[name].isin(concept.get("missing", [])))
    numeric = pd.api.types.is_numeric_dtype(labels)
    if concept.get("bins") and not numeric:
        raise InputError(f"states.probes.concepts: {name!r} has `bins`, but its values are {labels.dtype}, not numbers")
    if concept.get("bins"):
        labels = pd.qcut(labels, concept["bins"], duplicates="drop")
    elif numeric and labels.nunique() > 10:
        raise InputError(
            f"states.probes.concepts: {name!r} has {labels.nunique()} numeric values; give the concept `bins`, "
            "the number of equally filled classes to cut them into"
        )
    counts = labels.value_counts()
    common = sorted(counts.index[counts >= min_count])
    codes = pd.Categorical(labels, categories=common).codes.astype(np.int64)
    missing = int(labels.isna().sum())
    return codes, [str(value) for value in common], {"missing": missing, "rare": int((codes < 0).sum()) - missing}


def control_codes(codes, types, draws, rng):
    """Control task of Hewitt and Liang (2019): every word type gets one random label, from the concept's distribution.

    Parameters
    ----------
    codes : int array (n,)
        Classes of the words of one concept, none missing.
    types : int array (n,)
        Word type of each.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    int array (draws, n)
    """
    shares = np.bincount(codes) / codes.size
    _, inverse = np.unique(types, return_inverse=True)
    return np.stack([rng.choice(shares.size, size=inverse.max() + 1, p=shares)[inverse] for _ in range(draws)])


def assign_folds(groups, n_folds, rng):
    """Fold of every word, whole groups to one fold, folds of nearly equal numbers of groups.

    Returns
    -------
    int array (n,)
    """
    _, inverse = np.unique(groups, return_inverse=True)
    number = inverse.max() + 1
    if number < n_folds:
        raise InputError(f"states.probes.folds: {n_folds} folds need as many sentences, the words have {number}")
    return rng.permutation(np.arange(number) % n_folds)[inverse]


def predict(features, columns, folds, alphas):
    """Out-of-fold classes of several one-vs-rest ridge classifiers that share one decomposition per fold.

    Features are standardised on training rows; targets are -1 and 1, centred, as in scikit-learn's RidgeClassifier.
    Each problem takes the alpha with the least generalised cross-validation error (Golub et al. 1979) on training rows.

    Parameters
    ----------
    features : array (n, p)
    columns : list of int array (n,)
        Classes 0..k-1 of each problem.
    folds : int array (n,)
    alphas : sequence of float

    Returns
    -------
    int array (problems, n)
    """
    features = np.asarray(features, dtype=np.float64)
    sizes = [codes.max() + 1 for codes in columns]
    targets = [2.0 * (codes[:, None] == np.arange(size)) - 1 for codes, size in zip(columns, sizes, strict=True)]
    targets = np.concatenate(targets, axis=1)
    starts = np.cumsum([0, *sizes])
    predicted = np.empty((len(columns), len(features)), dtype=np.int64)
    for fold in np.unique(folds):
        test = folds == fold
        scores = _ridge_scores(features[~test], targets[~test], features[test], starts, np.asarray(alphas, dtype=float))
        for problem, (start, stop) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
            predicted[problem, test] = scores[:, start:stop].argmax(axis=1)
    return predicted


def _ridge_scores(train, targets, test, starts, alphas):
    """Scores of the test rows, one column per target; alpha per problem, whose columns are starts[i]:starts[i + 1]."""
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale == 0] = 1
    train, test = (train - mean) / scale, (test - mean) / scale
    centre = targets.mean(axis=0)
    targets = targets - centre
    left, singular, axes = _decompose(train)
    loadings = left.T @ targets
    shrink = singular[:, None] ** 2 / (singular[:, None] ** 2 + alphas)
    # |residual|² without forming it: what the left vectors do not span, plus what shrinking leaves of the rest.
    rest = (targets**2).sum(axis=0) - (loadings**2).sum(axis=0)
    residual = ((1 - shrink) ** 2).T @ loadings**2 + rest
    freedom = len(train) - 1 - shrink.sum(axis=0)
    error = np.add.reduceat(residual, starts[:-1], axis=1) / freedom[:, None] ** 2
    best = np.repeat(error.argmin(axis=0), np.diff(starts))
    weights = axes @ (loadings * (shrink / singular[:, None])[:, best])
    return test @ weights + centre


def _decompose(matrix):
    """Thin singular value decomposition through the smaller Gram matrix, directions without variance left out."""
    n, p = matrix.shape
    values, vectors = np.linalg.eigh(matrix.T @ matrix if p <= n else matrix @ matrix.T)
    kept = values > values[-1] * max(n, p) * np.finfo(float).eps
    singular, vectors = np.sqrt(values[kept]), vectors[:, kept]
    if p <= n:
        return matrix @ vectors / singular, singular, vectors
    return vectors, singular, matrix.T @ vectors / singular


def balanced_influence(codes, predicted):
    """Balanced accuracy and each word's influence on it (its derivative with respect to the word's weight).

    Returns
    -------
    value : float
        Mean over the classes that occur of the share found.
    influence : array (n,)
    """
    counts = np.bincount(codes)
    hits = (codes == predicted).astype(float)
    recall = np.bincount(codes, weights=hits) / np.maximum(counts, 1)
    occurring = (counts > 0).sum()
    return recall[counts > 0].mean(), (hits - recall[codes]) / counts[codes] / occurring


def clustered_error(influence, groups):
    """Standard error from influences summed within groups, as words of a sentence are not independent."""
    _, inverse = np.unique(groups, return_inverse=True)
    sums = np.bincount(inverse, weights=influence)
    return float(np.sqrt((sums**2).sum() * sums.size / (sums.size - 1)))
