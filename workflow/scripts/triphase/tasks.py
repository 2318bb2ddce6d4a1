"""Downstream tasks: which files the config's tasks need, and the measures made from their items.

A task is a harness YAML below one of the config's `include_path` folders. Paths in it are relative to the working
directory; a config entry may replace them by a file below `local_data`. Running them is in `triphase.harness`.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from triphase.adherence import (
    adherence_scores,
    answer_entropy,
    check_variants,
    commonest_share,
    parse_lenient,
    parse_strict,
    standard_error,
)
from triphase.errors import InputError


def agresti_coull(successes, n):
    """Agresti-Coull (1998) standard error of a proportion, at 95 %: above zero also for 0 of n and n of n."""
    return standard_error(np.repeat([1.0, 0.0], [successes, n - successes]))


def plan(evaluations, adherence, include_path, local_data):
    """Find the YAML and the data files of every task that the config names.

    Parameters
    ----------
    evaluations : list of dict
        `name`, `task` (of a YAML), optional `metric` (default acc), `data` with `root` (local_data, or null: the
        working directory), `limit` (first so many items).
    adherence : list of dict
        `name`, `variants` (each `name`, `task`, `labels`, optional `data`, `root`), optional `limit`.
    include_path : list of path
    local_data : path or None

    Returns
    -------
    list of dict: id (unique), name, kind ("accuracy" or "adherence"), variant, task, yaml (path), data (split to list
    of path), metric, labels, limit

    Raises
    ------
    InputError
        No YAML defines the task, a YAML names no data, label sets overlap, a name occurs twice.
    """
    known = _task_files(include_path)
    entries = [("accuracy", entry["name"], "", entry, entry.get("limit")) for entry in evaluations]
    for entry in adherence:
        check_variants(entry)
        entries += [("adherence", entry["name"], item["name"], item, entry.get("limit")) for item in entry["variants"]]
    jobs = []
    for kind, name, variant, entry, limit in entries:
        if entry["task"] not in known:
            raise InputError(
                f"tasks: task {entry['task']!r} of {name!r} is in no YAML below {', '.join(map(str, include_path))}; "
                f"there are: {', '.join(sorted(known)) or 'none'}"
            )
        yaml, content = known[entry["task"]]
        jobs.append(
            {
                "id": f"{name}.{variant}" if variant else name,
                "name": name,
                "kind": kind,
                "variant": variant,
                "task": entry["task"],
                "yaml": str(yaml),
                "data": _data_files(entry, content, local_data),
                "metric": entry.get("metric") or "acc",
                "labels": entry.get("labels") or [],
                "limit": limit,
            }
        )
    names = [job["id"] for job in jobs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"tasks: the names {repeated} occur more than once; every evaluation and variant needs its own"
        )
    return jobs


def missing_data(jobs):
    """Messages, one for each data file that a job of `plan` needs and that is not there."""
    return [
        f"tasks: task {job['id']!r} ({job['yaml']}) needs {path}, which is not there; put the file there, "
        "or change the entry's `data`, its `root` or `local_data`"
        for job in jobs
        for path in _files(job)
        if not Path(path).is_file()
    ]


def task_sources(jobs):
    """All YAML and data files that the jobs of `plan` read, sorted."""
    return sorted({path for job in jobs for path in [job["yaml"], *_files(job)]})


def _files(job):
    return [path for files in job["data"].values() for path in files]


def _task_files(include_path):
    """Task name to (YAML path, content) over all folders; the first of two files with one name counts."""
    found = {}
    for folder in include_path:
        for path in sorted(Path(folder).rglob("*.yaml")):
            content = _read_yaml(path)
            if isinstance(content.get("task"), str):
                found.setdefault(content["task"], (path, content))
    return found


def _read_yaml(path):
    """A harness YAML as a dict, with its `include`; `!function` tags stay text, as nothing is called here."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: node.value)
    content = yaml.load(path.read_text(encoding="utf-8"), Loader) or {}
    included = content.pop("include", [])
    base = {}
    for name in [included] if isinstance(included, str) else included:
        base.update(_read_yaml(path.parent / name))
    return base | content


