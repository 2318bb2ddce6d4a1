"""Locking a study: the hub is asked once for the commit and the files of every revision."""

from triphase.checkpoints import hub
from triphase.checkpoints.snapshots import weight_files
from triphase.config.lockfile import lockable
from triphase.config.selection import near_misses, same_step
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section


def make_lock(study: str, models: Entries, integrity: str) -> Section:
    """Ask the hub for the commit and the files of every checkpoint.

    Parameters
    ----------
    study : str
    models : list of dict, as `triphase.config.families.resolve_models` returns them
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


def moved(before: Section | None, after: Section) -> list[str]:
    """Lines that name the checkpoints whose commits differ between two locks; `before` may be None."""
    lines = []
    for name, model in after["models"].items():
        old = ((before or {"models": {}})["models"].get(name) or {}).get("checkpoints", {})
        for checkpoint, entry in model["checkpoints"].items():
            one, two = old.get(checkpoint, {}).get("commit"), entry.get("commit")
            if one and two and one != two:
                lines.append(f"{name}/{checkpoint}: now commit {two[:12]}, {one[:12]} in the lock before")
    return lines


def weight_hashes(model: Section, locked: Section) -> Entries:
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
