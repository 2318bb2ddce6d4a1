"""The negative controls: what ships is what the library makes, every item has one right answer, no short cut has it."""

import re

import pytest
import yaml
from project import ROOT

from triphase.tasks.controls import (
    CHOICES,
    COUNT,
    FOLDER,
    PAIRS,
    arithmetic_items,
    bracket_items,
    data_files,
    write_items,
)
from triphase.tasks.documents import load_tasks
from triphase.tasks.plan import plan

CHANCE = 1 / CHOICES
LANGUAGES = ("en", "ja")


def test_shipped_items_are_what_the_library_makes(tmp_path):
    write_items(tmp_path, data_files())
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in (ROOT / FOLDER).glob("*.jsonl")}
    tasks = {yaml.safe_load(path.read_text())["task"] for path in (ROOT / FOLDER).glob("*.yaml")}
    assert tasks == {f"control_{name.removesuffix('.jsonl')}" for name in data_files()}


def test_no_item_is_asked_twice():
    """Draws of the items' bootstrap are independent."""
    for name, items in data_files().items():
        assert len({item["prompt"] for item in items}) == len(items) == COUNT, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_sums_are_right_and_the_others_are_near_and_wrong(language):
    items = arithmetic_items(language)
    assert len(items) == COUNT
    for item in items:
        a, b = map(int, re.findall(r"\d+", item["prompt"]))
        right = a - b if re.search("minus|引く", item["prompt"]) else a + b
        values = [int(choice) for choice in item["choices"]]
        assert values[item["answer"]] == right and len(set(values)) == CHOICES
        assert any(value != right and value % 10 == right % 10 for value in values) or right < 10
        assert all(0 <= value and abs(value - right) <= 10 for value in values)
    largest = [max(map(int, item["choices"])) == int(item["choices"][item["answer"]]) for item in items]
    assert sum(largest) / COUNT < 2 * CHANCE, "the largest is no answer"


@pytest.mark.parametrize("language", LANGUAGES)
def test_brackets_are_closed_by_a_stack_and_by_no_short_cut(language):
    closing = dict(PAIRS)
    items, shortcuts = bracket_items(language), {"last opened": 0, "last written": 0, "first opened": 0}
    for item in items:
        written, opened = re.findall(r"[()\[\]{}<>]", item["prompt"]), []
        for bracket in written:
            if bracket in closing:
                opened.append(bracket)
            else:
                assert closing[opened.pop()] == bracket
        right = item["choices"][item["answer"]]
        assert closing[opened[-1]] == right and sorted(item["choices"]) == sorted(closing.values())
        openers = [bracket for bracket in written if bracket in closing]
        guesses = {"last opened": closing[openers[-1]], "last written": written[-1]}
        for name, guess in (guesses | {"first opened": closing[openers[0]]}).items():
            shortcuts[name] += guess == right
    assert shortcuts["last opened"] / COUNT < 2 * CHANCE and shortcuts["last written"] / COUNT < 2 * CHANCE, shortcuts
    places = [item["answer"] for item in items]
    assert max(map(places.count, range(CHOICES))) / COUNT < 1.5 * CHANCE


def test_the_harness_reads_them_as_local_tasks():
    names = [f"control_{kind}_{language}" for kind in ("arithmetic", "brackets") for language in LANGUAGES]
    jobs = plan([{"name": name, "task": name, "metric": "acc"} for name in names], [], [ROOT / "resources/tasks"], None)
    assert all(job["yaml"].endswith(".yaml") and job["data"]["test"][0].endswith(".jsonl") for job in jobs)
    for name, task in load_tasks(jobs).items():
        first = task.eval_docs[0]
        kind, language = name.split("_")[1:]
        item = data_files()[f"{kind}_{language}.jsonl"][0]
        assert task.doc_to_text(first) == item["prompt"] and task.doc_to_choice(first) == item["choices"]
        assert task.doc_to_target(first) == item["answer"] and len(task.eval_docs) == COUNT
