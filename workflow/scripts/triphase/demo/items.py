"""Items of the embedded study's tasks, in the form in which `resources/tasks/embedded/*.yaml` reads them.

World items ask about facts that the training text states, in a wording of the question that no training text uses for
that fact; the same items are asked under three instructions. Agreement items are minimal pairs of the language's
grammar: half of them with nothing between subject and verb, the others with a noun of the other number there. Who lets
the nearest noun decide scores chance.
"""

from pathlib import Path
from typing import Any

import numpy as np

from triphase.core.types import Section
from triphase.demo.grammar import DETERMINERS, LANGUAGE_SEED, PREPOSITIONS, TOPICS, Speaker, inflect
from triphase.demo.world import LABELS, facts, instruction, options, question
from triphase.tasks.controls import write_items

COUNT = 120
OTHER = {"singular": "plural", "plural": "singular"}


def agreement_items(count: int = COUNT) -> list[dict[str, Any]]:
    """Minimal pairs: list of dict with id, prefix, good, bad (two forms of a verb), number, kind of what is between."""
    rng = np.random.default_rng(LANGUAGE_SEED + 3)
    speaker = Speaker(rng)
    items = []
    for index in range(count):
        topic = speaker.one_of(TOPICS)
        number = ("singular", "plural")[index % 2]
        kind = ("none", "phrase")[index // 2 % 2]
        subject, attractor = (_noun_phrase(speaker, topic, each) for each in (number, OTHER[number]))
        verb = speaker.content("verb", topic)
        items.append(
            {
                "id": index,
                "prefix": subject if kind == "none" else f"{subject} {speaker.one_of(PREPOSITIONS)} {attractor}",
                "good": inflect(verb, "verb", number),
                "bad": inflect(verb, "verb", OTHER[number]),
                "number": number,
                "kind": kind,
            }
        )
    return items


def _noun_phrase(speaker: Speaker, topic: str, number: str) -> str:
    """A noun with a determiner that shows its number too, as "the" does not."""
    determiner = speaker.one_of([word for word in DETERMINERS[number] if word != "the"])
    return f"{determiner} {inflect(speaker.content('noun', topic), 'noun', number)}"


def world_items(count: int = COUNT) -> list[dict[str, Any]]:
    """Multiple-choice questions: list of dict with id, question, choices (4), answer (index), relation and prompts.

    `letters`, `digits` and `plain` are the prompts under the three instructions; `prompt` has no options at all.
    """
    rng = np.random.default_rng(LANGUAGE_SEED + 4)
    table = facts()
    items = []
    for index, row in enumerate(rng.permutation(len(table))[:count]):
        fact = table[int(row)]
        asked = question(fact, fact["held_out"])
        choices, right = options(fact, rng)
        item = {"id": index, "question": asked, "choices": choices, "answer": right, "relation": fact["relation"]}
        item["prompt"] = f"Question: {asked}\nAnswer:"
        for variant in LABELS:
            item[variant] = instruction(asked, choices, variant)
        items.append(item)
    return items


def target(item: Section, variant: str) -> str:
    """The answer that an instruction asks for: a label, or the option itself."""
    return (LABELS[variant] or item["choices"])[item["answer"]]


def data_files() -> dict[str, list[dict[str, Any]]]:
    """Content of every data file: dict of file name to list of dict, one per line of JSON."""
    world = world_items()
    plain = [
        {key: item[key] for key in ("id", "question", "choices", "answer", "relation", "prompt")} for item in world
    ]
    files = {"agreement.jsonl": agreement_items(), "world.jsonl": plain}
    for variant in LABELS:
        files[f"world_{variant}.jsonl"] = [
            {
                **{key: item[key] for key in ("id", "question", "choices", "answer", "relation")},
                "prompt": item[variant],
                "target": target(item, variant),
            }
            for item in world
        ]
    return files


def write_data(folder: str | Path) -> None:
    """Write every data file into a folder (`resources/tasks/embedded`)."""
    write_items(folder, data_files())
