"""Measures made from the items of one checkpoint, each a function under its own name, and per-item scores to resample.

`triphase.table.measures` says what they are. A function takes the items of one evaluation, or the answers of one
adherence entry, and returns value, standard error and n (items); or None where the items have no such measure.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.measures import ITEMS, added, measure_table, values_of
from triphase.stats.proportions import agresti_coull, standard_error
from triphase.tasks.adherence import adherence_scores, commonest_share, entropy_bits, parse_lenient, parse_strict


@dataclass(frozen=True)
class Answers:
    """Answers of one adherence entry, item by item in the same order for every variant.

    Attributes
    ----------
    item : list
    labels : dict of variant to its label set, empty for the variant without instruction
    response, target, label_mass, loglikelihoods, truncated : dict of variant to list, one per item
    """

    item: list
    labels: dict[str, list[str]]
    response: dict[str, list]
    target: dict[str, list]
    label_mass: dict[str, list]
    loglikelihoods: dict[str, list]
    truncated: dict[str, list]

    @property
    def asked(self) -> list[str]:
        """Variants with an instruction."""
        return [variant for variant, labels in self.labels.items() if labels]

    @cached_property
    def parsed(self) -> dict[str, list[int | None]]:
        """The label that every answer is, by the strict parser, in the variants with an instruction."""
        return {v: [parse_strict(text, self.labels[v]) for text in self.response[v]] for v in self.asked}


Found = tuple[float, float, int] | None
EVALUATION_MEASURES: dict[str, Callable[[pd.DataFrame], Found]] = {}
ADHERENCE_MEASURES: dict[str, Callable[[Answers], Found]] = {}
# Beside these a task that a checkpoint lacks has no rows: they are properties of its items alone.
OF_MISSING_EVALUATIONS = ("accuracy", "accuracy_rescaled")
OF_ITEMS_ALONE = ("adherence_truncated",)


def measure_of_evaluation(function: Callable[[pd.DataFrame], Found]) -> Callable[[pd.DataFrame], Found]:
    """Add a function to the measures that every evaluation is taken."""
    EVALUATION_MEASURES[function.__name__] = function
    return function


def measure_of_adherence(function: Callable[[Answers], Found]) -> Callable[[Answers], Found]:
    """Add a function to the measures that every adherence entry is taken."""
    ADHERENCE_MEASURES[function.__name__] = function
    return function


def summarise(items: pd.DataFrame, adherence_config: list[dict]) -> pd.DataFrame:
    """Measures of one checkpoint from its items.

    Parameters
    ----------
    items : pandas.DataFrame
        From `triphase.tasks.harness.evaluate`; `attrs` may have its metadata's `missing`.
    adherence_config : list of dict
        The config's `tasks.adherence`.

    Returns
    -------
    pandas.DataFrame with measure, target (the evaluation or the adherence entry), value, se, n. NaN with n = 0 stands
    where the items have no right answer, no answer is valid, or the task is missing at this checkpoint.
    """
    missing, rows = items.attrs.get("missing", {}), []
    of_evaluations = EVALUATION_MEASURES | added(ITEMS)
    for name, frame in items[items["kind"] == "accuracy"].groupby("task", sort=False):
        for measure, function in of_evaluations.items():
            rows += _rows(measure, str(name), function(frame), len(frame))
    variants = {f"{entry['name']}.{variant['name']}" for entry in adherence_config for variant in entry["variants"]}
    nothing = np.nan, np.nan, 0
    for name in missing:
        if name not in variants:
            rows += [row for measure in OF_MISSING_EVALUATIONS for row in _rows(measure, name, nothing, 0)]
    for entry in adherence_config:
        answers = None if _lacks(missing, entry) else _answers(items, entry)
        for measure, function in ADHERENCE_MEASURES.items():
            if answers is not None:
                rows += _rows(measure, entry["name"], function(answers), len(answers.item))
            elif measure not in OF_ITEMS_ALONE:
                rows += _rows(measure, entry["name"], nothing, 0)
    return measure_table(rows)


def _rows(measure, target, result, n):
    """Rows of what a measure's function returned of one evaluation or adherence entry; none for None."""
    values = [] if result is None else values_of(measure, result, n)
    return [(None, measure, replace(value, target=target)) for value in values]


def item_scores(items: pd.DataFrame, adherence_config: list[dict]) -> pd.DataFrame:
    """Per-item contributions whose mean is the measure, for resampling items with draws common to all checkpoints.

    Returns
    -------
    pandas.DataFrame with measure (accuracy_rescaled, adherence), target, item, score
    """
    # A study may have no tasks: then there are no scores, and the columns all the same.
    parts = [pd.DataFrame({"measure": [], "target": [], "item": [], "score": []})]
    for name, frame in items[items["kind"] == "accuracy"].groupby("task", sort=False):
        score = (frame["correct"] - frame["chance"]) / (1 - frame["chance"])
        about = {"measure": "accuracy_rescaled", "target": name}
        parts.append(pd.DataFrame(about | {"item": frame["item"], "score": score}))
    for entry in adherence_config:
        if not _lacks(items.attrs.get("missing", {}), entry):
            answers = _answers(items, entry)
            scores = adherence_scores(answers.response, answers.labels, parse_strict)
            about = {"measure": "adherence", "target": entry["name"]}
            parts.append(pd.DataFrame(about | {"item": answers.item, "score": scores}))
    return pd.concat(parts[1:] or parts, ignore_index=True).astype({"score": float})


