"""Measures made from the items of one checkpoint, and their per-item scores for resampling."""

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.stats.proportions import agresti_coull, standard_error
from triphase.tasks.adherence import adherence_scores, answer_entropy, commonest_share, parse_lenient, parse_strict

OF_ADHERENCE = (
    "adherence", "adherence_lenient", "validity", "answer_entropy", "commonest_answer", "label_mass", "accuracy_valid",
    "accuracy_likelihood",
)  # fmt: skip


def summarise(items, adherence_config):
    """Measures of one checkpoint from its items.

    Parameters
    ----------
    items : pandas.DataFrame
        From `triphase.tasks.harness.evaluate`; `attrs` may have its metadata's `missing`.
    adherence_config : list of dict
        The config's `tasks.adherence`.

    Returns
    -------
    pandas.DataFrame with measure, value, se, n. For each evaluation: accuracy/, accuracy_norm/ (by likelihood per
    character), accuracy_rescaled/ (chance 0, perfect 1), chance/, majority/ (share of the commonest right answer),
    truncated/ (share of prompts that lost their beginning). For each adherence entry: adherence/, adherence_lenient/,
    validity/, answer_entropy/ (bits), commonest_answer/ (share), label_mass/ (probability), accuracy_valid/ (right
    among strictly valid answers), accuracy_likelihood/ (the right label is the likeliest of the set),
    adherence_truncated/. From validity on they are means over the variants with an instruction. NaN with n = 0 stands
    where the items have no right answer, no answer is valid, or the task is missing at this checkpoint.
    """
    missing = items.attrs.get("missing", {})
    rows = []
    for name, frame in items[items["kind"] == "accuracy"].groupby("task", sort=False):
        rows += _summarise_accuracy(name, frame)
    variants = {f"{entry['name']}.{variant['name']}" for entry in adherence_config for variant in entry["variants"]}
    for name in missing:
        if name not in variants:
            rows += [(f"{measure}/{name}", np.nan, np.nan, 0) for measure in ("accuracy", "accuracy_rescaled")]
    for entry in adherence_config:
        if any(f"{entry['name']}.{variant['name']}" in missing for variant in entry["variants"]):
            rows += [(f"{measure}/{entry['name']}", np.nan, np.nan, 0) for measure in OF_ADHERENCE]
        else:
            rows += _summarise_adherence(entry, _answers(items, entry))
    return pd.DataFrame(rows, columns=["measure", "value", "se", "n"])


def _summarise_accuracy(name, frame):
    correct, chance, n = frame["correct"].to_numpy(float), frame["chance"].to_numpy(float), len(frame)
    norm, cut = frame["correct_norm"].to_numpy(float), frame["truncated"].to_numpy(float)
    error = standard_error(correct)
    rescaled = (correct - chance) / (1 - chance)
    rows = [(f"accuracy/{name}", correct.mean(), error, n)]
    if np.isfinite(norm).all():
        rows.append((f"accuracy_norm/{name}", norm.mean(), standard_error(norm), n))
    return rows + [
        (f"accuracy_rescaled/{name}", rescaled.mean(), error / (1 - chance.mean()), n),
        (f"chance/{name}", chance.mean(), 0.0, n),
        (f"majority/{name}", frame["majority"].mean(), 0.0, n),
        (f"truncated/{name}", cut.mean(), 0.0, n),
    ]


