"""The task YAMLs that ship, on the real items that they are made for."""

import numpy as np
import pytest
import torch
from project import ROOT
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from triphase.tasks.adherence import parse_strict
from triphase.tasks.documents import load_tasks, read_documents
from triphase.tasks.harness import evaluate
from triphase.tasks.measures import summarise
from triphase.tasks.plan import plan

pytestmark = pytest.mark.model

TASKS = ROOT / "resources" / "tasks"
PUBMEDQA, JCOMMONSENSEQA = "tasks/pubmedqa/ori_pqal.json", "tasks/jcommonsenseqa/valid-v1.3.json"
FIVE, CLAIM = ["選択肢の順に", "のどれかで答えてください。"], "この答えは正しいですか。"
# Entry, file, its variants (task to labels), and what of a prompt belongs to the instruction.
ADHERENCE = {
    "pubmedqa": (
        PUBMEDQA,
        {"pubmedqa_letters": "ABC", "pubmedqa_digits": "123", "pubmedqa_words": ["yes", "no", "maybe"],
         "pubmedqa_plain": ""},
    ),
    "jcommonsenseqa": (
        JCOMMONSENSEQA,
        {"jcommonsenseqa_digits": "12345", "jcommonsenseqa_letters": "ABCDE", "jcommonsenseqa_kana": "アイウエオ",
         "jcommonsenseqa_plain": ""},
    ),
    "jclaims": (
        JCOMMONSENSEQA,
        {"jcommonsenseqa_claims_hai": ["はい", "いいえ"], "jcommonsenseqa_claims_sei": ["正", "誤"],
         "jcommonsenseqa_claims_plain": ""},
    ),
}  # fmt: skip


def adherence(name, **keys):
    file, variants = ADHERENCE[name]
    entries = [
        {"name": task, "task": task, "labels": list(labels), "data": f"{{local_data}}/{file}"}
        for task, labels in variants.items()
    ]
    return [{"name": name, "variants": entries, **keys}]


