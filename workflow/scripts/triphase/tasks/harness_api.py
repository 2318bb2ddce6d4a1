"""All that this workflow takes of lm-evaluation-harness: its tasks, its evaluation, and its class of models.

Much of it is not the harness's public interface: tests/unit/tasks/test_harness_api.py fails when it changes. Importing
this module takes seconds, so that others import it inside functions.
"""

import inspect
import random
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import cache, cached_property, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import lm_eval
import lm_eval.tasks
import numpy as np
import torch
from jinja2 import TemplateError
from jinja2.sandbox import SandboxedEnvironment
from lm_eval.api.samplers import ContextSampler
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml as load_yaml
from lm_eval.utils import env
from tokenizers.processors import TemplateProcessing
from transformers import GenerationConfig

from triphase.core.errors import InputError

# Tokens of a batch on a CPU: what its caches hold counts more than its cores.
CPU_TOKENS = 2048
# What a chat template takes for today: prompts of one checkpoint do not change from day to day.
DAY = date(2024, 7, 26)
# Key of an item under which its own shots stand.
SHOTS = "_shots"
# Stands for an answer where the end of one is looked for: a character that no template has.
MARK = "\ue000"
NOW = re.compile(r"""strftime_now\((?P<quote>['"])(?P<format>.*?)(?P=quote)\)""")


class Items(list):
    """A split as the harness reads one, in memory: a list of dict with `features`."""

    @property
    def features(self) -> dict[str, Any]:
        """Keys of the items, of which the first has all."""
        return self[0]


def harness_version() -> str:
    """Version of the harness."""
    return lm_eval.__version__


def own_folder() -> Path:
    """Folder of the YAMLs of the harness's own tasks."""
    return Path(lm_eval.tasks.__file__).parent


def own_tasks() -> dict[str, Any]:
    """Entries of the harness's own tasks by name, with yaml_path, cfg and tags: reads 14,000 YAMLs, for seconds.

    An entry without `yaml_path`, or whose `cfg` has `group`, or a list as `task`, is no task but a group of tasks.
    """
    return TaskManager().task_index


def make_task(name: str, content: dict[str, Any], documents: dict[str, Iterable[dict[str, Any]]]) -> Any:
    """The harness's task object.

    Parameters
    ----------
    name : str
    content : dict, of the task's YAML
    documents : dict of split to its items; those of a task whose YAML processes them are made a Dataset

    Raises
    ------
    IndexError : the first item's answer is none of its choices
    Exception : of any kind, where the YAML does not fit the items
    """
    import datasets

    # The harness compiles a template anew for every item, which takes longer than filling it in, and lets it reach into
    # Python. A template of a task needs neither files nor commands.
    if not hasattr(env.from_string, "cache_info"):
        sandbox = SandboxedEnvironment(undefined=env.undefined, keep_trailing_newline=env.keep_trailing_newline)
        sandbox.filters.update(env.filters)
        env.from_string = cache(sandbox.from_string)
    processed = "process_docs" in content or "process_docs" in (content.get("fewshot_config") or {})
    # Its own functions want a Dataset, which takes longer to read.
    make = datasets.Dataset.from_list if processed else Items
    splits = {split: make(rows) for split, rows in documents.items()}
    specification = content | {"task": name, "custom_dataset": lambda **_: splits}
    task = TaskManager(include_defaults=False).load([specification])["tasks"][name]
    task.doc_to_choice = _remember_last(task.doc_to_choice)
    return task


def _remember_last(function: Callable) -> Callable:
    """The function with its last answer kept: the harness asks for an item's choices several times in a row."""
    last = how = answer = None

    def remembered(item, *way):
        nonlocal last, how, answer
        if item is not last or way != how:
            last, how, answer = item, way, function(item, *way)
        return answer

    return remembered


def shot(task: Any, item: dict[str, Any]) -> dict[str, str]:
    """A question and its answer in words, as `OwnShots` puts them before the question that is asked."""
    target = task.doc_to_target(item)
    choices = task.doc_to_choice(item) if task.config.doc_to_choice else None
    question, answer = task.build_qa_turn(q=task.doc_to_text(item), c=choices, a=target)
    return {"question": question.content, "answer": answer.content}


