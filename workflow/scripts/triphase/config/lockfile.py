"""The lock of a study: the commit of every revision, and the hub's hashes of its files, when the lock was made.

It is part of the study, so that another machine, or another year, reads the same weights. Snakemake imports this at
every start, so nothing heavy is imported here.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from triphase.config.selection import check_tokens, same_step
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section

FOLDER = Path("config/locks")
COMMIT = re.compile("[0-9a-f]{40}")


def lock_path(given: str | None, study: str, project: str | Path) -> Path:
    """Path of a study's lock: the given one, else config/locks/<study>.json.

    A relative path is looked for in the working directory first and in the project next; where neither has the file, it
    is the working directory's, where it would be made.
    """
    path = Path(given or FOLDER / f"{study}.json")
    there = Path(project) / path
    return there if there.is_file() and not path.is_file() else path


def read_lock(path: str | Path) -> Section | None:
    """A lock as a dict with study and models, or None where there is no file; InputError when it is not a lock."""
    try:
        lock: Section = json.loads(Path(path).read_text(encoding="utf-8"))
        for name, model in lock["models"].items():
            _check_text(model["repository"], f"the repository of {name}")
            for place, entry in model["checkpoints"].items():
                _check_checkpoint(entry, f"{name}/{place}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"lock: {path} is not a lock ({type(error).__name__}: {error}); delete it and make it anew: snakemake "
            "lock_checkpoints"
        ) from None
    return lock


def _are_files(files: Any) -> bool:
    return isinstance(files, list) and all(isinstance(file["name"], str) for file in files)


def _check_checkpoint(entry: Section, where: str) -> None:
    """ValueError, or what Python raises, where a checkpoint of a lock lacks what pins it."""
    _check_text(entry["revision"], f"the revision of {where}")
    if "missing" in entry:
        _check_text(entry["missing"], f"what is missing of {where}")
        return
    commits = [entry[key] for key in ("commit", "tokenizer_commit") if key in entry]
    if not (commits and all(map(COMMIT.fullmatch, commits)) and _are_files(entry["files"])):
        raise ValueError(f"{entry['revision']} has no commit of 40 digits 0-9 a-f, or no files with names")


def _check_text(value: Any, what: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is no text: {json.dumps(value)[:80]}")


def apply_lock(models: Entries, lock: Section | None, integrity: str) -> Entries:
    """The models with the commits, and the exact names of the revisions, that a lock holds.

    Of a log-spaced number those are taken that the lock has chosen. A checkpoint that the lock does not have, or has of
    another repository or revision, is left as it is; so is one with a commit of its own. One whose revision the lock
    says to be missing gets `missing` (what there is instead), unless `integrity` is "error" or nothing would be left of
    its model: then the job that fetches it refuses.

    Raises
    ------
    InputError : a locked revision's name says other tokens than the study reckons with
    """
    held = (lock or {"models": {}})["models"]
    return [
        _pinned(_chosen(model, held.get(model["name"]) or {}), held.get(model["name"]) or {}, integrity)
        for model in models
    ]


def _chosen(model: Section, lock: Section) -> Section:
    """A model without the series that its log-spaced number was chosen from, and with the choice that a lock has made.

    A hub may lack branches of a series: the lock has then chosen from the others.
    """
    if "series" not in model:
        return model
    series = model["series"]
    model = {key: value for key, value in model.items() if key != "series"} | {"log_spaced": series["log_spaced"]}
    if lock.get("repository") == model["repository"] and lock.get("log_spaced") == series["log_spaced"]:
        model["checkpoints"] = [dict(entry) for entry in series["available"] if entry["name"] in lock["checkpoints"]]
    return model


def missing_lines(models: Iterable[Section]) -> list[str]:
    """A line for the user that names the checkpoints which the lock says to be missing; none where there are none."""
    gone = [f"{m['name']}/{entry['name']}" for m in models for entry in m["checkpoints"] if "missing" in entry]
    return (
        [f"models: left out, since by the lock the hub has no such revision, or none with weights: {', '.join(gone)}"]
        if gone
        else []
    )


def lockable(models: Iterable[Section]) -> Entries:
    """The models of a study whose checkpoints come from the hub, and so can be locked."""
    return [
        model for model in models if not (model.get("train") or model.get("cache_dir") or model.get("local_folder"))
    ]


def _pinned(model: Section, lock: Section, integrity: str) -> Section:
    if lock.get("repository") != model["repository"] or not lockable([model]):
        return model
    checkpoints = []
    for entry in model["checkpoints"]:
        held = lock["checkpoints"].get(entry["name"])
        elsewhere = held is not None and held.get("repository") != entry.get("repository")
        if held and not elsewhere and not entry.get("commit") and same_step(entry["revision"], [held["revision"]]):
            check_tokens(model, entry, held["revision"])
            entry = {
                **entry,
                **{key: held[key] for key in ("revision", "commit", "tokenizer_commit", "missing") if key in held},
            }
        checkpoints.append(entry)
    if integrity == "error" or all("missing" in entry for entry in checkpoints):
        checkpoints = [{key: entry[key] for key in entry if key != "missing"} for entry in checkpoints]
    return {**model, "checkpoints": checkpoints}
