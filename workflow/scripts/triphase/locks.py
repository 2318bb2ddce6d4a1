"""The lock of a study: the commit of every revision, and the hub's hashes of its files, when the lock was made.

It is part of the study, so that another machine, or another year, reads the same weights. Snakemake imports this at
every start, so nothing heavy is imported here.
"""

import json
from pathlib import Path

from triphase.errors import InputError
from triphase.selection import near_misses, same_step

FOLDER = Path("config/locks")


def lock_path(given, study, project):
    """Path of a study's lock: the given one, else config/locks/<study>.json.

    A relative path is looked for in the working directory first and in the project next; where neither has the file, it
    is the working directory's, where it would be made.
    """
    path = Path(given or FOLDER / f"{study}.json")
    there = Path(project) / path
    return there if there.is_file() and not path.is_file() else path


def read_lock(path):
    """A lock as a dict with study and models, or None where there is no file; InputError when it is not a lock."""
    try:
        lock = json.loads(Path(path).read_text(encoding="utf-8"))
        for model in lock["models"].values():
            for entry in model["checkpoints"].values():
                if len(entry["commit"]) != 40 or not isinstance(entry["files"], list):
                    raise ValueError(f"{entry['revision']} has no commit of 40 digits, or no files")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"lock: {path} is not a lock ({type(error).__name__}: {error}); make it anew: snakemake lock_checkpoints"
        ) from None
    return lock


def apply_lock(models, lock):
    """The models with the commits, and the exact names of the revisions, that a lock holds.

    A checkpoint that the lock does not have, or has of another repository or revision, is left as it is; so is one with
    a commit of its own.
    """
    if lock is None:
        return models
    return [_pinned(model, lock["models"].get(model["name"]) or {}) for model in models]


def lockable(models):
    """The models of a study whose checkpoints come from the hub, and so can be locked."""
    return [
        model for model in models if not (model.get("train") or model.get("cache_dir") or model.get("local_folder"))
    ]


def make_lock(study, models):
    """Ask the hub for the commit and the files of every checkpoint.

    Parameters
    ----------
    study : str
    models : list of dict, as `triphase.models.resolve_models` returns them

    Returns
    -------
    dict
        study, and models: by name, repository and checkpoints: by name, revision, commit, files (list of dict with
        name, bytes and sha256, or oid where the hub has no sha256). In the order of the study.

    Raises
    ------
    InputError
        The hub cannot be reached, or a revision does not exist; the message names model, revision and what there is.
    """
    from triphase import hub

    locked = {}
    for model in lockable(models):
        known = hub.branches(model["repository"])
        checkpoints = {}
        for entry in model["checkpoints"]:
            where = f"models/{model['name']}/checkpoints/{entry['name']}"
            revision = _exact(entry, known, where, model["repository"])
            found = hub.listing(model["repository"], entry.get("commit") or known.get(revision, revision))
            files = [{"name": name, **facts} for name, facts in sorted(found["files"].items())]
            checkpoints[entry["name"]] = {"revision": revision, "commit": found["commit"], "files": files}
        locked[model["name"]] = {"repository": model["repository"], "checkpoints": checkpoints}
    return {"study": study, "models": locked}


def _exact(entry, known, where, repository):
    """The revision as the hub spells it: registries compute how a name rounds its billions, and may round otherwise."""
    revision = entry["revision"]
    if revision in known or entry.get("commit") or _is_commit(revision):
        return revision
    if len(same := same_step(revision, known)) == 1:
        return same[0]
    raise InputError(f"{where}: {repository!r} has no revision {revision!r}{near_misses(revision, known)}")


def _is_commit(revision):
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def _pinned(model, lock):
    if lock.get("repository") != model["repository"] or not lockable([model]):
        return model
    checkpoints = []
    for entry in model["checkpoints"]:
        held = lock["checkpoints"].get(entry["name"])
        if held and not entry.get("commit") and same_step(entry["revision"], [held["revision"]]):
            entry = {**entry, "revision": held["revision"], "commit": held["commit"]}
        checkpoints.append(entry)
    return {**model, "checkpoints": checkpoints}
