"""Tasks run by lm-evaluation-harness on a model that is already loaded.

Documents are read here and handed over in memory, so that no data-set cache is written and jobs may run side by side.
"""

import hashlib
import json
import logging
import random
from pathlib import Path

import numpy as np
import pandas as pd

from triphase.errors import InputError
from triphase.tasks import missing_data

COLUMNS = {
    "task": str, "kind": str, "variant": str, "item": "int64", "correct": float, "correct_norm": float, "chance": float,
    "target": "Int64", "answer": "Int64", "loglikelihoods": object, "response": object, "label_mass": float,
}  # fmt: skip


def read_documents(path):
    """Items of a JSON list or JSON-lines file, as a list of dict."""
    text = Path(path).read_text(encoding="utf-8")
    try:
        if text.lstrip().startswith("["):
            return json.loads(text)
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise InputError(f"tasks: {path} is neither a JSON list nor JSON lines: {error}") from error


def load_tasks(jobs):
    """Make the harness's task objects, data read; needs no model.

    Parameters
    ----------
    jobs : list of dict
        From `triphase.tasks.plan`.

    Returns
    -------
    dict of str (job id) to lm_eval Task

    Raises
    ------
    InputError
        A data file is absent, empty or not JSON; the task does not compute the metric asked for.
    """
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    if missing := missing_data(jobs):
        raise InputError("; ".join(missing))
    specifications = []
    for job in jobs:
        documents = {
            split: [row for path in files for row in read_documents(path)] for split, files in job["data"].items()
        }
        if not all(documents.values()):
            raise InputError(f"tasks: task {job['id']!r} has no items in {job['data']}; at least one is needed")
        content = {key: value for key, value in load_yaml(job["yaml"]).items() if key not in ("dataset_kwargs", "tag")}
        evaluated = content.get("test_split") or content.get("validation_split")
        documents[evaluated] = documents[evaluated][: job["limit"]]
        content.setdefault("num_fewshot", 0)
        specifications.append(content | {"task": job["id"], "custom_dataset": _in_memory(documents)})
    tasks = TaskManager(include_defaults=False).load(specifications)["tasks"]
    for job in jobs:
        _check_task(job, tasks[job["id"]])
    return tasks


def _in_memory(documents):
    import datasets

    def load(**_):
        return {split: datasets.Dataset.from_list(rows) for split, rows in documents.items()}

    return load


def _check_task(job, task):
    metrics = task.aggregation()
    if job["kind"] == "accuracy" and job["metric"] not in metrics:
        raise InputError(
            f"tasks: metric {job['metric']!r} of {job['name']!r} is not computed by task {job['task']!r}; "
            f"it computes: {', '.join(metrics)}"
        )
    if job["kind"] == "adherence" and task.OUTPUT_TYPE != "generate_until":
        raise InputError(
            f"tasks: task {job['task']!r} of adherence {job['name']!r} has output_type {task.OUTPUT_TYPE!r}; "
            "adherence is measured on generated answers (generate_until)"
        )


def evaluate(jobs, tasks, model, tokenizer, *, batch_size, seed):
    """Run the harness on a loaded model.

    `lm_eval.evaluator.evaluate` is called, not `simple_evaluate`, which spends eight seconds on a description of the
    machine; the seeds that the latter would set are set here.

    Parameters
    ----------
    jobs : list of dict
        From `triphase.tasks.plan`.
    tasks : dict
        From `load_tasks`.
    model, tokenizer
        Causal language model with its head, and its tokenizer (a padding token is set where it has none).
    batch_size, seed : int

    Returns
    -------
    items : pandas.DataFrame
        One row per item and job, columns as in `COLUMNS`. `correct` follows the job's metric; `chance` is 1 / choices,
        0 where the answer is free; `target` and `answer` are indices of choices (for adherence `target` is the right
        choice's index, where the documents have `choices` and `answer`); `label_mass` is the probability of the
        variant's labels as the beginning of the answer, each with and without a leading space.
    metadata : dict
        harness (version), seed, batch_size, tasks (id to version, prompt_hash, n, shots, limit, metric, source,
        truncated: prompts that lost their beginning because they are longer than the model's context).

    Raises
    ------
    InputError
        A task asks for more generated tokens than the model's context holds; a log-likelihood is not finite.
    """
    import lm_eval
    import torch
    from lm_eval.evaluator import evaluate as run_harness
    from lm_eval.models.huggingface import HFLM

    random.seed(seed)
    np.random.seed(seed)  # the harness draws from the global generators
    torch.manual_seed(seed)
    harness = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
    for job in jobs:
        tasks[job["id"]].set_fewshot_seed(seed=seed)
        _check_room(job, tasks[job["id"]], harness)
    results = run_harness(harness, {"tasks": tasks}, bootstrap_iters=0, log_samples=True)
    rows, described = [], {}
    for job in jobs:
        samples = results["samples"][job["id"]]
        masses = _label_masses(harness, samples, job["labels"])
        truncated = _truncated(samples, harness, _new_tokens(tasks[job["id"]], harness))
        if truncated:
            logging.warning("task %s: %d of %d prompts lost their beginning", job["id"], truncated, len(samples))
        rows += [_row(job, sample) | {"label_mass": mass} for sample, mass in zip(samples, masses, strict=True)]
        texts = [str(part) for sample in samples for argument in sample["arguments"] for part in argument]
        described[job["id"]] = {
            "version": results["versions"][job["id"]],
            "prompt_hash": hashlib.sha256("\x1e".join(texts).encode()).hexdigest(),
            "n": len(samples),
            "shots": results["n-shot"][job["id"]],
            "limit": job["limit"],
            "metric": job["metric"],
            "source": job["yaml"],
            "truncated": truncated,
        }
    metadata = {"harness": lm_eval.__version__, "tasks": described, "seed": seed, "batch_size": batch_size}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS), metadata


