"""The harness's own tasks, item by item: what this workflow makes of them beside `simple_evaluate`.

Each task's YAML and Python are those of the installed harness; its data are a few made-up items in the data set's own
form, handed out in place of a download, alike to both sides. The model has random weights.
"""

import contextlib
import json
import random
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from reporting import figure  # noqa: E402

ITEMS, SEED = 6, 7
EXACT = 1e-4
WORDS = "the cat dog sees runs little big hat tree blue water stone and old new river walks home night day".split()
LETTERS = "ABCD"


def _text(draw, count=6):
    return " ".join(draw.choice(WORDS) for _ in range(count))


def _some(draw, count, words=2):
    """Texts that differ, each with its number."""
    return [f"{_text(draw, words)} {number}" for number in range(count)]


def _lettered(draw, question="question"):
    key = draw.choice(LETTERS)
    return {
        "id": "x",
        question: _text(draw),
        "choices": {"text": _some(draw, 4), "label": list(LETTERS)},
        "answerKey": key,
    }


def _pair(one, other, classes):
    return lambda draw: {one: _text(draw), other: _text(draw), "label": draw.randrange(classes), "idx": 0}


def _truthful(draw):
    def targets(right):
        return {"choices": _some(draw, 5), "labels": [1] * right + [0] * (5 - right)}

    return {"question": _text(draw), "mc1_targets": targets(1), "mc2_targets": targets(draw.randint(1, 4))}


# By task: an item in the form of its data set.
MADE = {
    "arc_easy": _lettered,
    "arc_challenge": _lettered,
    "openbookqa": lambda draw: _lettered(draw, "question_stem"),
    "hellaswag": lambda draw: {
        "ind": 0, "activity_label": "Walking", "ctx_a": _text(draw) + ".", "ctx_b": _text(draw), "ctx": _text(draw),
        "endings": _some(draw, 4), "label": str(draw.randrange(4)), "source_id": "x", "split": "val",
    },
    "piqa": lambda draw: {"goal": _text(draw), "sol1": _text(draw), "sol2": _text(draw), "label": draw.randrange(2)},
    "boolq": _pair("passage", "question", 2),
    "copa": lambda draw: {
        "premise": "The " + _text(draw) + ".", "choice1": "The " + _text(draw), "choice2": "A " + _text(draw),
        "question": draw.choice(["cause", "effect"]), "label": draw.randrange(2), "idx": 0,
    },
    "winogrande": lambda draw: {
        "sentence": f"{_text(draw)} _ {_text(draw)}", "option1": "cat", "option2": "dog", "answer": draw.choice("12"),
    },
    "sciq": lambda draw: {
        "question": _text(draw), "support": _text(draw), "correct_answer": "river",
        **{f"distractor{number}": f"{_text(draw, 1)} {number}" for number in (1, 2, 3)},
    },
    "rte": _pair("sentence1", "sentence2", 2),
    "wnli": _pair("sentence1", "sentence2", 2),
    "mrpc": _pair("sentence1", "sentence2", 2),
    "qnli": _pair("question", "sentence", 2),
    "sst2": lambda draw: {"sentence": _text(draw), "label": draw.randrange(2), "idx": 0},
    "mnli": _pair("premise", "hypothesis", 3),
    "xnli_en": _pair("premise", "hypothesis", 3),
    "anli_r1": lambda draw: _pair("premise", "hypothesis", 3)(draw) | {"uid": "x", "reason": ""},
    "cb": _pair("premise", "hypothesis", 3),
    "truthfulqa_mc1": _truthful,
    "truthfulqa_mc2": _truthful,
    "mmlu_anatomy": lambda draw: {
        "question": _text(draw), "subject": "anatomy", "choices": _some(draw, 4), "answer": draw.randrange(4),
    },
    "logiqa": lambda draw: {
        "context": _text(draw), "question": _text(draw), "options": _some(draw, 4), "label": draw.choice("abcd"),
    },
    "commonsense_qa": lambda draw: {
        "id": "x", "question": _text(draw), "question_concept": "cat", "answerKey": draw.choice("ABCDE"),
        "choices": {"label": list("ABCDE"), "text": _some(draw, 5)},
    },
    "swag": lambda draw: {
        "startphrase": _text(draw), "label": draw.randrange(4),
        **{f"ending{number}": f"{_text(draw, 3)} {number}" for number in range(4)},
    },
    "social_iqa": lambda draw: {
        "context": _text(draw), "question": _text(draw), "label": draw.choice("123"),
        **{f"answer{letter}": f"{_text(draw, 2)} {letter}" for letter in "ABC"},
    },
    "blimp_adjunct_island": lambda draw: {"sentence_good": _text(draw), "sentence_bad": _text(draw)},
    "lambada_openai": lambda draw: {"text": _text(draw, 9)},
    "triviaqa": lambda draw: {"question": _text(draw), "answer": {"aliases": _some(draw, 2), "value": "cat"}},
    "gsm8k": lambda draw: {"question": _text(draw), "answer": f"{_text(draw)}\n#### {draw.randrange(9)}"},
}  # fmt: skip
# What the item is scored by, where it is not acc.
METRICS = {"triviaqa": "exact_match", "gsm8k": "exact_match"}
# Long answers of a model with random weights show nothing more than short ones.
NEW_TOKENS = 24