class OwnShots(ContextSampler):
    """Shots that an item holds itself, under `SHOTS`: the same for the item under every variant of a prompt."""

    def sample(self, n: int, eval_doc: Any = None, df: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        """The shots of `eval_doc`, dicts of `shot`."""
        own: list[dict[str, str]] = eval_doc[SHOTS]
        return own


def with_own_shots(content: dict[str, Any], plain: Any) -> dict[str, Any]:
    """A task's YAML whose shots are those that its items hold, written as the task `plain` writes them."""
    config = {
        "sampler": OwnShots,
        "doc_to_text": itemgetter("question"),
        "doc_to_target": itemgetter("answer"),
        "doc_to_choice": None,
        "gen_prefix": None,
        "target_delimiter": plain.config.target_delimiter,
        "fewshot_delimiter": plain.config.fewshot_delimiter,
    }
    # An item is handed to the sampler where shots are of the split that is evaluated.
    return content | {"fewshot_config": config, "fewshot_split": content.get("test_split")}


def run_tasks(
    scorer: "Scorer", tasks: dict[str, Any], limits: dict[str, int], seed: int, *, chat_template: bool = False
) -> dict[str, Any]:
    """Evaluate tasks by name: dict with samples, versions and n-shot, each by name.

    With `chat_template` each shot is a turn of its own, as in `simple_evaluate`.

    `evaluate` is called, not `simple_evaluate`, which spends eight seconds on a description of the machine; the seeds
    that the latter would set are set here. Shots are drawn by a task's own generator: which tasks ran before does not
    matter. `limits` : how many items are asked, the first ones, for tasks that have more.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    for task in tasks.values():
        task.set_fewshot_seed(seed=seed)
    chosen = {name: list(range(min(limit, len(tasks[name].eval_docs)))) for name, limit in limits.items()}
    asked = {"apply_chat_template": chat_template, "fewshot_as_multiturn": chat_template, "bootstrap_iters": 0}
    return evaluate(scorer, {"tasks": tasks}, samples=chosen or None, **asked) if tasks else {}


def _rows(model):
    """Rows of a model's embedding; None where it has none."""
    try:
        return len(model.get_input_embeddings().weight)
    except (AttributeError, NotImplementedError):
        return None


def _open_end(tokenizer):
    """Have a tokenizer put nothing behind a text, as EOS, which some trainers have it do: every prompt goes on."""
    own, whole = (tokenizer("a", add_special_tokens=some).input_ids for some in (False, True))
    places = [place for place in range(len(whole)) if own and whole[place : place + len(own)] == own]
    if places and whole[places[0] + len(own) :]:
        before = whole[: places[0]]
        tokens = tokenizer.convert_ids_to_tokens(before)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=[*tokens, "$A"], special_tokens=list(zip(tokens, before, strict=True))
        )