def _new_tokens(task, harness):
    """Tokens that a task generates per item; 0 where it generates none."""
    if task.OUTPUT_TYPE != "generate_until":
        return 0
    return (task.config.generation_kwargs or {}).get("max_gen_toks", harness.max_gen_toks)


def _check_room(job, task, harness):
    if _new_tokens(task, harness) >= harness.max_length:
        raise InputError(
            f"tasks: task {job['task']!r} generates up to {_new_tokens(task, harness)} tokens, the model's context is "
            f"{harness.max_length}; set generation_kwargs: max_gen_toks in {job['yaml']} to less"
        )


def _label_masses(harness, samples, labels):
    """Probability that the answer begins with one of the labels, by item; NaN without labels.

    Forms are scored as tokens: scored as text, a label without a space could merge with the prompt's last word.
    """
    if not labels:
        return [np.nan] * len(samples)
    forms = {
        tuple(harness.tok_encode(space + label, add_special_tokens=False)) for label in labels for space in ("", " ")
    }
    # A form that continues another is part of its probability already.
    forms = [form for form in sorted(forms) if form and not any(form[:end] in forms for end in range(1, len(form)))]
    contexts = [sample["arguments"][0][0] for sample in samples]
    encoded = [harness.tok_encode(context) or [harness.prefix_token_id] for context in contexts]
    requests = [
        ((text, str(form)), ids, list(form)) for text, ids in zip(contexts, encoded, strict=True) for form in forms
    ]
    answers = harness._loglikelihood_tokens(requests, disable_tqdm=True)
    return np.exp([value for value, _ in answers]).reshape(len(samples), len(forms)).sum(axis=1).tolist()


def _truncated(samples, harness, new_tokens):
    """Number of items with a prompt that does not fit the context beside what is generated or scored."""
    room = harness.max_length - new_tokens if new_tokens else harness.max_length + 1
    return sum(
        any(
            len(harness.tok_encode(context + (answer if isinstance(answer, str) else ""))) > room
            for context, answer in pairs
        )
        for pairs in (sample["arguments"] for sample in samples)
    )


def _row(job, sample):
    row = {"task": job["name"], "kind": job["kind"], "variant": job["variant"], "item": int(sample["doc_id"])}
    if job["kind"] == "adherence":
        labels = sample["doc"].get("choices", [])
        target = _index(sample["doc"].get("answer"), labels)
        return row | {"target": target, "response": str(sample["filtered_resps"][0])}
    row |= {"correct": float(sample[job["metric"]]), "correct_norm": sample.get("acc_norm"), "chance": 0.0}
    if isinstance(sample["filtered_resps"][0], (tuple, list)):
        values = [float(value) for value, _ in sample["filtered_resps"]]
        if not np.isfinite(values).all():
            raise InputError(
                f"tasks: item {sample['doc_id']} of {job['id']!r} has the log-likelihoods {values}; "
                "finite ones were expected: the checkpoint's weights are broken"
            )
        row |= {"loglikelihoods": values, "answer": int(np.argmax(values))}
        if len(values) > 1:
            row |= {"chance": 1 / len(values), "target": _index(sample["target"], [])}
    else:
        row["response"] = str(sample["filtered_resps"][0])
    return row


def _index(target, choices):
    """A target as an index of the choices: given as one, as text of one, or unknown (None)."""
    if isinstance(target, (int, np.integer)):
        return int(target)
    return choices.index(target) if target in choices else None