def _lacks(missing, entry):
    """Whether a variant of an adherence entry is missing at this checkpoint."""
    return any(f"{entry['name']}.{variant['name']}" in missing for variant in entry["variants"])


def _answers(items, entry):
    """Answers of one adherence entry; InputError where variants have other items."""
    frame = items[(items["kind"] == "adherence") & (items["task"] == entry["name"])]
    by_variant = {v["name"]: frame[frame["variant"] == v["name"]].sort_values("item") for v in entry["variants"]}
    index = [rows["item"].to_list() for rows in by_variant.values()]
    if any(other != index[0] for other in index) or not index[0]:
        counts = {name: len(rows) for name, rows in by_variant.items()}
        raise InputError(f"tasks.adherence {entry['name']!r}: items by variant are {counts}; all need the same items")
    columns = ("response", "target", "label_mass", "loglikelihoods", "truncated")
    return Answers(
        item=index[0],
        labels={variant["name"]: variant["labels"] for variant in entry["variants"]},
        **{key: {name: rows[key].to_list() for name, rows in by_variant.items()} for key in columns},
    )


@measure_of_evaluation
def accuracy(items: pd.DataFrame) -> Found:
    """Share right."""
    correct = items["correct"].to_numpy(float)
    return correct.mean(), standard_error(correct), len(items)


@measure_of_evaluation
def accuracy_norm(items: pd.DataFrame) -> Found:
    """Share right by likelihood per character."""
    norm = items["correct_norm"].to_numpy(float)
    return (norm.mean(), standard_error(norm), len(items)) if np.isfinite(norm).all() else None


@measure_of_evaluation
def accuracy_rescaled(items: pd.DataFrame) -> Found:
    """Accuracy with chance 0 and perfect 1."""
    correct, level = items["correct"].to_numpy(float), items["chance"].to_numpy(float)
    return ((correct - level) / (1 - level)).mean(), standard_error(correct) / (1 - level.mean()), len(items)


@measure_of_evaluation
def chance(items: pd.DataFrame) -> Found:
    """1 / choices."""
    return items["chance"].to_numpy(float).mean(), 0.0, len(items)


@measure_of_evaluation
def majority(items: pd.DataFrame) -> Found:
    """Share of the commonest right answer."""
    return items["majority"].mean(), 0.0, len(items)


@measure_of_evaluation
def truncated(items: pd.DataFrame) -> Found:
    """Share of prompts that lost their beginning."""
    return items["truncated"].to_numpy(float).mean(), 0.0, len(items)


@measure_of_adherence
def adherence(answers: Answers) -> Found:
    """Adherence by the strict parser."""
    return _adherence(answers, parse_strict)


@measure_of_adherence
def adherence_lenient(answers: Answers) -> Found:
    """Adherence by what the answer starts with."""
    return _adherence(answers, parse_lenient)


def _adherence(answers, parse):
    scores = adherence_scores(answers.response, answers.labels, parse)
    return scores.mean(), standard_error(scores, -1.0, 1.0), len(answers.item)


@measure_of_adherence
def validity(answers: Answers) -> Found:
    """Share of answers that are a label of the set asked for."""
    valid = np.mean([[index is not None for index in answers.parsed[v]] for v in answers.asked], axis=0)
    return valid.mean(), standard_error(valid), len(answers.item)


@measure_of_adherence
def answer_entropy(answers: Answers) -> Found:
    """Entropy of the answers in bits."""
    entropies, errors = np.transpose([entropy_bits(answers.response[v]) for v in answers.asked])
    return entropies.mean(), float(np.linalg.norm(errors)) / len(answers.asked), len(answers.item)


@measure_of_adherence
def commonest_answer(answers: Answers) -> Found:
    """Share of the commonest answer."""
    n, shares = len(answers.item), np.array([commonest_share(answers.response[v]) for v in answers.asked])
    errors = [agresti_coull(round(share * n), n) for share in shares]
    return shares.mean(), float(np.linalg.norm(errors)) / len(answers.asked), n


@measure_of_adherence
def label_mass(answers: Answers) -> Found:
    """Probability that the answer begins with a label."""
    masses = np.mean([answers.label_mass[v] for v in answers.asked], axis=0)
    return masses.mean(), standard_error(masses), len(answers.item)


@measure_of_adherence
def accuracy_valid(answers: Answers) -> Found:
    """Share right among strictly valid answers."""
    right = [
        float(index == target)
        for v in answers.asked
        for index, target in zip(answers.parsed[v], answers.target[v], strict=True)
        if index is not None and pd.notna(target)
    ]
    return float(np.mean(right)) if right else np.nan, standard_error(right), len(right)


@measure_of_adherence
def accuracy_likelihood(answers: Answers) -> Found:
    """Share of items whose right label is the likeliest of the set, by item the mean over the variants."""
    known = [
        np.mean([np.argmax(answers.loglikelihoods[v][item]) == answers.target[v][item] for v in answers.asked])
        for item in range(len(answers.item))
        if all(pd.notna(answers.target[v][item]) for v in answers.asked)
    ]
    return np.mean(known) if known else np.nan, standard_error(known), len(known)


@measure_of_adherence
def adherence_truncated(answers: Answers) -> Found:
    """Share of prompts that lost their beginning."""
    return np.mean(list(answers.truncated.values())), 0.0, len(answers.item)
