"""Does a model follow the instruction? Parsers of generated answers, and the measures made from them.

Every item is asked under several variants of one prompt: at least two whose instructions ask for disjoint label sets
(A/B/C/D; 1/2/3/4), and one without instruction. An answer counts towards adherence only in so far as it depends on the
instruction, so a model that always says "A", or that copies from the question, scores zero.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from triphase.core.errors import InputError
from triphase.core.lazy import np
from triphase.core.types import Section


def normalise(text: str) -> str:
    """The first non-empty line of an answer: NFKC, lower case, without outer white space and final punctuation."""
    lines = [line.strip() for line in unicodedata.normalize("NFKC", text).splitlines()]
    line = next((line for line in lines if line), "").casefold()
    while line and unicodedata.category(line[-1])[0] in "PZ":
        line = line[:-1]
    return line


def parse_strict(text: str, labels: Sequence[str]) -> int | None:
    """Index of the label that the first non-empty line is, case and final punctuation ignored; else None."""
    line = normalise(text)
    return next((index for index, label in enumerate(labels) if line == normalise(label)), None)


def parse_lenient(text: str, labels: Sequence[str]) -> int | None:
    """Index of the label that the answer starts with, else None.

    A label that ends in an ASCII letter or digit must end there as a word: "apple" does not start with the label "A".
    Of two labels that fit the longer one counts.
    """
    line = normalise(text)
    fitting = [index for index, label in enumerate(labels) if _starts(line, normalise(label))]
    return max(fitting, key=lambda index: len(normalise(labels[index])), default=None)


def _starts(line, label):
    if not label or not line.startswith(label):
        return False
    rest = line[len(label) :]
    ends_word = label[-1].isascii() and label[-1].isalnum()
    return not (ends_word and rest and rest[0].isascii() and rest[0].isalnum())


def check_variants(entry: Section) -> None:
    """Raise InputError unless an adherence entry of the config has two or more disjoint label sets and one without."""
    name, variants = entry["name"], entry["variants"]
    sets = [[normalise(label) for label in variant["labels"]] for variant in variants]
    asked = [labels for labels in sets if labels]
    flat = [label for labels in asked for label in labels]
    if len(asked) < 2 or len(asked) == len(sets):
        raise InputError(
            f"tasks.adherence {name!r}: {len(asked)} of {len(sets)} variants have labels; "
            "at least two with labels and one without (labels: []) are needed"
        )
    if len(set(flat)) < len(flat) or "" in flat:
        raise InputError(
            f"tasks.adherence {name!r}: labels {flat} are not distinct (case and final punctuation do not count); "
            "every label must be unique over all variants"
        )


def adherence_scores(
    responses: Mapping[str, list[str]],
    labels: Mapping[str, list[str]],
    parse: Callable[[str, Sequence[str]], int | None],
) -> np.ndarray:
    """Contribution of each item to adherence.

    Parameters
    ----------
    responses : dict of str to list of str (n,)
        Answers by variant, item by item in the same order.
    labels : dict of str to list of str
        Label set by variant, empty for the variant without instruction.
    parse : callable
        `parse_strict` or `parse_lenient`.

    Returns
    -------
    array (n,) in [-1, 1]: mean over the label sets S of 1[answer in S | S asked for] minus the mean over the other
    variants of 1[answer in S]. Its mean over items is the adherence.
    """
    scores = []
    for asked in (variant for variant in labels if labels[variant]):
        inside = {
            variant: np.array([parse(answer, labels[asked]) is not None for answer in answers], dtype=float)
            for variant, answers in responses.items()
        }
        others = [values for variant, values in inside.items() if variant != asked]
        scores.append(inside[asked] - np.mean(others, axis=0))
    return np.mean(scores, axis=0)


def entropy_bits(answers: list[str]) -> tuple[float, float]:
    """Entropy of the answers (after `normalise`) in bits, with its delta-method standard error."""
    _, counts = np.unique([normalise(answer) for answer in answers], return_counts=True)
    share = counts / counts.sum()
    bits = -np.log2(share)
    entropy = float(share @ bits)
    return entropy, float(np.sqrt(max(share @ bits**2 - entropy**2, 0.0) / counts.sum()))


def commonest_share(answers: list[str]) -> float:
    """Share of the commonest answer (after `normalise`) among all answers."""
    _, counts = np.unique([normalise(answer) for answer in answers], return_counts=True)
    return float(counts.max() / counts.sum())
