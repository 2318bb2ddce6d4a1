"""What the harness's task objects and their items must be; each check raises InputError with the item and its value."""

import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triphase.core.errors import InputError, one_line
from triphase.core.types import Section


def check_task(job: Section, task: Any) -> None:
    """A task computes the metric of its job; adherence is asked of one that generates."""
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


def check_items(job: Section, task: Any) -> None:
    """Every item that is asked has a right answer among its choices, or among the labels of its variant."""
    for index, item in enumerate(task.eval_docs):
        if job["limit"] and index >= job["limit"]:
            break
        try:
            target, _ = task.doc_to_target(item), task.doc_to_text(item)
        except Exception as error:
            raise InputError(
                f"tasks: item {index} of {job['id']!r} does not fit the YAML of {job['task']!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if job["kind"] == "adherence":
            _check_digits(job, task, index, target, job["labels"])
            if job["labels"] and target not in ("", None) and target_index(target, job["labels"]) is None:
                raise InputError(
                    f"tasks: item {index} of {job['id']!r} has the answer {target!r}, which is none of the labels "
                    f"{job['labels']}"
                )
        elif (
            task.OUTPUT_TYPE == "multiple_choice"
            and not task.multiple_input
            and not callable(task.config.process_results)
        ):
            choices = task.doc_to_choice(item)
            if len(choices) < 2 or not all(isinstance(choice, str) and choice for choice in choices):
                raise InputError(
                    f"tasks: item {index} of {job['id']!r} has the choices {choices}; two or more are needed, none of "
                    "them empty"
                )
            if len(set(choices)) < len(choices):
                same = f"item {index} of {job['id']!r} has two equal choices: {choices}"
                if job["yaml"]:
                    raise InputError(f"tasks: {same}; the right one could not be told from the other")
                # Some published sets have such items, and nobody here can put them right.
                logging.warning("tasks: %s", same)
            if isinstance(target, list) and not all(isinstance(answer, int) for answer in target):
                raise InputError(
                    f"tasks: item {index} of {job['id']!r} has the answers {target}; the harness takes several right "
                    f"answers as numbers of choices only, 0 to {len(choices) - 1}"
                )
            _check_digits(job, task, index, target, choices)
            for answer in target if isinstance(target, list) else [target]:
                if target_index(answer, choices) is None:
                    raise InputError(
                        f"tasks: item {index} of {job['id']!r} has the answer {answer!r}, which is none of {choices} "
                        f"(a choice, or its number from 0 to {len(choices) - 1})"
                    )


def _check_digits(job, task, index, target, choices):
    """InputError where a template makes digits of a text, which may be the choice that they are or another one's place.

    The harness takes them for a number; what it does in tasks of its own is theirs to know.
    """
    template, item = task.config.doc_to_target, task.eval_docs[index]
    if not job["yaml"] or not isinstance(target, int) or not isinstance(template, str) or template in task.features:
        return
    said = any(item.get(name) == str(target) for name in re.findall(r"\w+", template))
    if said and str(target) in choices and choices.index(str(target)) != target:
        raise InputError(
            f"tasks: item {index} of {job['id']!r} has the answer {target}, which is one of the choices {choices}, and "
            "the number of another; the harness takes digits of a template for a number: in "
            f"{job['yaml']} let doc_to_target name a field alone, which holds the choice as text or its number"
        )


def needs_package(error: ImportError) -> str:
    """What is missing where Python code of a task cannot be imported, and how it is had."""
    name = (error.name or "").partition(".")[0]
    if not name:
        return f"needs code that cannot be imported ({one_line(error)})"
    python = Path(sys.executable)
    return f"needs the Python package {name!r}, which is not installed: {python} -m pip install {name}"


def target_index(target: Any, choices: Sequence[str]) -> int | None:
    """Index of a target among choices, given as an index or as the choice's text; None where it is neither."""
    if isinstance(target, int):
        return target if 0 <= target < len(choices) else None
    return choices.index(target) if target in choices else None
