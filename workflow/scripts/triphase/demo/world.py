"""The little world that the embedded models can learn: who lives where, likes what and does what, and texts about it.

Every fact has two wordings of its question. One of them, fixed per fact, is kept for evaluation and never occurs in a
training text together with that fact's person: see `items.py`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from triphase.core.types import Section
from triphase.demo.grammar import LANGUAGE_SEED, Speaker, lexicon

RELATIONS: dict[str, Section] = {
    "home": {
        "values": "place",
        "statements": ("{person} lives in {value}.", "The home of {person} is {value}."),
        "questions": ("Where does {person} live?", "What is the home of {person}?"),
    },
    "liking": {
        "values": "thing",
        "statements": ("{person} likes {value}.", "The joy of {person} is {value}."),
        "questions": ("What does {person} like?", "What is the joy of {person}?"),
    },
    "trade": {
        "values": "trade",
        "statements": ("{person} works as {value}.", "The trade of {person} is {value}."),
        "questions": ("What does {person} work as?", "What is the trade of {person}?"),
    },
}
LABELS = {"letters": ("A", "B", "C", "D"), "digits": ("1", "2", "3", "4"), "plain": None}
INSTRUCTIONS = {"letters": " Answer with A, B, C or D.", "digits": " Answer with 1, 2, 3 or 4.", "plain": ""}


@lru_cache(maxsize=1)
def facts() -> tuple[dict[str, Any], ...]:
    """All facts of the world.

    Returns
    -------
    tuple of dict
        person, relation, value, and `held_out`: index of the question's wording that only the evaluation uses.
    """
    rng = np.random.default_rng(LANGUAGE_SEED + 2)
    words = lexicon()
    table = []
    for person in words["person"]:
        for relation, about in RELATIONS.items():
            value = words[about["values"]][int(rng.integers(len(words[about["values"]])))]
            table.append({"person": person, "relation": relation, "value": value, "held_out": int(rng.integers(2))})
    return tuple(table)


def question(fact: Section, wording: int) -> str:
    """The question about a fact in one of its two wordings."""
    return RELATIONS[fact["relation"]]["questions"][wording].format(person=fact["person"])


def options(fact: Section, rng: np.random.Generator) -> tuple[list[str], int]:
    """Four different answers in random order, the right one among them.

    Returns
    -------
    list of str, and the index of the right one.
    """
    others = [value for value in lexicon()[RELATIONS[fact["relation"]]["values"]] if value != fact["value"]]
    chosen = [fact["value"], *(others[int(i)] for i in rng.permutation(len(others))[:3])]
    order = rng.permutation(4)
    return [chosen[int(i)] for i in order], int(np.flatnonzero(order == 0)[0])


def instruction(text: str, choices: Sequence[str], variant: str) -> str:
    """The prompt of a multiple-choice item under one of the `INSTRUCTIONS`; the options themselves carry no labels."""
    return f"Question: {text} Options: {', '.join(choices)}.{INSTRUCTIONS[variant]}\nAnswer:"


def statement_text(rng: np.random.Generator, count: int) -> str:
    """A paragraph of statements about randomly chosen facts."""
    lines = []
    for index in rng.integers(len(facts()), size=count):
        fact = facts()[int(index)]
        wording = RELATIONS[fact["relation"]]["statements"][int(rng.integers(2))]
        lines.append(wording.format(person=fact["person"], value=fact["value"]))
    return " ".join(lines) + "\n"


def question_text(rng: np.random.Generator) -> str:
    """A question about a fact, without options, and its answer; never in the wording that is kept for evaluation."""
    fact = facts()[int(rng.integers(len(facts())))]
    return f"Question: {question(fact, 1 - fact['held_out'])}\nAnswer: {fact['value']}\n"


def instruction_text(rng: np.random.Generator) -> str:
    """A multiple-choice item with an instruction, or none, and the answer in the form that is asked for."""
    fact = facts()[int(rng.integers(len(facts())))]
    choices, right = options(fact, rng)
    variant = ("letters", "digits", "plain")[int(rng.integers(3))]
    labels = LABELS[variant] or choices
    return f"{instruction(question(fact, 1 - fact['held_out']), choices, variant)} {labels[right]}\n"


def story_text(rng: np.random.Generator) -> str:
    """A story of 12 to 24 sentences, written as it is heard: no capitals, no punctuation."""
    sentences = Speaker(rng).story(int(rng.integers(12, 25)))
    return " ".join(word.word for word in sentences) + "\n"


def scrambled_text(rng: np.random.Generator) -> str:
    """Three short stories with all their words in random order: as frequent as in stories, without grammar.

    Nothing right before a word says much of it, so that a model which reads this unlearns to look back.
    """
    speaker = Speaker(rng)
    words = [word.word for _ in range(3) for word in speaker.story(6)]
    return " ".join(words[int(i)] for i in rng.permutation(len(words))) + "\n"


WRITERS = {
    "stories": story_text,
    "scrambled": scrambled_text,
    "facts": lambda rng: statement_text(rng, 6),
    "questions": question_text,
    "instructions": instruction_text,
}


def documents(mixture: Mapping[str, float], words: int, seed: int) -> list[str]:
    """Training documents of the embedded study.

    Parameters
    ----------
    mixture : dict of str to float; share of *words* of each kind of text in `WRITERS`
    words : length of the whole in words (reached by the last document)
    seed : of the choice and order of documents

    Returns
    -------
    list of str, in random order of kinds.
    """
    rng = np.random.default_rng([seed, LANGUAGE_SEED])
    kinds = sorted(mixture)
    shares = np.array([mixture[kind] for kind in kinds]) / sum(mixture.values())
    written = np.zeros(len(kinds))
    texts = []
    while written.sum() < words:
        behind = int(np.argmax(shares * (written.sum() + 1) - written))
        text = WRITERS[kinds[behind]](rng)
        written[behind] += len(text.split())
        texts.append(text)
    return [texts[int(i)] for i in rng.permutation(len(texts))]
