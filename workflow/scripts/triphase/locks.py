"""The lock of a study: the commit of every revision, and the hub's hashes of its files, when the lock was made.

It is part of the study, so that another machine, or another year, reads the same weights. Snakemake imports this at
every start, so nothing heavy is imported here.
"""

import json
from pathlib import Path

from triphase.errors import InputError
from triphase.selection import near_misses, same_step
from triphase.snapshots import weight_files

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
                if "missing" not in entry and (len(entry["commit"]) != 40 or not isinstance(entry["files"], list)):
                    raise ValueError(f"{entry['revision']} has no commit of 40 digits, or no files")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"lock: {path} is not a lock ({type(error).__name__}: {error}); delete it and make it anew: snakemake "
            "lock_checkpoints"
        ) from None
    return lock


def apply_lock(models, lock, integrity):
    """The models with the commits, and the exact names of the revisions, that a lock holds.

    A checkpoint that the lock does not have, or has of another repository or revision, is left as it is; so is one with
    a commit of its own. One whose revision the lock says to be missing gets `missing` (what there is instead), unless
    `integrity` is "error" or nothing would be left of its model: then the job that fetches it refuses.
    """
    if lock is None:
        return models
    return [_pinned(model, lock["models"].get(model["name"]) or {}, integrity) for model in models]


def missing_lines(models):
    """A line for the user that names the checkpoints which the lock says to be missing; none where there are none."""
    gone = [f"{m['name']}/{entry['name']}" for m in models for entry in m["checkpoints"] if "missing" in entry]
    return [f"models: left out, since the hub has no such revision by the lock: {', '.join(gone)}"] if gone else []


def lockable(models):
    """The models of a study whose checkpoints come from the hub, and so can be locked."""
    return [
        model for model in models if not (model.get("train") or model.get("cache_dir") or model.get("local_folder"))
    ]


def make_lock(study, models, integrity):
    """Ask the hub for the commit and the files of every checkpoint.

    Parameters
    ----------
    study : str
    models : list of dict, as `triphase.models.resolve_models` returns them
    integrity : str, of the config: under "error" a missing revision is refused

    Returns
    -------
    dict
        study, and models: by name, repository and checkpoints: by name, revision, commit, files (list of dict with
        name, bytes and sha256, or oid where the hub has no sha256); of a missing one revision and `missing`, a text
        that says what there is. In the order of the study.

    Raises
    ------
    InputError
        The hub cannot be reached, or a revision, or all of a model, does not exist; the message names model, revision
        and what there is.
    """
    from triphase import hub

    locked = {}
    for model in lockable(models):
        known = hub.branches(model["repository"])
        checkpoints, exact = {}, {entry["name"]: _exact(entry, known) for entry in model["checkpoints"]}
        missing = [entry for entry in model["checkpoints"] if exact[entry["name"]] is None]
        if missing and (integrity == "error" or len(missing) == len(exact)):
            first, others = missing[0]["revision"], [entry["name"] for entry in missing[1:]]
            more = f"; nor those of {', '.join(others)}" if others else ""
            raise InputError(
                f"models/{model['name']}/checkpoints/{missing[0]['name']}: {model['repository']!r} has no revision "
                f"{first!r}{near_misses(first, known)}{more}"
            )
        for entry in model["checkpoints"]:
            revision = exact[entry["name"]]
            if revision is None:
                near = near_misses(entry["revision"], known).removeprefix("; ")
                checkpoints[entry["name"]] = {"revision": entry["revision"], "missing": near}
                continue
            found = hub.listing(model["repository"], entry.get("commit") or known.get(revision, revision))
            files = [{"name": name, **facts} for name, facts in sorted(found["files"].items())]
            checkpoints[entry["name"]] = {"revision": revision, "commit": found["commit"], "files": files}
        locked[model["name"]] = {"repository": model["repository"], "checkpoints": checkpoints}
    return {"study": study, "models": locked}


def moved(before, after):
    """Lines that name the checkpoints whose commits differ between two locks; `before` may be None."""
    lines = []
    for name, model in after["models"].items():
        old = ((before or {"models": {}})["models"].get(name) or {}).get("checkpoints", {})
        for checkpoint, entry in model["checkpoints"].items():
            one, two = old.get(checkpoint, {}).get("commit"), entry.get("commit")
            if one and two and one != two:
                lines.append(f"{name}/{checkpoint}: now commit {two[:12]}, {one[:12]} in the lock before")
    return lines


def weight_hashes(model, locked):
    """Hashes of the weight files of a locked model: list of dict with name, step and weights (file name to hash)."""
    found = []
    for entry in model["checkpoints"]:
        held = locked["checkpoints"][entry["name"]].get("files", [])
        files = {file["name"]: file.get("sha256", "") for file in held}
        weights = {name: files[name] for name in weight_files(files)}
        found.append({"name": entry["name"], "step": entry["step"], "weights": weights})
    return found


def _exact(entry, known):
    """The revision as the hub spells it, or None.

    The registry computes how a name rounds its billions, and the hub may round otherwise.
    """
    revision = entry["revision"]
    if revision in known or entry.get("commit") or _is_commit(revision):
        return revision
    same = same_step(revision, known)
    return same[0] if len(same) == 1 else None


def _is_commit(revision):
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def _pinned(model, lock, integrity):
    if lock.get("repository") != model["repository"] or not lockable([model]):
        return model
    checkpoints = []
    for entry in model["checkpoints"]:
        held = lock["checkpoints"].get(entry["name"])
        if held and not entry.get("commit") and same_step(entry["revision"], [held["revision"]]):
            entry = {**entry, **{key: held[key] for key in ("revision", "commit", "missing") if key in held}}
        checkpoints.append(entry)
    if integrity == "error" or all("missing" in entry for entry in checkpoints):
        checkpoints = [{key: entry[key] for key in entry if key != "missing"} for entry in checkpoints]
    return {**model, "checkpoints": checkpoints}