def stand_in(splits):
    """A function in place of `datasets.load_dataset` that hands out items of the task that is being read."""
    import datasets

    def load(path=None, name=None, split=None, **_):
        made = datasets.DatasetDict(
            {part: datasets.Dataset.from_list(rows) for part, rows in splits[path, name].items()}
        )
        return made[split] if split else made

    return load


def model_and_tokenizer(texts):
    """A small GPT-NeoX with random weights and a byte-level tokenizer trained on the items."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = {"special_tokens": ["<end>"], "initial_alphabet": alphabet, "show_progress": False}
    inner.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, **special))
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=600, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=1024, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", bos_token="<end>")
    return GPTNeoXForCausalLM(config).eval(), tokenizer


def make_items(contents):
    """Items of every split by data set, and all their text."""
    splits, draw = {}, random.Random(SEED)
    for task, content in contents.items():
        parts = {content.get(f"{kind}_split") for kind in ("training", "validation", "test", "fewshot")}
        parts.add((content.get("fewshot_config") or {}).get("split"))
        own = splits.setdefault((content["dataset_path"], content.get("dataset_name")), {})
        for part in sorted(filter(None, parts)):
            own.setdefault(part, [MADE[task](draw) for _ in range(ITEMS)])
    return splits, json.dumps(list(splits.values()))


@contextlib.contextmanager
def short_answers():
    """Both sides generate no more than a few tokens."""
    from lm_eval.models.huggingface import HFLM

    whole = HFLM._model_generate

    def short(self, context, max_length, stop, **options):
        return whole(self, context, min(max_length, context.shape[1] + NEW_TOKENS), stop, **options)

    with patch.object(HFLM, "_model_generate", short):
        yield


def compare(tasks=tuple(MADE)):
    """By task: largest difference of likelihoods, and items that differ in score or answer; with how many items."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    from triphase.tasks.documents import load_tasks
    from triphase.tasks.fetch import fetch_tasks
    from triphase.tasks.harness import evaluate
    from triphase.tasks.harness_api import load_yaml
    from triphase.tasks.plan import hub_tasks, plan

    manager = TaskManager()
    contents = {task: load_yaml(manager.task_index[task].yaml_path) for task in tasks}
    splits, text = make_items(contents)
    model, tokenizer = model_and_tokenizer([text] * 2)
    entries = [{"name": task, "task": task, "metric": METRICS.get(task, "acc")} for task in tasks]
    found = {}
    with tempfile.TemporaryDirectory() as folder, patch("datasets.load_dataset", stand_in(splits)), short_answers():
        fetch_tasks(hub_tasks(plan(entries, [], [], None, hub=Path(folder))), folder)
        jobs = plan(entries, [], [], None, hub=Path(folder))
        items, _ = evaluate(jobs, load_tasks(jobs, SEED), model, tokenizer, batch_size=8, seed=SEED)
        seeds = dict.fromkeys(("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed"), SEED)
        theirs = simple_evaluate(
            HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8), tasks=list(tasks), bootstrap_iters=0,
            task_manager=manager, **seeds,
        )["samples"]  # fmt: skip
    for task in tasks:
        samples = [sample for sample in theirs[task] if sample["filter"] == theirs[task][0]["filter"]]
        found[task] = differences(items[items["task"] == task], samples, METRICS.get(task, "acc"))
    return found


def differences(items, samples, metric):
    """Largest difference of likelihoods, items that differ, and items."""
    largest, wrong = 0.0, abs(len(items) - len(samples))
    for row, sample in zip(items.to_dict("records"), samples, strict=False):
        answer = sample["filtered_resps"]
        if isinstance(row["loglikelihoods"], (list, np.ndarray)):
            values = [value for value, _ in answer]
            largest = max(largest, float(np.abs(np.subtract(row["loglikelihoods"], values)).max()))
        else:
            wrong += row["response"] != str(answer[0])
        wrong += abs(row["correct"] - float(sample[metric])) > EXACT
    return largest, wrong, len(samples)


def harness_figures():
    """One figure: tasks whose items all equal those of `simple_evaluate`."""
    found = compare()
    equal = [task for task, (largest, wrong, n) in found.items() if n and not wrong and largest <= EXACT]
    others = {task: values for task, values in found.items() if task not in equal}
    name = "tasks: the harness's own, every item equal to simple_evaluate"
    passed = len(equal) == len(found)
    return [figure(name, f"{len(equal)} of {len(found)}", "all of 23 or more", passed, equal=equal, others=others)]


if __name__ == "__main__":
    for line in harness_figures():
        print(line)
