"""Internal states of one checkpoint as rows of the tidy table."""

import logging

import numpy as np
import pandas as pd

from triphase.errors import InputError
from triphase.geometry import cka, effective_rank, participation_ratio, spectrum, two_nn
from triphase.probes import (
    assign_folds,
    balanced_influence,
    clustered_error,
    concept_classes,
    control_codes,
    predict,
    sentence_groups,
)

COLUMNS = ["layer", "measure", "value", "se", "n"]


def tidy_rows(rows):
    """Rows (layer or None, measure, value, se, n) as a table."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype({"layer": "Int64", "measure": str, "value": float, "se": float, "n": "Int64"})


def surprisal_row(bits, words):
    """Mean surprisal in bits per word, its standard error clustered by sentence; words without one are left out."""
    known = np.isfinite(bits)
    values = bits[known].astype(float)
    error = clustered_error((values - values.mean()) / values.size, sentence_groups(words)[known])
    return (None, "surprisal", values.mean(), error, values.size)


def geometry_rows(layer, points, n_dimension, seed):
    """Intrinsic dimension, participation ratio and effective rank of one layer.

    Parameters
    ----------
    points : array (n words, features)
    n_dimension : int
        Words that the intrinsic dimension is taken from: it depends on n, so these are drawn from the seed and the
        number of words alone and are the same at every checkpoint.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(points))[:n_dimension])
    dimension, error, distinct = two_nn(points[chosen])
    if distinct < len(chosen):
        logging.info("layer %s: %d of %d vectors are distinct; repeats left out", layer, distinct, len(chosen))
    values = spectrum(points)
    return [
        (layer, "intrinsic_dimension", dimension, error, distinct),
        (layer, "participation_ratio", participation_ratio(values), np.nan, len(points)),
        (layer, "effective_rank", effective_rank(values), np.nan, len(points)),
    ]


def prepare_probes(words, concepts, *, folds, control_draws, min_count, seed):
    """Labels, control labels and folds of every concept: all that does not depend on the model.

    Parameters
    ----------
    words : pandas.DataFrame
        One row per word of the activations.
    concepts : list of dict
        See `triphase.probes.concept_classes`.

    Returns
    -------
    list of dict: name, rows (words with a label), codes (1 + control_draws, rows), groups, folds, classes, skipped.
    A concept with fewer than two classes has no rows, and its measures are missing (NaN).
    """
    groups = sentence_groups(words)
    fold = assign_folds(groups, folds, np.random.default_rng(seed))
    types = words["word"].str.casefold().astype("category").cat.codes.to_numpy()
    prepared = []
    for number, concept in enumerate(concepts):
        codes, classes, skipped = concept_classes(words, concept, min_count)
        rows = np.flatnonzero(codes >= 0) if len(classes) > 1 else np.zeros(0, dtype=int)
        logging.info("concept %s: %d words, classes %s, left out %s", concept["name"], len(rows), classes, skipped)
        if not len(rows):
            message = "concept %s: %d classes with %d words or more, not probed"
            logging.warning(message, concept["name"], len(classes), min_count)
        rng = np.random.default_rng([seed, number])
        labels = codes[rows][None]
        if len(rows):
            labels = np.concatenate([labels, control_codes(codes[rows], types[rows], control_draws, rng)])
        prepared.append({
            "name": concept["name"], "rows": rows, "codes": labels, "groups": groups[rows], "folds": fold[rows],
            "classes": classes, "skipped": skipped,
        })  # fmt: skip
    return prepared


def probe_rows(layer, points, prepared, alphas):
    """Balanced accuracy and selectivity of every concept in one layer.

    Concepts with the same labelled words share a decomposition. The standard error of the selectivity holds the words'
    and the draws' part.
    """
    rows, together = [], {}
    for concept in prepared:
        together.setdefault(concept["rows"].tobytes(), []).append(concept)
    for concepts in together.values():
        index = concepts[0]["rows"]
        if not len(index):
            for name in (concept["name"] for concept in concepts):
                rows += [(layer, f"probe/{name}", np.nan, np.nan, 0), (layer, f"selectivity/{name}", np.nan, np.nan, 0)]
            continue
        columns = [codes for concept in concepts for codes in concept["codes"]]
        predicted = iter(predict(points[index], columns, concepts[0]["folds"], alphas))
        for concept in concepts:
            scored = [balanced_influence(codes, next(predicted)) for codes in concept["codes"]]
            (value, influence), controls = scored[0], scored[1:]
            control = np.array([score for score, _ in controls])
            difference = influence - np.mean([part for _, part in controls], axis=0)
            between = control.var(ddof=1) / control.size
            error = np.hypot(clustered_error(difference, concept["groups"]), np.sqrt(between))
            own = clustered_error(influence, concept["groups"])
            rows.append((layer, f"probe/{concept['name']}", value, own, index.size))
            rows.append((layer, f"selectivity/{concept['name']}", value - control.mean(), error, index.size))
    return rows


def check_same_words(ours, theirs):
    """Raise InputError unless two activation files hold the same words (by the hashes of their stimuli)."""
    if ours.attrs["stimulus_hashes"] != theirs.attrs["stimulus_hashes"]:
        raise InputError(
            f"states.cka: {ours.attrs['revision']!r} and {theirs.attrs['revision']!r} were run on different stimuli: "
            f"{ours.attrs['stimulus_hashes']} and {theirs.attrs['stimulus_hashes']}; remake the older activations"
        )


def similarity_rows(layer, points, reference, roles):
    """Debiased CKA of one layer with the same layer of a reference checkpoint, as cka_<role> for each role it plays."""
    value, error = cka(points, reference)
    return [(layer, f"cka_{role}", value, error, len(points)) for role in roles]
