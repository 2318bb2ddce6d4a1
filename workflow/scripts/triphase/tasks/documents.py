"""The harness's task objects, made of YAMLs and of items that are read here and handed over in memory.

No data-set cache is read or written, so that jobs may run side by side and a network is never asked.
"""

import json
import math
import random
from pathlib import Path
from typing import Any

from triphase.core.artefacts import read_json
from triphase.core.errors import InputError, one_line
from triphase.core.hashing import file_sha256
from triphase.core.types import Entries, Section
from triphase.tasks.adherence import normalise
from triphase.tasks.checks import check_items, check_task, needs_package
from triphase.tasks.plan import missing_data, unfetched

SPLITS = ("training_split", "validation_split", "test_split", "fewshot_split")


def read_documents(path: str | Path) -> Entries:
    """Items of a JSON list, of JSON lines, or of a JSON object of items by their id, as a list of dict."""
    text = Path(path).read_text(encoding="utf-8")
    try:
        whole = json.loads(text)
    except ValueError:
        try:
            # At line feeds alone: other marks of a line's end may stand within a text, as in U+2028.
            whole = [json.loads(line) for line in text.split("\n") if line.strip()]
        except ValueError as error:
            raise InputError(f"tasks: {path} is neither a JSON list nor JSON lines: {error}") from error
    if isinstance(whole, dict):
        by_id = whole and all(isinstance(item, dict) for item in whole.values())
        whole = [{"id": key, **item} for key, item in whole.items()] if by_id else [whole]
    if not isinstance(whole, list) or not all(isinstance(item, dict) for item in whole):
        raise InputError(f"tasks: {path} holds something else than items; a list of JSON objects is needed")
    for number, item in enumerate(whole):
        for key, value in item.items():
            if not _finite(value):
                raise InputError(
                    f"tasks: {path}: {key!r} of item {number} is {value}, which is no value; give it one, or leave the "
                    "item out"
                )
    return whole


def _finite(value):
    """Whether there is no NaN and no infinity in a JSON value."""
    if isinstance(value, float):
        return math.isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_finite, inner))


def load_tasks(jobs: Entries, seed: int = 0) -> dict[str, Any]:
    """Make the harness's task objects, data read and checked; needs no model.

    Shots of an accuracy task are the harness's: drawn from the split that the YAML names, else from the items
    themselves, never the item that is asked. Shots of an adherence entry are questions of the variant without
    instruction with their answers in words, the same before an item under every variant: no label stands in them, and
    a model that copies them gives the same answer whatever is asked for.

    Parameters
    ----------
    jobs : list of dict
        From `triphase.tasks.plan.plan`.
    seed : int
        Of the choice of shots.

    Returns
    -------
    dict of str (job id) to lm_eval Task

    Raises
    ------
    InputError
        A data file is absent, empty, changed since it was fetched or not JSON; the YAML does not fit its items; a right
        answer is outside the choices or labels; too few items for the shots; the task does not compute the metric.
    """
    if missing := missing_data(jobs):
        raise InputError("; ".join(missing))
    if lost := unfetched(jobs, []):
        raise InputError(lost)
    tasks = {}
    for job in jobs:
        content, documents = _read(job)
        tasks[job["id"]] = _make(job, content, documents)
        check_task(job, tasks[job["id"]])
    for name in dict.fromkeys(job["name"] for job in jobs if job["kind"] == "adherence" and job["shots"]):
        variants = [job for job in jobs if job["kind"] == "adherence" and job["name"] == name]
        tasks |= _with_shots(variants, tasks, seed)
    for job in jobs:
        check_items(job, tasks[job["id"]])
    return tasks


def _read(job):
    """Content of a job's YAML, and its items by split."""
    from triphase.tasks.harness_api import load_yaml

    data = {split: files for split, files in job["data"].items() if split != "manifest"}
    path = job["yaml"] or _harness_yaml(job)
    try:
        content = load_yaml(path)
    except ImportError as error:
        raise InputError(f"tasks: task {job['task']!r} ({path}) {needs_package(error)}") from error
    except Exception as error:
        raise InputError(f"tasks: {path} cannot be read: {type(error).__name__}: {one_line(error)}") from error
    documents = {split: [row for path in files for row in read_documents(path)] for split, files in data.items()}
    if not all(documents.values()):
        raise InputError(f"tasks: task {job['id']!r} has no items in {data}; at least one is needed")
    return content, documents


def _harness_yaml(job):
    """The harness's own YAML of a fetched task; its data must be what was fetched."""
    from triphase.tasks.harness_api import harness_version, own_folder

    path = Path(job["data"]["manifest"][0])
    manifest = read_json(path)
    again = f"remove the folder {path.parent} and run snakemake fetch_tasks where there is a network"
    for split, entry in manifest["splits"].items():
        if file_sha256(path.parent / entry["file"]) != entry["sha256"]:
            raise InputError(f"tasks: {path.parent / entry['file']} ({split}) is not what was fetched; {again}")
    yaml = own_folder() / manifest["yaml"]
    if not yaml.is_file():
        raise InputError(
            f"tasks: {job['task']!r} was fetched with version {manifest['harness']} of the harness; version "
            f"{harness_version()} has no {manifest['yaml']}; {again}"
        )
    return yaml