def item_scores(items, adherence_config):
    """Per-item contributions whose mean is the measure, for resampling items with draws common to all checkpoints.

    Returns
    -------
    pandas.DataFrame with measure (accuracy_rescaled/…, adherence/…), item, score
    """
    # A study may have no tasks: then there are no scores, and the columns all the same.
    parts = [pd.DataFrame({"measure": [], "item": [], "score": []})]
    for name, frame in items[items["kind"] == "accuracy"].groupby("task", sort=False):
        score = (frame["correct"] - frame["chance"]) / (1 - frame["chance"])
        parts.append(pd.DataFrame({"measure": f"accuracy_rescaled/{name}", "item": frame["item"], "score": score}))
    for entry in adherence_config:
        if any(f"{entry['name']}.{variant['name']}" in items.attrs.get("missing", {}) for variant in entry["variants"]):
            continue
        answers = _answers(items, entry)
        scores = adherence_scores(answers["response"], answers["labels"], parse_strict)
        parts.append(pd.DataFrame({"measure": f"adherence/{entry['name']}", "item": answers["item"], "score": scores}))
    return pd.concat(parts[1:] or parts, ignore_index=True).astype({"score": float})


def _answers(items, entry):
    """Answers of one adherence entry by variant, aligned by item; InputError where variants have other items."""
    frame = items[(items["kind"] == "adherence") & (items["task"] == entry["name"])]
    by_variant = {v["name"]: frame[frame["variant"] == v["name"]].sort_values("item") for v in entry["variants"]}
    index = [rows["item"].to_list() for rows in by_variant.values()]
    if any(other != index[0] for other in index) or not index[0]:
        counts = {name: len(rows) for name, rows in by_variant.items()}
        raise InputError(f"tasks.adherence {entry['name']!r}: items by variant are {counts}; all need the same items")
    columns = ("response", "target", "label_mass", "loglikelihoods", "truncated")
    return {
        "item": index[0],
        "labels": {variant["name"]: variant["labels"] for variant in entry["variants"]},
        **{key: {name: rows[key].to_list() for name, rows in by_variant.items()} for key in columns},
    }


def _summarise_adherence(entry, answers):
    name, n = entry["name"], len(answers["item"])
    asked = [variant for variant, labels in answers["labels"].items() if labels]
    rows = []
    for measure, parse in (("adherence", parse_strict), ("adherence_lenient", parse_lenient)):
        scores = adherence_scores(answers["response"], answers["labels"], parse)
        rows.append((f"{measure}/{name}", scores.mean(), standard_error(scores, -1.0, 1.0), n))
    parsed = {v: [parse_strict(text, answers["labels"][v]) for text in answers["response"][v]] for v in asked}
    valid = np.mean([[index is not None for index in parsed[v]] for v in asked], axis=0)
    rows.append((f"validity/{name}", valid.mean(), standard_error(valid), n))
    entropies, errors = np.transpose([answer_entropy(answers["response"][v]) for v in asked])
    rows.append((f"answer_entropy/{name}", entropies.mean(), np.linalg.norm(errors) / len(asked), n))
    shares = np.array([commonest_share(answers["response"][v]) for v in asked])
    errors = [agresti_coull(round(share * n), n) for share in shares]
    rows.append((f"commonest_answer/{name}", shares.mean(), np.linalg.norm(errors) / len(asked), n))
    masses = np.mean([answers["label_mass"][v] for v in asked], axis=0)
    rows.append((f"label_mass/{name}", masses.mean(), standard_error(masses), n))
    right = [
        float(index == target)
        for v in asked
        for index, target in zip(parsed[v], answers["target"][v], strict=True)
        if index is not None and pd.notna(target)
    ]
    rows.append((f"accuracy_valid/{name}", np.mean(right) if right else np.nan, standard_error(right), len(right)))
    # By item, the mean over the variants: whether the model knows the answer in the very prompts that it is to follow.
    known = [
        np.mean([np.argmax(answers["loglikelihoods"][v][item]) == answers["target"][v][item] for v in asked])
        for item in range(n)
        if all(pd.notna(answers["target"][v][item]) for v in asked)
    ]
    rows.append((f"accuracy_likelihood/{name}", np.mean(known) if known else np.nan, standard_error(known), len(known)))
    cut = np.mean(list(answers["truncated"].values()))
    return [*rows, (f"adherence_truncated/{name}", cut, 0.0, n)]
