"""What this workflow takes of the harness beyond its public interface: these fail where a version has changed it."""

import inspect

import numpy as np
import pytest
import torch
from known_models import WORDS, Bigram, word_tokenizer
from lm_eval.api.instance import Instance
from lm_eval.api.samplers import ContextSampler
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Entry
from lm_eval.utils import env
from tokenizers.processors import TemplateProcessing

from triphase.tasks.harness_api import Items, Scorer, load_yaml, make_task, own_folder, run_tasks, shot

pytestmark = pytest.mark.model

CONTENT = {
    "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_target": "gold",
    "doc_to_choice": "choices", "num_fewshot": 0, "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
}  # fmt: skip
ITEMS = [{"question": f"{word} ?", "choices": ["cat", "dog"], "gold": n % 2} for n, word in enumerate(["cat", "see"])]


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.fixture(scope="module")
def scorer():
    return Scorer(Bigram(np.random.default_rng(0).normal(size=(len(WORDS),) * 2)), word_tokenizer(), 4)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (HFLM._loglikelihood_tokens, ["self", "requests", "disable_tqdm", "override_bs"]),
        (HFLM.tok_encode, ["self", "string", "add_special_tokens", "left_truncate_len", "kwargs"]),
        (load_yaml, ["path", "resolve_func", "recursive", "_seen"]),
        (TaskManager.load, ["self", "task_list"]),
        (ConfigurableTask.set_fewshot_seed, ["self", "seed"]),
        (HFLM._model_generate, ["self", "context", "max_length", "stop", "generation_kwargs"]),
        (ContextSampler.sample, ["self", "n", "eval_doc", "df", "kwargs"]),
        (ConfigurableTask.build_qa_turn, ["self", "q", "c", "a", "gen_prefix", "tgt_delim", "few_delim"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_functions_have_the_arguments_that_are_given(function, expected):
    assert parameters(function) == expected


def test_the_rest_of_what_is_used_is_there():
    assert {"lm", "task_dict", "samples", "bootstrap_iters"} <= set(parameters(evaluate))
    assert {"pretrained", "tokenizer", "batch_size"} <= set(parameters(HFLM.__init__))
    assert {"include_defaults"} <= set(parameters(TaskManager.__init__))
    assert {"yaml_path", "cfg", "tags"} <= set(Entry.__dataclass_fields__)
    for name in ("max_length", "max_gen_toks", "prefix_token_id", "batch_size", "device"):
        assert isinstance(inspect.getattr_static(HFLM, name), property)
    assert isinstance(inspect.getattr_static(ConfigurableTask, "eval_docs"), property)
    assert (own_folder() / "sciq" / "sciq.yaml").is_file()


def test_a_task_is_made_of_items_in_memory_and_its_templates_are_compiled_once():
    task = make_task("quiz", CONTENT, {"test": ITEMS})
    assert (task.OUTPUT_TYPE, task.multiple_input, task.config.doc_to_choice) == ("multiple_choice", 0, "choices")
    assert isinstance(task.eval_docs, Items) and list(task.eval_docs) == ITEMS
    assert list(task.aggregation()) == ["acc", "acc_norm"]
    assert [task.doc_to_text(item) for item in ITEMS] == ["cat ?", "see ?"]
    assert [task.doc_to_target(item) for item in ITEMS] == [0, 1] and task.doc_to_choice(ITEMS[0]) == ["cat", "dog"]
    assert env.from_string("{{question}}") is env.from_string("{{question}}")
    assert shot(task, ITEMS[1]) == {"question": "see ?", "answer": "dog"}
    generating = CONTENT | {"output_type": "generate_until", "doc_to_target": "{{choices[gold]}}"}
    made = make_task("ask", generating | {"generation_kwargs": {"max_gen_toks": 3}}, {"test": ITEMS})
    assert made.config.generation_kwargs["max_gen_toks"] == 3 and made.config.process_results is None


def test_the_evaluation_asks_the_scorer_and_says_what_is_read_of_it(scorer, monkeypatch):
    asked, inner = [], scorer._loglikelihood_tokens

    def listen(requests, **more):
        asked.extend(requests)
        return inner(requests)

    monkeypatch.setattr(scorer, "_loglikelihood_tokens", listen)
    found = run_tasks(scorer, {"quiz": make_task("quiz", CONTENT, {"test": ITEMS})}, {"quiz": 1}, seed=0)
    assert [pair for pair, _, _ in asked] == [("cat ?", " cat"), ("cat ?", " dog")]
    assert set(found["versions"]) == {"quiz"} and found["n-shot"]["quiz"] == 0
    (sample,) = found["samples"]["quiz"]
    assert (sample["doc_id"], sample["doc"], sample["filter"]) == (0, ITEMS[0], "none")
    assert sample["target"] in (0, "0")
    assert [tuple(pair) for pair in sample["arguments"]] == [("cat ?", " cat"), ("cat ?", " dog")]
    assert [value for value, _ in sample["filtered_resps"]] == pytest.approx(scorer.loglikelihoods(asked[:]))
    assert {"acc", "acc_norm"} <= set(sample)
    assert run_tasks(scorer, {}, {}, seed=0) == {}


def test_likelihoods_are_those_of_the_harness_itself(scorer):
    own = HFLM(pretrained=scorer.model, tokenizer=word_tokenizer(), batch_size=4)
    requests = [
        ((text, more), scorer.tok_encode(text), scorer.tok_encode(more, add_special_tokens=False))
        for text, more in [("cat ?", " cat"), ("cat ?", " dog"), ("dog see", " cat ?"), ("see", " dog see cat")]
    ]
    with torch.inference_mode():
        expected = own._loglikelihood_tokens(requests, disable_tqdm=True)
    for (value, best), (other, also) in zip(scorer._loglikelihood_tokens(requests), expected, strict=True):
        assert value == pytest.approx(other, abs=1e-4) and best == also


@pytest.mark.parametrize("single", ["$A <end>", "<end> $A <end>", "<end> $A <end> <end>"])
def test_kind_special_tokens_what_a_tokenizer_puts_behind_a_text_is_no_part_of_a_prompt(single):
    table = np.zeros((len(WORDS), len(WORDS)))
    table[WORDS.index("?"), WORDS.index("cat")] = 3.0
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=[("<end>", 0)])
    scorer, plain = (Scorer(Bigram(table), some, 4) for some in (tokenizer, word_tokenizer()))
    requests = [Instance("loglikelihood", {}, ("dog ?", f" {more}"), 0) for more in ("cat", "cat sees", "dog")]
    assert scorer.loglikelihood(requests) == plain.loglikelihood(requests)
    asked = [Instance("generate_until", {}, ("dog ?", {"until": ["sees"], "max_gen_toks": 1}), 0)]
    assert scorer.generate_until(asked) == ["cat"]


@pytest.mark.parametrize("special", [True, False])
def test_kind_chat_answers_end_with_the_mark_that_the_template_puts_behind_them(special):
    words = ["<end>", "<unknown>", "<user>", "<assistant>", "<turn>", "A", "question"]
    tokenizer = word_tokenizer(tuple(words))
    tokenizer.add_tokens(words[2:5], special_tokens=special)
    tokenizer.chat_template = (
        "{% for turn in messages %}<{{ turn.role }}> {{ turn.content }} <turn> {% endfor %}"
        "{{ '<assistant>' if add_generation_prompt }}"
    )
    table = np.zeros((len(words), len(words)))
    for one, two in zip(["<assistant>", "A", "<turn>", "<user>"], ["A", "<turn>", "<user>", "question"], strict=True):
        table[words.index(one), words.index(two)] = 9.0
    scorer = Scorer(Bigram(table), tokenizer, 2)
    scorer.use_template(tokenizer.chat_template)
    prompt = scorer.apply_chat_template([{"role": "user", "content": "question"}])
    assert prompt == "<user> question <turn> <assistant>"
    asked = [Instance("generate_until", {}, (prompt, {"until": ["x"], "max_gen_toks": 4}), 0)]
    assert [answer.strip() for answer in scorer.generate_until(asked)] == ["A"]
