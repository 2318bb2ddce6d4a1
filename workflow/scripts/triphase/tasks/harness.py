"""Tasks run by lm-evaluation-harness on a model that is already loaded, and one row for every item."""

import gc
import hashlib
import logging
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from triphase.core.errors import InputError, one_line
from triphase.core.types import Entries, Section
from triphase.tasks.adherence import parse_strict
from triphase.tasks.checks import target_index

COLUMNS = {
    "task": str,
    "kind": str,
    "variant": str,
    "item": "int64",
    "correct": float,
    "correct_norm": float,
    "chance": float,
    "majority": float,
    "target": "Int64",
    "answer": "Int64",
    "loglikelihoods": object,
    "response": object,
    "label_mass": float,
    "truncated": bool,
}


def evaluate(
    jobs: Entries,
    tasks: dict[str, Any],
    model: Any,
    tokenizer: Any,
    *,
    batch_size: int,
    seed: int,
    chat_template: bool = False,
) -> tuple[pd.DataFrame, Section]:
    """Run the harness on a loaded model.

    Parameters
    ----------
    jobs : list of dict
        From `triphase.tasks.plan.plan`.
    tasks : dict
        From `triphase.tasks.documents.load_tasks`.
    model, tokenizer
        Causal language model with its head, and its tokenizer (a padding token is set where it has none).
    batch_size, seed : int
    chat_template : bool, whether prompts are turns of a conversation, written by the tokenizer's chat template

    Returns
    -------
    items : pandas.DataFrame
        One row per item and job, columns as in `COLUMNS`. `correct` follows the job's metric, `correct_norm` the
        likelihood by character. `chance` is what the task's scoring gives where likelihoods say
        nothing (k / choices with k right ones), 0 where the answer is free; `majority` is 1 where the task's commonest
        right answer, as text, is right. `target` and `answer` are indices of choices, for adherence of labels
        (`answer` by the strict parser; none where it is no label). `loglikelihoods` are of the choices, for adherence
        of the labels as the beginning of the answer, each with and without a leading space, and `label_mass` is the
        probability of all. `truncated`: the prompt lost its beginning, being longer than the model's context.
    metadata : dict
        harness (version), seed, batch_size, tasks (id to version, prompt_hash, n, shots, limit, metric, source,
        truncated), missing (id of a task that this model cannot do, to the reason), chat_template_hash ("" where none
        is used).

    Raises
    ------
    InputError
        A log-likelihood is not finite; a chat template is asked for and the tokenizer has none.
    """
    from triphase.tasks.harness_api import Scorer, harness_version, run_tasks

    template = _template(tokenizer) if chat_template else ""
    scorer = Scorer(model, tokenizer, batch_size)
    if template:
        scorer.use_template(template)
    missing = {job["id"]: reason for job in jobs if (reason := _no_room(job, tasks[job["id"]], scorer))}
    asked = {job["id"]: tasks[job["id"]] for job in jobs if job["id"] not in missing}
    limits = {job["id"]: job["limit"] for job in jobs if job["id"] in asked and job["limit"]}
    gc.freeze()  # what is loaded by now stays: collections among a harness's many small objects need not walk over it
    found = run_tasks(scorer, asked, limits, seed, chat_template=chat_template)
    gc.unfreeze()
    rows, described = [], {}
    for job in [job for job in jobs if job["id"] in asked]:
        samples = found["samples"][job["id"]]
        # A task may filter its answers in several ways; the first is its headline.
        samples = [sample for sample in samples if sample["filter"] == samples[0]["filter"]]
        scored = tasks[job["id"]].OUTPUT_TYPE != "generate_until"
        pairs = [pair for sample in samples for pair in sample["arguments"]] if scored else []
        if long := [scorer.unfit[pair] for pair in pairs if pair in scorer.unfit]:
            missing[job["id"]] = (
                f"an answer has {max(long)} tokens, the model's context is {scorer.max_length} (0: an empty answer)"
            )
            continue
        cut = _truncated(samples, scorer, tasks[job["id"]])
        if any(cut):
            logging.warning("task %s: %d of %d prompts lost their beginning", job["id"], sum(cut), len(samples))
        if job["kind"] == "adherence":
            made = _adherence_rows(job, samples, scorer)
        else:
            made = _accuracy_rows(job, tasks[job["id"]], samples)
        keys = {key: job[key] for key in ("kind", "variant")} | {"task": job["name"]}
        rows += [
            keys | {"item": int(sample["doc_id"]), "truncated": lost} | row
            for sample, lost, row in zip(samples, cut, made, strict=True)
        ]
        texts = [str(part) for sample in samples for argument in sample["arguments"] for part in argument]
        described[job["id"]] = {
            "version": found["versions"][job["id"]],
            "prompt_hash": hashlib.sha256("\x1e".join(texts).encode()).hexdigest(),
            "n": len(samples),
            "shots": job["shots"] if job["kind"] == "adherence" else found["n-shot"][job["id"]],
            "limit": job["limit"],
            "metric": job["metric"],
            "source": job["yaml"] or job["data"]["manifest"][0],
            "truncated": sum(cut),
        }
    for name, reason in missing.items():
        logging.warning("task %s is missing: %s", name, reason)
    metadata = {
        "harness": harness_version(),
        "tasks": described,
        "missing": missing,
        "seed": seed,
        "batch_size": batch_size,
        "chat_template_hash": hashlib.sha256(template.encode()).hexdigest() if template else "",
    }
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS), metadata