def _make(job, content, documents, plain=None):
    """The harness's object for a job; `documents` is split to list of dict, `plain` the task that writes its shots."""
    from triphase.tasks.harness_api import make_task, with_own_shots

    content = {key: value for key, value in content.items() if key not in ("dataset_kwargs", "tag", "group")}
    shots = content.get("num_fewshot") if job["shots"] is None else job["shots"]
    content["num_fewshot"] = 0 if job["kind"] == "adherence" else shots or 0
    _choose_splits(job, content, documents)
    if plain:
        content = with_own_shots(content | {"num_fewshot": job["shots"]}, plain)
    listed = content.get("metric_list") or []
    if content.get("output_type") == "multiple_choice" and listed and "process_results" not in content:
        if "acc_norm" not in [entry.get("metric") for entry in listed]:
            content["metric_list"] = [*listed, {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True}]
    try:
        return make_task(job["id"], content, documents)
    except IndexError:
        # The harness tries the first item, before `check_items` sees them all.
        first = documents[content.get("test_split") or content.get("validation_split")][0]
        raise InputError(
            f"tasks: item 0 of {job['id']!r} has an answer that is none of its choices, or an empty choice: {first}"
        ) from None
    except Exception as error:
        raise InputError(
            f"tasks: the YAML of task {job['task']!r} of {job['name']!r} does not fit its items: "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error


def _choose_splits(job, content, documents):
    """Keep the splits that there are items for; shots come from the evaluated one where no other is named."""
    evaluated = content.get("test_split") or content.get("validation_split")
    config = dict(content.get("fewshot_config") or {})
    pool = shots_split(content)
    if content["num_fewshot"] and "samples" not in config:
        if pool not in documents:
            raise InputError(
                f"tasks: {job['id']!r} with {content['num_fewshot']} shots draws them from the split {pool!r}, which "
                f"it has no items for; there are: {', '.join(documents)}; name a file for it in the YAML "
                "(dataset_kwargs: data_files), or let fewshot_split be the evaluated one"
            )
        if len(documents[pool]) <= content["num_fewshot"]:
            raise InputError(
                f"tasks: {job['id']!r} draws {content['num_fewshot']} shots from {len(documents[pool])} items; more "
                "items than shots are needed"
            )
    config.pop("split", None)
    for key in SPLITS:
        if content.get(key) not in documents:
            content.pop(key, None)
    content["fewshot_split"] = pool if pool in documents else None
    if pool == evaluated:
        # The harness leaves out the item that is asked where the shots' split is the test split, or neither is named.
        content["fewshot_split"] = content.get("test_split")
        content.pop("training_split", None)
    content["fewshot_config"] = config or None


def shots_split(content: Section) -> str | None:
    """The split that a YAML's shots are drawn from."""
    named = (content.get("fewshot_config") or {}).get("split") or content.get("fewshot_split")
    return named or content.get("training_split") or content.get("validation_split") or content.get("test_split")


def _with_shots(jobs, tasks, seed):
    """Tasks of one adherence entry with the same questions and answers before an item under every variant."""
    from triphase.tasks.harness_api import SHOTS, shot

    plain = next(job for job in jobs if not job["labels"])
    source, count = tasks[plain["id"]], plain["shots"]
    items = list(source.eval_docs)
    labels = {normalise(label) for job in jobs for label in job["labels"]}
    for index, item in enumerate(items):
        target = source.doc_to_target(item)
        where = f"tasks.adherence {plain['name']!r}: item {index} of {plain['variant']!r}, from which shots are drawn,"
        if target in ("", None):
            raise InputError(f"{where} has no answer; give it one in words, or leave out `shots`")
        if normalise(str(target)) in labels:
            raise InputError(
                f"{where} has the answer {target!r}, which is a label; answers of the variant without labels must not "
                "be labels"
            )
    if len(items) <= count:
        raise InputError(
            f"tasks.adherence {plain['name']!r}: {count} shots of {len(items)} items; more items than shots are needed"
        )
    turns = [shot(source, item) for item in items]
    made = {}
    for job in jobs:
        content, documents = _read(job)
        split = content.get("test_split") or content.get("validation_split")
        if len(documents[split]) != len(items):
            raise InputError(
                f"tasks.adherence {job['name']!r}: variant {job['variant']!r} has {len(documents[split])} items, "
                f"{plain['variant']!r} has {len(items)}; all need the same items"
            )
        for index, document in enumerate(documents[split]):
            others = [other for other in range(len(items)) if other != index]
            # By the item alone: neither other items nor other tasks decide.
            chosen = random.Random(f"{seed} {index}").sample(others, count)
            document[SHOTS] = [turns[other] for other in chosen]
        made[job["id"]] = _make(job, content, documents, source)
    return made