class Scorer(HFLM):
    """A loaded model and its tokenizer, as the harness wants them, with likelihoods computed without waste.

    The harness runs the vocabulary head over every token of every prompt, and a softmax over all of that. Here the head
    sees only the tokens that are scored, requests that differ in their last token alone share one row, and a batch is
    bounded by its tokens as well. The likelihoods are the same.

    Attributes
    ----------
    cut : set of (context, continuation)
        Requests that are longer than the model's context and lost their beginning.
    unfit : dict of (context, continuation) to int
        Requests whose continuation alone is longer than the context, and its tokens; their likelihood is NaN.
    """

    def __init__(self, model: Any, tokenizer: Any, batch_size: int) -> None:
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
        # A repository's generation_config.json would change what is generated (penalties, beams, lengths) from one
        # checkpoint to the next: the task's YAML alone says how answers are made.
        model.generation_config = GenerationConfig(
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        _open_end(tokenizer)
        self._turn_end: int | None = None
        # Some templates let the model think aloud before its answer.
        self.chat_template_args = {"enable_thinking": False}
        self._rows = _rows(model)
        self.cut: set[tuple[str, str]] = set()
        self.unfit: dict[tuple[str, str], int] = {}
        self._some_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        # An item's requests follow each other, and mostly have one context.
        self._encoded = lru_cache(maxsize=16)(super().tok_encode)

    @cached_property
    def max_length(self) -> int:
        """Tokens of the model's context; the harness asks for it with every request."""
        return super().max_length

    def tok_encode(
        self,
        string: str,
        add_special_tokens: bool | None = None,
        left_truncate_len: int | None = None,
        **kwargs: Any,
    ) -> list[int]:
        """Token ids of a text, as the harness makes them; InputError where the model has no embedding of one."""
        ids = list(self._encoded(string, add_special_tokens, left_truncate_len, **kwargs))
        self._check(ids)
        return ids

    def tok_batch_encode(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """As the harness has it, of several texts, padded on the left."""
        ids, mask = super().tok_batch_encode(*args, **kwargs)
        self._check(ids[mask.bool()].tolist())
        return ids, mask

    def _check(self, ids):
        if self._rows and max(ids, default=0) >= self._rows:
            raise InputError(
                f"tasks: the tokenizer gives the id {max(ids)}, the model's embedding has {self._rows} rows; the "
                "tokenizer is another model's"
            )

    def use_template(self, template: str) -> None:
        """Write prompts with a chat template, in which today, where it says the date, is always the same day."""
        text = NOW.sub(lambda found: repr(DAY.strftime(found["format"])), template)
        cast(dict[str, Any], self.chat_template_args)["chat_template"] = text
        self._turn_end = self._find_turn_end()
        if self._turn_end is not None:
            ends = {self.tokenizer.eos_token_id, self._turn_end} - {None}
            self.model.generation_config.eos_token_id = sorted(ends)

    def _find_turn_end(self):
        """Id of the token that a template puts behind an answer, where answers end: often another than EOS."""
        said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": MARK}]
        try:
            whole = self.tokenizer.apply_chat_template(said, tokenize=False, **self.chat_template_args)
        except TemplateError:
            return None
        _, _, behind = whole.rpartition(MARK)
        added = self.tokenizer.added_tokens_decoder
        ids = self.tokenizer(behind, add_special_tokens=False).input_ids if MARK in whole else []
        return next((token for token in ids if token in added), None)

    def _model_generate(self, context: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the harness has it; the end of a turn is a mark that answers do not show, as EOS is."""
        ids: torch.Tensor = super()._model_generate(context, *args, **kwargs)
        if self._turn_end is not None:
            answers = ids[:, context.shape[1] :]
            answers[answers == self._turn_end] = self.tokenizer.pad_token_id
        return ids

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The prompt of a conversation; what a template would leave out of it comes before the first question.

        A template may refuse the system's role, or pass over it in silence, and a task's description stands there.
        """
        if chat_history[0]["role"] != "system":
            return super().apply_chat_template(chat_history, add_generation_prompt)
        system, *others = chat_history
        before = system["content"].strip()
        try:
            prompt = self._render(chat_history, add_generation_prompt)
        except TemplateError:
            prompt = ""
        if before in prompt:
            return prompt
        first = others[0] | {"content": f"{before}\n\n{others[0]['content']}"}
        return super().apply_chat_template([first, *others[1:]], add_generation_prompt)

    def _render(self, chat_history, add_generation_prompt):
        return self.tokenizer.apply_chat_template(
            chat_history,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
            **self.chat_template_args,
        )

    def continuations(self, context: str, text: str) -> set[tuple[int, ...]]:
        """The tokens that a text is behind a context, without and with a leading space.

        A text that is encoded alone is not its continuation: many tokenizers put a space before a text that has none,
        so that the form without one would never be scored. Where the text merges with the context's last token, which
        a model that goes on with the context's tokens cannot write, the tokens are those behind a line break.
        """
        found = (self._behind(context, before + text) or self._behind("\n", before + text) for before in ("", " "))
        return {form for form in found if form}

    def _behind(self, context: str, text: str) -> tuple[int, ...]:
        """Tokens that a text adds to a context's; none where it changes them."""
        start = self.tok_encode(context, add_special_tokens=False)
        whole = self.tok_encode(context + text, add_special_tokens=False)
        return tuple(whole[len(start) :]) if whole[: len(start)] == start else ()

    def _loglikelihood_tokens(self, requests, disable_tqdm=False, override_bs=None):
        """Log-likelihood of each continuation, and whether each of its tokens is the likeliest.

        Parameters
        ----------
        requests : list of ((context, continuation), context's ids, continuation's ids)

        Returns
        -------
        list of (float, bool), in the order of the requests
        """
        answers, rows = [(float("nan"), False)] * len(requests), {}
        for index, (pair, context, continuation) in enumerate(requests):
            if len(continuation) > self.max_length or not continuation:
                self.unfit[pair] = len(continuation)
                continue
            if len(context) + len(continuation) > self.max_length + 1:
                self.cut.add(pair)
            ids = (*context, *continuation)[-(self.max_length + 1) : -1]
            rows.setdefault(ids, []).append((index, continuation))
        with torch.inference_mode():
            for batch in self._batches(sorted(rows.items(), key=lambda row: -len(row[0]))):
                for index, answer in self._score(batch):
                    answers[index] = answer
        return answers

    def loglikelihoods(self, requests: list[tuple[tuple[str, str], list[int], list[int]]]) -> list[float]:
        """Log-likelihood of each continuation of ((context, continuation), context's ids, continuation's ids)."""
        return [likelihood for likelihood, _ in self._loglikelihood_tokens(requests)]

    def _batches(self, rows: list) -> Iterator[list]:
        """Rows of nearly equal length in turn, the longest first."""
        start = 0
        while start < len(rows):
            size = int(self.batch_size)
            if self.device.type == "cpu":
                size = min(size, max(1, CPU_TOKENS // len(rows[start][0])))
            yield rows[start : start + size]
            start += size

    def _score(self, rows):
        longest = len(rows[0][0])
        first = min(len(ids) - len(continuation) for ids, asked in rows for _, continuation in asked)
        # Padding comes after what is scored, where causal attention does not see it.
        inputs = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids, _ in rows], device=self.device)
        if self._some_logits:
            keep = torch.arange(first, longest, device=self.device)
            logits = self.model(inputs, logits_to_keep=keep, use_cache=False).logits
        else:
            logits = self.model(inputs).logits[:, first:]
        scores = torch.log_softmax(logits.float(), -1)
        most = scores.amax(-1)
        scored = [
            (row, len(ids) - len(continuation) + place - first, token)
            for row, (ids, asked) in enumerate(rows)
            for _, continuation in asked
            for place, token in enumerate(continuation)
        ]
        row, position, token = torch.tensor(scored, device=self.device).T
        found = scores[row, position, token]
        likelihoods = found.double().tolist()
        likeliest = (found >= most[row, position]).tolist()
        start = 0
        for index, continuation in (entry for _, asked in rows for entry in asked):
            stop = start + len(continuation)
            yield index, (sum(likelihoods[start:stop]), all(likeliest[start:stop]))
            start = stop