def _template(tokenizer):
    """The text of a tokenizer's chat template; the one named default where there are several."""
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:
        raise InputError(
            "models: chat_template is true, but the tokenizer has no chat template to use "
            f"({one_line(error)}); leave chat_template out for models that were not tuned on conversations"
        ) from None


def _new_tokens(task, scorer):
    """Tokens that a task generates per item; 0 where it generates none."""
    if task.OUTPUT_TYPE != "generate_until":
        return 0
    return (task.config.generation_kwargs or {}).get("max_gen_toks", scorer.max_gen_toks)


def _no_room(job, task, scorer):
    """Why a model cannot generate what a task asks for; empty where it can."""
    if _new_tokens(task, scorer) < scorer.max_length:
        return ""
    return (
        f"{job['task']!r} generates up to {_new_tokens(task, scorer)} tokens, the model's context is "
        f"{scorer.max_length}; set generation_kwargs: max_gen_toks in its YAML to less"
    )


def _truncated(samples, scorer, task):
    """Whether each item has a prompt that does not fit the context beside what is generated or scored."""
    if task.OUTPUT_TYPE != "generate_until":
        return [any(pair in scorer.cut for pair in sample["arguments"]) for sample in samples]
    room = scorer.max_length - _new_tokens(task, scorer)
    return [len(scorer.tok_encode(sample["arguments"][0][0])) > room for sample in samples]


def _adherence_rows(job, samples, scorer):
    labels = job["labels"]
    by_label, masses = _label_likelihoods(scorer, [sample["arguments"][0][0] for sample in samples], labels)
    for sample, values, mass in zip(samples, by_label, masses, strict=True):
        response = str(sample["filtered_resps"][0])
        target = target_index(sample["target"], labels)
        answer = parse_strict(response, labels)
        yield {
            "target": target,
            "answer": answer,
            "response": response,
            "loglikelihoods": values,
            "label_mass": mass,
        }