def _data_files(entry, content, local_data):
    split = content.get("test_split") or content.get("validation_split") or "test"
    if entry.get("data"):
        if entry.get("root") == "local_data" and not local_data:
            raise InputError(
                f"tasks: {entry['name']!r} reads {entry['data']!r} from local_data, which is not set; "
                "set the config key local_data to the folder that holds it"
            )
        root = Path(local_data) if entry.get("root") == "local_data" else Path()
        return {split: [str(root / entry["data"])]}
    files = (content.get("dataset_kwargs") or {}).get("data_files")
    if not files:
        raise InputError(
            f"tasks: task {entry['task']!r} names no data; give the entry `data` (and `root: local_data`), "
            "or the YAML dataset_kwargs: data_files"
        )
    files = files if isinstance(files, dict) else {split: files}
    return {name: [paths] if isinstance(paths, str) else list(paths) for name, paths in files.items()}


def summarise(items, adherence_config):
    """Measures of one checkpoint from its items.

    Parameters
    ----------
    items : pandas.DataFrame
        From `triphase.harness.evaluate`.
    adherence_config : list of dict
        The config's `tasks.adherence`.

    Returns
    -------
    pandas.DataFrame with measure, value, se, n: accuracy/<evaluation>, accuracy_rescaled/<evaluation> (chance 0,
    perfect 1); for each adherence entry adherence/, adherence_lenient/, validity/, answer_entropy/ (bits),
    commonest_answer/ (share), label_mass/ (probability), accuracy_valid/ (right among strictly valid answers; NaN
    where the items have no target or no answer is valid). From validity on they are means over the variants with an
    instruction.
    """
    rows = []
    for name, frame in items[items["kind"] == "accuracy"].groupby("task", sort=False):
        correct, chance = frame["correct"].to_numpy(float), frame["chance"].to_numpy(float)
        error = standard_error(correct)
        rows.append((f"accuracy/{name}", correct.mean(), error, correct.size))
        rescaled = (correct - chance) / (1 - chance)
        rows.append((f"accuracy_rescaled/{name}", rescaled.mean(), error / (1 - chance.mean()), correct.size))
    for entry in adherence_config:
        rows += _summarise_adherence(entry, _answers(items, entry))
    return pd.DataFrame(rows, columns=["measure", "value", "se", "n"])


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
        answers = _answers(items, entry)
        scores = adherence_scores(answers["responses"], answers["labels"], parse_strict)
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
    return {
        "item": index[0],
        "labels": {variant["name"]: variant["labels"] for variant in entry["variants"]},
        "responses": {name: rows["response"].to_list() for name, rows in by_variant.items()},
        "target": {name: rows["target"].to_list() for name, rows in by_variant.items()},
        "label_mass": {name: rows["label_mass"].to_list() for name, rows in by_variant.items()},
    }


def _summarise_adherence(entry, answers):
    name, n = entry["name"], len(answers["item"])
    asked = [variant for variant, labels in answers["labels"].items() if labels]
    rows = []
    for measure, parse in (("adherence", parse_strict), ("adherence_lenient", parse_lenient)):
        scores = adherence_scores(answers["responses"], answers["labels"], parse)
        rows.append((f"{measure}/{name}", scores.mean(), standard_error(scores, -1.0, 1.0), n))
    parsed = {v: [parse_strict(text, answers["labels"][v]) for text in answers["responses"][v]] for v in asked}
    valid = np.mean([[index is not None for index in parsed[v]] for v in asked], axis=0)
    rows.append((f"validity/{name}", valid.mean(), standard_error(valid), n))
    entropies, errors = np.transpose([answer_entropy(answers["responses"][v]) for v in asked])
    rows.append((f"answer_entropy/{name}", entropies.mean(), np.linalg.norm(errors) / len(asked), n))
    shares = np.array([commonest_share(answers["responses"][v]) for v in asked])
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
    return rows
