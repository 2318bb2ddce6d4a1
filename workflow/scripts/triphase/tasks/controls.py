"""Items of the negative controls, in the form in which `resources/tasks/controls/*.yaml` reads them.

Arithmetic and brackets follow rules that fluent text does not need, so that neither should emerge together with
alignment (after the controls of arXiv 2602.12811). Wrong sums are near the right one, and one of them has its last
digit; every kind of bracket is a choice of every item, and a pair is closed last, so that neither the last bracket nor
the last one that was opened tells the answer. `python -m triphase.tasks.controls` writes them [ours].
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

COUNT, SEED, CHOICES = 200, 20260, 4
FOLDER = "resources/tasks/controls"
PAIRS = ("()", "[]", "{}", "<>")
LENGTHS = (4, 8)  # brackets before the one that is asked for
SUMS = {
    "en": ("Question: What is {a} plus {b}?\nAnswer:", "Question: What is {a} minus {b}?\nAnswer:"),
    "ja": ("質問：{a}足す{b}はいくつですか。\n回答：", "質問：{a}引く{b}はいくつですか。\n回答："),
}
CLOSINGS = {
    "en": "Every bracket is closed by one of its own kind, the last one opened first.\nBrackets: {text}",
    "ja": "どの括弧も同じ種類の括弧で、最後に開いたものから順に閉じます。\n括弧：{text}",
}


def arithmetic_items(language: str, count: int = COUNT) -> list[dict[str, Any]]:
    """Sums and differences of two numbers of two digits: list of dict with id, prompt, choices (4) and answer (index).

    All languages have the same numbers in the same order.
    """
    rng = np.random.default_rng([SEED, 1])
    items: list[dict[str, Any]] = []
    seen: set[tuple[int, int, int]] = set()
    while len(items) < count:
        index = len(items)
        minus = index % 2
        a, b = sorted((int(number) for number in rng.integers(11, 90, 2)), reverse=True)
        if (minus, a, b) in seen:
            continue
        seen.add((minus, a, b))
        right = a - b if minus else a + b
        wrong = [right + step for step in (10, -10, 1, -1, 2, -2) if right + step >= 0]
        near = [right + int(rng.choice([-10, 10])), *(right + int(step) for step in rng.permutation([-2, -1, 1, 2]))]
        taken = list(dict.fromkeys(value for value in [*near, *wrong] if value >= 0))[: CHOICES - 1]
        prompt = SUMS[language][minus].format(a=a, b=b)
        items.append(_item(rng, index, prompt, str(right), [str(value) for value in taken]))
    return items


def bracket_items(language: str, count: int = COUNT) -> list[dict[str, Any]]:
    """Dyck words of four kinds of brackets that go on by closing one: which? Columns as of `arithmetic_items`."""
    rng = np.random.default_rng([SEED, 2])
    items: list[dict[str, Any]] = []
    seen: set[str] = set()
    while len(items) < count:
        opened: list[int] = []
        written: list[str] = []
        for _ in range(int(rng.integers(LENGTHS[0], LENGTHS[1] + 1))):
            if len(opened) > 1 and rng.random() < 0.4:
                written.append(PAIRS[opened.pop()][1])
            else:
                opened.append(int(rng.integers(len(PAIRS))))
                written.append(PAIRS[opened[-1]][0])
        text = " ".join(written)
        if written[-1] in {pair[0] for pair in PAIRS} or text in seen:
            continue
        seen.add(text)
        right = PAIRS[opened[-1]][1]
        others = [pair[1] for pair in PAIRS if pair[1] != right]
        prompt = CLOSINGS[language].format(text=text)
        items.append(_item(rng, len(items), prompt, right, others))
    return items


def _item(rng: np.random.Generator, index: int, prompt: str, right: str, wrong: list[str]) -> dict[str, Any]:
    """An item with its choices in an order of its own."""
    choices = [[right, *wrong][place] for place in rng.permutation(CHOICES)]
    return {"id": index, "prompt": prompt, "choices": choices, "answer": choices.index(right)}


def data_files() -> dict[str, list[dict[str, Any]]]:
    """Content of every data file: dict of file name to list of dict, one per line of JSON."""
    kinds = {"arithmetic": arithmetic_items, "brackets": bracket_items}
    return {f"{kind}_{language}.jsonl": make(language) for kind, make in kinds.items() for language in SUMS}


def write_items(folder: str | Path, files: dict[str, list[dict[str, Any]]]) -> None:
    """Write data files into a folder: dict of file name to list of dict, one per line of JSON."""
    for name, items in files.items():
        lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
        (Path(folder) / name).write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    write_items(Path(__file__).parents[4] / FOLDER, data_files())
