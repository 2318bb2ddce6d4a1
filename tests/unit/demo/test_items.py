"""The embedded tasks: what is asked, what is kept out of the training text, that the shipped data are up to date."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from project import ROOT

from triphase.demo.items import agreement_items, data_files, target, world_items, write_data
from triphase.demo.world import LABELS, documents, facts, question

FOLDER = ROOT / "resources" / "tasks" / "embedded"
MIXTURE = {"stories": 0.3, "facts": 0.2, "questions": 0.2, "instructions": 0.3}


@pytest.fixture(scope="module")
def training_text():
    return "".join(documents(MIXTURE, 150_000, seed=3))


def test_shipped_data_are_what_the_library_makes(tmp_path):
    write_data(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    shipped = {path.name: path.read_text() for path in FOLDER.glob("*.jsonl")}
    assert made == shipped


def test_every_yaml_reads_a_shipped_file():
    names = set()
    for path in FOLDER.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        assert content["task"] == path.stem
        data = Path(content["dataset_kwargs"]["data_files"]["test"])
        assert data.parts[:3] == ("resources", "tasks", "embedded")
        names.add(data.name)
    assert names == set(data_files())


def test_the_right_answer_is_the_world_s():
    truth = {(fact["person"], fact["relation"]): fact["value"] for fact in facts()}
    items = world_items()
    for item in items:
        person = next(word.strip("?") for word in item["question"].split() if word.strip("?")[0].isupper() and
                      (word.strip("?"), item["relation"]) in truth)  # fmt: skip
        assert item["choices"][item["answer"]] == truth[person, item["relation"]]
        assert len(set(item["choices"])) == 4
    answers = np.bincount([item["answer"] for item in items], minlength=4)
    assert answers.min() > len(items) / 4 * 0.6  # no place of the right answer is favoured


def test_variants_ask_the_same_items_with_disjoint_labels():
    letters, digits, plain = (data_files()[f"world_{variant}.jsonl"] for variant in LABELS)
    for one, two, three in zip(letters, digits, plain, strict=True):
        assert one["question"] == two["question"] == three["question"]
        assert one["choices"] == two["choices"] == three["choices"]
        assert one["prompt"].replace(" Answer with A, B, C or D.", "") == three["prompt"]
        assert two["prompt"].replace(" Answer with 1, 2, 3 or 4.", "") == three["prompt"]
        assert one["target"] == "ABCD"[one["answer"]] and two["target"] == "1234"[two["answer"]]
        assert three["target"] == three["choices"][three["answer"]]
    assert not set(LABELS["letters"]) & set(LABELS["digits"])


def test_evaluated_questions_are_not_in_the_training_text(training_text):
    for item in world_items():
        assert item["question"] not in training_text
    for fact in facts()[:40]:
        assert question(fact, 1 - fact["held_out"]) in training_text


def test_training_text_states_every_fact(training_text):
    stated = sum(fact["person"] in training_text and fact["value"] in training_text for fact in facts())
    assert stated == len(facts())


def test_agreement_pairs_differ_in_number_alone():
    for item in agreement_items():
        assert {item["good"], item["bad"]} == {item["good"].removesuffix("s"), item["good"].removesuffix("s") + "s"}
        subject, attractor = item["prefix"].split()[1], item["prefix"].split()[-1]
        assert subject.endswith("s") == (item["number"] == "plural")
        assert (attractor.endswith("s") != subject.endswith("s")) == (item["kind"] != "none")
        assert item["good"].endswith("s") == (item["number"] == "singular")


def test_mixture_is_kept():
    texts = documents(MIXTURE, 60_000, seed=1)
    words = {"Question": 0, "other": 0}
    for text in texts:
        words["Question" if text.startswith("Question") else "other"] += len(text.split())
    assert words["Question"] / sum(words.values()) == pytest.approx(0.5, abs=0.02)


def test_data_lines_are_json():
    for path in FOLDER.glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["id"] for row in rows] == list(range(len(rows)))


def test_targets():
    item = world_items()[0]
    assert [target(item, variant) for variant in ("letters", "digits", "plain")] == [
        "ABCD"[item["answer"]],
        "1234"[item["answer"]],
        item["choices"][item["answer"]],
    ]
