"""What an item's score is measured against, and what answers are made of, whatever lies beside the weights."""

import json

import pytest
from known_models import bigram, word_tokenizer
from transformers import GenerationConfig

from triphase.tasks.documents import load_tasks
from triphase.tasks.harness import evaluate
from triphase.tasks.measures import summarise
from triphase.tasks.plan import plan

pytestmark = pytest.mark.model

HEAD = "task: t\ndataset_path: json\ntest_split: test\ndoc_to_text: '{{q}}'\n"
CHOICE = HEAD + "output_type: multiple_choice\ndoc_to_target: label\ndoc_to_choice: '{{choices}}'\n"
MC2 = """
def process_results(doc, results):
    import numpy as np

    likelihoods = np.exp([likelihood for likelihood, _ in results])
    split = doc["label"]
    return {"acc": likelihoods[:split].sum() / likelihoods.sum()}
"""


def run(folder, yaml, rows, model, metric="acc"):
    (folder / "t.yaml").write_text(yaml)
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = str(folder / "items.jsonl")
    jobs = plan([{"name": "t", "task": "t", "metric": metric, "data": data}], [], [folder], None)
    items, _ = evaluate(jobs, load_tasks(jobs), model, word_tokenizer(), batch_size=4, seed=0)
    return items, summarise(items, []).set_index("measure")["value"]


def choose(labels):
    return [{"q": "cat", "choices": ["A", "B B B", "C", "D"], "label": label} for label in labels]


@pytest.mark.parametrize("metric", ["acc", "acc_norm"])
@pytest.mark.parametrize(("labels", "chance"), [([0, 3], 1 / 4), ([[0, 1], [2, 3]], 1 / 2), ([[0, 1, 2], [3]], 1 / 2)])
def test_chance_is_the_share_of_right_choices(tmp_path, metric, labels, chance):
    yaml = CHOICE + "metric_list: [{metric: acc}]\n"
    items, table = run(tmp_path, yaml, choose(labels), bigram(cat_A=9)[0], metric)
    assert table["chance"] == pytest.approx(chance)
    hits = sum(0 in label if isinstance(label, list) else label == 0 for label in labels) / 2
    assert table["accuracy"] == hits
    expected = sum(
        ((0 in label if isinstance(label, list) else label == 0) - own) / (1 - own)
        for label, own in zip(labels, items["chance"], strict=True)
    )
    assert table["accuracy_rescaled"] == pytest.approx(expected / 2)


def test_chance_of_a_scoring_of_its_own_is_what_it_gives_where_likelihoods_say_nothing(tmp_path):
    (tmp_path / "code.py").write_text(MC2)
    yaml = CHOICE.replace("doc_to_target: label", "doc_to_target: 0") + (
        "process_results: !function code.process_results\nmetric_list: [{metric: acc}]\n"
    )
    items, table = run(tmp_path, yaml, choose([1, 3, 2]), bigram()[0])
    assert items["chance"].tolist() == pytest.approx([1 / 4, 3 / 4, 2 / 4])
    # A model that knows nothing is at chance but for the longer choice.
    assert abs(table["accuracy_rescaled"]) < 0.35


def test_scoring_that_cannot_be_asked_is_not_rescaled(tmp_path):
    (tmp_path / "code.py").write_text(
        "def process_results(doc, results):\n    assert min(r for r, _ in results) < -1\n    return {'acc': 1.0}\n"
    )
    yaml = CHOICE + "process_results: !function code.process_results\nmetric_list: [{metric: acc}]\n"
    _, table = run(tmp_path, yaml, choose([1, 3]), bigram()[0])
    assert table["accuracy"] == 1.0 and table.isna()["accuracy_rescaled"]


def test_the_majority_counts_every_right_answer(tmp_path):
    items, _ = run(tmp_path, CHOICE + "metric_list: [{metric: acc}]\n", choose([[0, 1], [1, 2], [0], [1]]), bigram()[0])
    assert items["majority"].tolist() == [1.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"repetition_penalty": 5.0},
        {"max_new_tokens": 1},
        {"num_beams": 3},
        {"no_repeat_ngram_size": 1},
        {"do_sample": True, "temperature": 9.0},
        {"min_new_tokens": 6},
        {"eos_token_id": [3]},
    ],
)
def test_generation_is_what_the_yaml_says(tmp_path, beside):
    model, _ = bigram(cat_sees=2, sees_cat=2)
    model.generation_config = GenerationConfig(**beside)
    yaml = HEAD + (
        "output_type: generate_until\ndoc_to_target: q\nmetric_list: [{metric: exact_match}]\n"
        "generation_kwargs: {until: ['zzz'], max_gen_toks: 6, do_sample: false}\n"
    )
    items, _ = run(tmp_path, yaml, [{"q": "cat"}], model, "exact_match")
    assert items["response"].tolist() == ["sees cat sees cat sees cat"]