@pytest.fixture(scope="module")
def small():
    """A random model of 512 tokens of context, and a tokenizer of bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    text = Tokenizer(models.BPE({character: number for number, character in enumerate(["<end>", *alphabet])}, []))
    text.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = GPTNeoXConfig(vocab_size=257, max_position_embeddings=512, initializer_range=0.3, eos_token_id=0, **sizes)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=text, eos_token="<end>", bos_token="<end>")
    return GPTNeoXForCausalLM(config).eval(), tokenizer


def test_every_yaml_that_ships_can_be_planned(real_data):
    names = {path.stem for path in TASKS.rglob("*.yaml") if not path.stem.startswith(("embedded_", "control_"))}
    used = {"blimp_pairs"} | {task for _, variants in ADHERENCE.values() for task in variants}
    assert names - {"pairs"} | {"blimp_pairs"} == used | {"pubmedqa_labelled", "jcommonsenseqa_likelihood"}


@pytest.mark.parametrize("name", ADHERENCE)
def test_variants_ask_the_same_of_the_same_items(real_data, name):
    jobs = plan([], adherence(name), [TASKS], real_data)
    tasks = load_tasks(jobs)
    rows = read_documents(real_data / ADHERENCE[name][0])
    targets = {}
    for job in jobs:
        task = tasks[job["id"]]
        assert len(task.eval_docs) == len(rows)
        asked = [task.doc_to_text(row) for row in rows[:20]]
        targets[job["task"]] = [str(task.doc_to_target(row)) for row in rows]
        for row, prompt in zip(rows, asked, strict=False):
            assert (row.get("QUESTION") or row["question"]) in prompt
        if job["labels"]:
            numbers = [parse_strict(target, job["labels"]) for target in targets[job["task"]]]
            assert None not in numbers
            targets[job["task"]] = numbers
    numbers = [value for task, value in targets.items() if not task.endswith("_plain")]
    assert all(other == numbers[0] for other in numbers)
    if name == "jcommonsenseqa":
        assert numbers[0] == [row["label"] for row in rows]
    if name == "pubmedqa":
        assert numbers[0] == [["yes", "no", "maybe"].index(row["final_decision"]) for row in rows]
        plain = next(job for job in jobs if not job["labels"])
        assert "Answer with" not in tasks[plain["id"]].doc_to_text(rows[0])


def test_half_of_the_claims_are_right_and_show_what_they_say(real_data):
    tasks = load_tasks(plan([], adherence("jclaims"), [TASKS], real_data))
    task, right = tasks["jclaims.jcommonsenseqa_claims_hai"], 0
    for row in task.eval_docs:
        shown = task.doc_to_text(row).split("答え：")[1].split("\n")[0]
        choices = [row[f"choice{number}"] for number in range(5)]
        assert shown in choices
        true = task.doc_to_target(row) == "はい"
        assert (shown == choices[row["label"]]) is true or choices.count(shown) > 1
        right += true
    assert right == pytest.approx(len(task.eval_docs) / 2, abs=1)


@pytest.mark.usefixtures("one_thread")
def test_multiple_choice_equals_direct_scoring_item_by_item(small, real_data):
    model, tokenizer = small
    evaluations = [
        {"name": "pubmedqa", "task": "pubmedqa_labelled", "data": f"{{local_data}}/{PUBMEDQA}", "limit": 4},
        {"name": "jcqa", "task": "jcommonsenseqa_likelihood", "data": f"{{local_data}}/{JCOMMONSENSEQA}", "limit": 4,
         "shots": 1},
    ]  # fmt: skip
    jobs = plan(evaluations, [], [TASKS], real_data)
    tasks = load_tasks(jobs)
    items, metadata = evaluate(jobs, tasks, model, tokenizer, batch_size=16, seed=0)
    rows = read_documents(real_data / PUBMEDQA)[:4]
    mine = items[items["task"] == "pubmedqa"]
    # 512 bytes are fewer than an abstract has: the beginning is lost, and that is said.
    assert mine["truncated"].all() and metadata["tasks"]["pubmedqa"]["truncated"] == 4
    for values, row in zip(mine["loglikelihoods"], rows, strict=True):
        prompt = "Abstract: " + "\n".join(row["CONTEXTS"]) + f"\nQuestion: {row['QUESTION']}\nAnswer:"
        expected = [direct(model, tokenizer, prompt, f" {answer}") for answer in ("yes", "no", "maybe")]
        np.testing.assert_allclose(values, expected, rtol=1e-4)
    task = tasks["jcqa"]
    mine = items[items["task"] == "jcqa"].reset_index()
    for number, row in mine.iterrows():
        requests = [instance.args for instance in task.instances if instance.doc_id == number]
        assert requests[0][0].count("質問：") == 2
        np.testing.assert_allclose(
            row["loglikelihoods"], [direct(model, tokenizer, *pair) for pair in requests], rtol=1e-4
        )
        lengths = [len(answer) for _, answer in requests]
        assert row["correct_norm"] == float(np.argmax(np.divide(row["loglikelihoods"], lengths)) == row["target"])
    table = summarise(items, []).set_index(["measure", "target"])["value"]
    assert table["chance", "pubmedqa"] == pytest.approx(1 / 3)
    assert table["chance", "jcqa"] == pytest.approx(1 / 5)
    decisions = [row["final_decision"] for row in rows]
    assert table["majority", "pubmedqa"] == max(decisions.count(answer) for answer in set(decisions)) / 4
    assert table["truncated", "pubmedqa"] == 1


def direct(model, tokenizer, context, answer):
    """Log-likelihood of an answer after the last 512 tokens of what is before it."""
    size = len(tokenizer(answer)["input_ids"])
    ids = torch.tensor([(tokenizer(context)["input_ids"] + tokenizer(answer)["input_ids"])[-513:]])
    with torch.no_grad():
        scores = torch.log_softmax(model(ids[:, :-1]).logits[0], -1)
    return float(scores.gather(1, ids[0, 1:, None])[-size:].sum())


@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.usefixtures("one_thread")
def test_japanese_claims_run_with_and_without_shots(small, real_data, shots):
    entries = adherence("jclaims", limit=5, shots=shots)
    jobs = plan([], entries, [TASKS], real_data)
    tasks = load_tasks(jobs)
    items, metadata = evaluate(jobs, tasks, *small, batch_size=16, seed=0)
    assert len(items) == 3 * 5
    assert items["truncated"].any() == bool(shots)
    assert {entry["shots"] for entry in metadata["tasks"].values()} == {shots}
    table = summarise(items, entries).set_index(["measure", "target"])
    assert table.loc[("adherence", "jclaims"), "n"] == table.loc[("accuracy_likelihood", "jclaims"), "n"] == 5
    prompt = tasks["jclaims.jcommonsenseqa_claims_sei"].instances[0].args[0]
    assert prompt.count("質問：") == shots + 1
    assert "はい" not in prompt


@pytest.mark.usefixtures("one_thread")
def test_blimp_equals_direct_scoring_item_by_item(small, real_data):
    model, tokenizer = small
    paradigms = sorted(path.stem for path in (real_data / "tasks" / "blimp").glob("*.jsonl"))
    assert len(paradigms) == 8
    entries = [
        {"name": name, "task": "blimp_pairs", "data": f"{{local_data}}/tasks/blimp/{name}.jsonl", "limit": 4}
        for name in paradigms
    ]
    jobs = plan(entries, [], [TASKS], real_data)
    items, _ = evaluate(jobs, load_tasks(jobs), model, tokenizer, batch_size=16, seed=0)
    for name, frame in items.groupby("task"):
        rows = read_documents(real_data / "tasks" / "blimp" / f"{name}.jsonl")[:4]
        for values, row in zip(frame["loglikelihoods"], rows, strict=True):
            # The harness puts its target delimiter, one space, before the sentence.
            expected = [direct(model, tokenizer, "<end>", f" {row[key]}") for key in ("sentence_good", "sentence_bad")]
            np.testing.assert_allclose(values, expected, rtol=1e-4)