def _label_likelihoods(scorer, contexts, labels):
    """Log-probability that the answer begins with each label, and the probability that it begins with any, by item.

    Each label is scored with and without a leading space, as the tokens that go on with the prompt.
    """
    if not labels:
        return [None] * len(contexts), [np.nan] * len(contexts)
    forms = [[scorer.continuations(context, label) for label in labels] for context in contexts]
    requests = [
        ((context, str(form)), scorer.tok_encode(context) or [scorer.prefix_token_id], list(form))
        for context, own in zip(contexts, forms, strict=True)
        for form in sorted(set().union(*own))
    ]
    values = scorer.loglikelihoods(requests)
    known = {(pair, tuple(form)): value for (pair, _, form), value in zip(requests, values, strict=True)}
    by_label, masses = [], []
    for context, own in zip(contexts, forms, strict=True):
        likelihood = {form: known[(context, str(form)), form] for form in set().union(*own)}
        by_label.append([float(np.logaddexp.reduce([likelihood[form] for form in _shortest(some)])) for some in own])
        masses.append(float(np.exp([likelihood[form] for form in _shortest(likelihood)]).sum()))
    return by_label, masses


def _shortest(forms):
    """Forms without those that continue another, whose probability holds theirs already."""
    forms = {form for form in forms if form}
    return sorted(form for form in forms if not any(form[:end] in forms for end in range(1, len(form))))


def _accuracy_rows(job, task, samples):
    golds = [task.doc_to_text(s["doc"]) if task.multiple_input else s["target"] for s in samples]
    choices = [task.doc_to_choice(s["doc"]) if task.config.doc_to_choice is not None else [] for s in samples]
    targets = [target_index(gold, options) for gold, options in zip(golds, choices, strict=True)]
    right = [_right(gold, options) for gold, options in zip(golds, choices, strict=True)]
    commonest = Counter(answer for own in right for answer in own).most_common(1)[0][0]
    for sample, options, target, answers in zip(samples, choices, targets, right, strict=True):
        row = {
            "correct": _share_right(job, sample),
            "correct_norm": sample.get("acc_norm"),
            "chance": 0.0,
            "majority": float(commonest in answers),
            "target": target,
        }
        if isinstance(sample["filtered_resps"][0], (tuple, list)):
            values = [float(value) for value, _ in sample["filtered_resps"]]
            if not np.isfinite(values).all():
                raise InputError(
                    f"tasks: item {sample['doc_id']} of {job['id']!r} has the log-likelihoods {values}; "
                    "finite ones were expected: the checkpoint's weights are broken"
                )
            row["loglikelihoods"] = values
            if options:
                row |= {"answer": int(np.argmax(values[: len(options)]))}
                row["chance"] = _chance(task, sample, len(options), job["metric"])
        else:
            row["response"] = str(sample["filtered_resps"][0])
        yield row


def _share_right(job, sample):
    """How right an item is by the metric of its job, 0 to 1: accuracy is the mean over items."""
    value = sample[job["metric"]]
    if isinstance(value, (bool, int, float, np.number)) and not np.isnan(value) and 0 <= value <= 1:
        return float(value)
    raise InputError(
        f"tasks: metric {job['metric']!r} of {job['name']!r} gives item {sample['doc_id']} {str(value)[:60]}; an "
        "accuracy is a mean over items of numbers from 0 (wrong) to 1 (right): choose a metric such as acc or "
        "exact_match"
    )


def _right(gold, options):
    """Right answers of an item as text: a task may have several."""
    places = [target_index(one, options) for one in (gold if isinstance(gold, list) else [gold])]
    return {options[place] for place in places if place is not None} or {str(gold)}


def _chance(task, sample, n, metric):
    """What a task's own scoring gives on average where likelihoods say nothing: each choice is ahead by a hair in turn.

    k / n for a choice with k right answers, however the task scores it; NaN where its scoring cannot be asked.
    """
    results = len(sample["filtered_resps"])
    # All nearly 0, so that a likelihood by character is the same; the last is the likeliest, by rank.
    hairs = -1e-9 * np.arange(n)
    scores = []
    for shift in range(n):
        values = [*np.roll(hairs, shift).tolist(), *[0.0] * (results - n)]
        try:
            scores.append(float(task.process_results(sample["doc"], [(value, False) for value in values])[metric]))
        except Exception:  # code of a task's own
            return np.nan
    return float(np.mean(scores))
