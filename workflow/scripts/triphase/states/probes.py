"""What can be read linearly from activations: classifiers for every concept at once, with a control task.

All concepts, their control labels and all classes are columns of one regression, so a layer costs one decomposition per
fold, however many concepts there are.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from triphase.core.types import Section
from triphase.states.classifiers import CLASSIFIERS, standardise
from triphase.states.labels import (
    THIRDS,
    Concept,
    Splits,
    concept_classes,
    control_codes,
    held_out_sentences,
    held_out_types,
    learning_splits,
    sentence_groups,
    trained_classes,
    word_types,
)

FOLDS = 5  # of sentences: each classifier sees four fifths of the words
CONTROL_DRAWS = 10  # random labellings of word types: their mean is known to a third of one labelling's spread
MIN_COUNT = 20  # words of a class, of which each fold then tests about four
# From almost no shrinkage of standardised features to little left of them; one is chosen on training words.
ALPHAS = (1, 100, 10000)


class Score(NamedTuple):
    """One score of a concept: what was measured (see `probe_scores`), its standard error, and the words tested."""

    concept: str
    kind: str | float
    value: float
    se: float
    n: int


@dataclass(frozen=True)
class Plan:
    """All that probes need beside the activations, the same for every layer, checkpoint and model.

    concepts : list of Concept
    groups, types : int array (n words,), sentence and word type of each
    splits : dict of scheme ("sentences", "types", or a share of the training sentences) to (training, test) masks
    """

    concepts: list[Concept]
    groups: np.ndarray
    types: np.ndarray
    splits: dict[str | float, Splits]


def plan_probes(words: pd.DataFrame, probes: Section, seed: int, control_draws: int = CONTROL_DRAWS) -> Plan:
    """Labels, control labels and folds of every concept: all that does not depend on the model.

    Parameters
    ----------
    words : pandas.DataFrame
        One row per word of the activations.
    probes : dict
        `states/probes` of the config: concepts, learning_curve.
    seed : int
    control_draws : int, random labellings of word types of each concept
    """
    groups, types = sentence_groups(words), word_types(words)
    sentences = held_out_sentences(groups, FOLDS, np.random.default_rng(seed))
    splits = {"sentences": sentences}
    if min(len(np.unique(groups)), len(np.unique(types))) >= THIRDS:
        splits["types"] = held_out_types(groups, types, np.random.default_rng([seed, 1]))
    concepts = []
    for number, concept in enumerate(probes["concepts"]):
        codes, classes, skipped, reason = concept_classes(words, concept, MIN_COUNT)
        if reason:
            logging.warning("concept %s is not probed: %s", concept["name"], reason)
            concepts.append(Concept(concept["name"], classes, skipped=skipped, reason=reason))
            continue
        rows = np.flatnonzero(codes >= 0)
        codes = codes[rows]
        scored = {scheme: trained_classes(codes, _of(rows, parts)) for scheme, parts in splits.items()}
        skipped |= {f"untrained_{scheme}": int((~known).sum()) for scheme, known in scored.items()}
        logging.info("concept %s: %d words, classes %s, left out %s", concept["name"], len(rows), classes, skipped)
        controls = control_codes(codes, types[rows], control_draws, np.random.default_rng([seed, number + 2]))
        codes = np.concatenate([codes[None], controls])
        concepts.append(Concept(concept["name"], classes, rows, codes, scored, skipped))
    curve = {share: learning_splits(sentences, groups, share, seed) for share in probes["learning_curve"]}
    return Plan(concepts, groups, types, splits | curve)


def _of(rows, splits):
    """Splits of all words as those of some."""
    return [(train[rows], test[rows]) for train, test in splits]


def predict(
    features: np.ndarray,
    columns: list[np.ndarray],
    splits: Splits,
    groups: np.ndarray,
    alphas: Sequence[float] = ALPHAS,
    classifier: str = "ridge",
) -> np.ndarray:
    """Classes of held-out words.

    Parameters
    ----------
    features : array (n, p)
        Standardised here on the training rows of each split.
    columns : list of int array (n,)
        Classes 0..k-1 of each problem.
    splits : list of (training, test) bool arrays (n,)
    groups : int array (n,)
    alphas : sequence of float
    classifier : "ridge" or "logistic"

    Returns
    -------
    int array (problems, n)
        -1 where no split tests a word, or the one that does has nothing to train on.
    """
    features = np.asarray(features, dtype=np.float64)
    predicted = np.full((len(columns), len(features)), -1)
    for train, test in splits:
        if train.sum() > 1 and test.any():
            known = [codes[train] for codes in columns]
            pair = standardise(features[train], features[test])
            predicted[:, test] = CLASSIFIERS[classifier](pair[0], known, pair[1], groups[train], alphas)
    return predicted


def probe_scores(
    points: np.ndarray, plan: Plan, classifier: str = "ridge", schemes: Collection[str | float] | None = None
) -> list[Score]:
    """Scores of every concept on one set of features.

    Concepts with the same labelled words share a decomposition. Standard errors are of the tested words, clustered by
    sentence, times `overlap_factor`; that of the selectivity also holds the spread of the control tasks.

    Parameters
    ----------
    points : array (n words, features)
    plan : Plan
    classifier : see `predict`
    schemes : collection of the plan's schemes to use, by default all

    Returns
    -------
    list of Score
        Of kind `sentences` (balanced accuracy with sentences held out), `selectivity` (the same minus the mean over
        control tasks), `types` (sentences and word types held out) and each share of the learning curve. NaN, with n 0,
        for a concept that is not probed.
    """
    schemes = [scheme for scheme in plan.splits if schemes is None or scheme in schemes]
    together: dict[bytes, list[Concept]] = {}
    for concept in plan.concepts:
        together.setdefault(concept.rows.tobytes(), []).append(concept)
    scores: list[Score] = []
    for concepts in together.values():
        rows = concepts[0].rows
        if not len(rows):
            kinds = [*schemes, *(["selectivity"] if "sentences" in schemes else [])]
            scores += [Score(concept.name, kind, np.nan, np.nan, 0) for concept in concepts for kind in kinds]
            continue
        for scheme in schemes:
            splits = _of(rows, plan.splits[scheme])
            folds = np.argmax([test for _, test in splits], axis=0)
            factor = overlap_factor(THIRDS if scheme == "types" else len(splits))
            # Control tasks go with the whole training set and with word types that it knows.
            used = [concept.codes if scheme == "sentences" else concept.codes[:1] for concept in concepts]
            columns = [codes for several in used for codes in several]
            found = iter(predict(points[rows], columns, splits, plan.groups[rows], classifier=classifier))
            for concept, codes in zip(concepts, used, strict=True):
                tested = concept.scored["types" if scheme == "types" else "sentences"]
                parts = [balanced_influence(own[tested], next(found)[tested], folds[tested]) for own in codes]
                scores += _summary(concept.name, scheme, parts, plan.groups[rows][tested], factor)
    return scores


def overlap_factor(folds: int) -> float:
    """What the error of the tested words is multiplied with, as the folds' classifiers are trained on the same words.

    Nadeau and Bengio (2003): variance 1 / folds + tested / trained instead of 1 / folds. Somewhat too much where there
    is a signal, while without the factor intervals of a concept without one miss chance too often.
    """
    return float(np.sqrt(1 + folds / (folds - 1)))


def _summary(name, scheme, parts, groups, factor):
    """Rows of one concept from the score and influence of its labels and of each control task."""
    (value, influence), controls = parts[0], parts[1:]
    rows = [Score(name, scheme, value, factor * clustered_error(influence, groups), len(groups))]
    if controls:
        control = np.array([score for score, _ in controls])
        difference = influence - np.mean([part for _, part in controls], axis=0)
        between = control.var(ddof=1) / control.size if control.size > 1 else 0.0
        error = np.hypot(factor * clustered_error(difference, groups), np.sqrt(between))
        rows.append(Score(name, "selectivity", value - control.mean(), error, len(groups)))
    return rows


def balanced_influence(codes: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> tuple[float, np.ndarray]:
    """Balanced accuracy and each word's influence on it (its derivative with respect to the word's weight).

    The share of a class that is found is averaged over the folds that hold some of it. Pooled, folds in which it is
    common would count more, and there it is rare in training: without any signal the score would lie below chance.

    Parameters
    ----------
    codes, predicted : int array (n,)
    folds : int array (n,)
        The part in which each word was held out.

    Returns
    -------
    value : float
        Mean over the classes that occur of the share found; NaN with fewer than two classes.
    influence : array (n,)
    """
    counts = np.zeros((codes.max(initial=0) + 1, folds.max(initial=0) + 1))
    np.add.at(counts, (codes, folds), 1)
    occurring = (counts > 0).any(axis=1)
    if occurring.sum() < 2:
        return np.nan, np.full(len(codes), np.nan)
    weights = 1 / (counts[codes, folds] * (counts > 0).sum(axis=1)[codes])
    hits = (codes == predicted).astype(float)
    recall = np.bincount(codes, weights=weights * hits)
    return recall[occurring].mean(), weights * (hits - recall[codes]) / occurring.sum()


def clustered_error(influence: np.ndarray, groups: np.ndarray) -> float:
    """Standard error from influences summed within groups, as words of a sentence are not independent; NaN for one."""
    _, inverse = np.unique(groups, return_inverse=True)
    sums = np.bincount(inverse, weights=influence)
    return float(np.sqrt((sums**2).sum() * sums.size / (sums.size - 1))) if sums.size > 1 else np.nan
