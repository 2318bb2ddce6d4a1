"""Locking a study: the hub is asked once for the commit and the files of every revision."""

from collections.abc import Callable
from functools import cache

from triphase.checkpoints import hub
from triphase.checkpoints.cache import record_listing, recorded_listings
from triphase.checkpoints.snapshots import lacking_of, tokenizer_parts, weight_files
from triphase.config.lockfile import lockable
from triphase.config.selection import check_tokens, near_misses, refill, same_step
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
        name, bytes and sha256, or oid where the hub has no sha256); of a missing one, for which there is no branch or
        none with weights, revision and `missing`, a text that says what there is; of one without a tokenizer where main
        has one, `tokenizer_commit`, that of main. In the order of the study.

    Raises
    ------
    InputError
        The hub cannot be reached, or a revision, or all of a model, does not exist, or its name says other tokens than
        the study reckons with; the message names model, revision and what there is.
    """
    locked, ask = {}, cache(hub.branches)
    for model in lockable(filled(models, ask)):
        checkpoints = {entry["name"]: _locked(model, entry, ask) for entry in model["checkpoints"]}
        missing = [name for name, entry in checkpoints.items() if "missing" in entry]
        if missing and (integrity == "error" or len(missing) == len(checkpoints)):
            more = f"; nor are {', '.join(missing[1:])} there" if missing[1:] else ""
            raise InputError(
                f"models/{model['name']}/checkpoints/{missing[0]}: {model['repository']!r} has "
                f"{checkpoints[missing[0]]['missing']}{more}; to go on without set `integrity: exclude`"
            )
        asked = {"log_spaced": model["series"]["log_spaced"]} if "series" in model else {}
        locked[model["name"]] = {"repository": model["repository"], **asked, "checkpoints": checkpoints}
    return {"study": study, "models": locked}


def filled(models: Entries, branches: Callable[[str], dict[str, str]] = hub.branches) -> Entries:
    """The models, those of a log-spaced number with one chosen from the branches that there are, where some are not.

    Parameters
    ----------
    models : list of dict, as `triphase.config.families.resolve_models` returns them
    branches : function from a repository to the commits of its branches
    """
    found = []
    for model in models:
        if "series" in model and lockable([model]):
            there = [entry for entry in model["series"]["available"] if _is_there(model, entry, branches)]
            names = {entry["name"] for entry in there}
            lacks = any(entry["name"] not in names for entry in model["checkpoints"])
            # Where there are too few, `integrity` says what becomes of those that are missing.
            if lacks and len(there) >= model["series"]["log_spaced"]:
                model = refill(model, there)
        found.append(model)
    return found


def _is_there(model, entry, branches):
    try:
        return _exact(entry, branches(entry.get("repository", model["repository"]))) is not None
    except hub.NoRepositoryError:
        if "repository" in entry:
            return False
        raise


def _locked(model, entry, branches):
    """What the lock holds of a checkpoint; `branches` is a function from a repository to its branches' commits."""
    own = {"repository": entry["repository"]} if "repository" in entry else {}
    repository, asked = entry.get("repository", model["repository"]), entry["revision"]
    gone = {**own, "revision": asked}
    try:
        known = branches(repository)
        revision = _exact(entry, known)
        if revision is None:
            return {**gone, "missing": f"no revision {asked!r}{near_misses(asked, known)}"}
        check_tokens(model, entry, revision)
        found = _listing(repository, revision, entry.get("commit") or known.get(revision))
    except hub.NoRevisionError as error:
        return {**gone, "missing": f"no revision {asked!r} ({str(error).removeprefix('models: ')})"}
    except hub.NoRepositoryError as error:
        if not own:
            raise
        return {**gone, "missing": f"no repository {repository!r} ({str(error).removeprefix('models: ')})"}
    names, lent = set(found["files"]), {}
    if not tokenizer_parts(names) and known.get("main") not in (None, found["commit"]):
        # Some repositories have their tokenizer on main alone.
        if parts := tokenizer_parts(_listing(repository, "main", known["main"])["files"]):
            names, lent = names.union(parts), {"tokenizer_commit": known["main"]}
    if lacks := lacking_of(names):
        return {**gone, "missing": f"no checkpoint at {asked!r}, which lacks {lacks}"}
    files = [{"name": name, **facts} for name, facts in sorted(found["files"].items())]
    return {**own, "revision": revision, "commit": found["commit"], **lent, "files": files}


def _listing(repository, revision, commit):
    """What the hub says, or has said, of a commit."""
    recorded = [listing for listing in recorded_listings(repository) if listing["commit"] == commit]
    found = recorded[0] if recorded else hub.listing(repository, revision, commit)
    record_listing(repository, found, revision)
    return found


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


def replaced(model: Section, asked: Section) -> list[str]:
    """A line that names what `filled` has left out of a model and taken in its place; none where it is as asked."""
    before, after = ([entry["name"] for entry in about["checkpoints"]] for about in (asked, model))
    gone, new = [n for n in before if n not in after], [n for n in after if n not in before]
    if not gone:
        return []
    return [
        f"{model['name']}: the hub lacks branches of the series: {', '.join(new) or 'nothing'} for {', '.join(gone)}"
    ]


def lent(model: Section, locked: Section) -> list[str]:
    """A line that names the checkpoints of a locked model which have no tokenizer, so that main's is taken."""
    names = [name for name, entry in locked["checkpoints"].items() if "tokenizer_commit" in entry]
    return (
        [f"{model['name']}: no tokenizer of their own, so that of main is taken: {', '.join(names)}"] if names else []
    )


def renamed(model: Section, locked: Section) -> list[str]:
    """Lines that name the checkpoints of a locked model whose revision says other tokens than the registry computes."""
    lines = []
    for entry in model["checkpoints"]:
        held = locked["checkpoints"][entry["name"]]["revision"]
        if held != entry["revision"]:
            where = f"{model['name']}/{entry['name']}"
            lines.append(f"{where}: the hub has it as {held}, the registry computes {entry['revision']}")
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
    if revision in known or entry.get("commit") or hub.is_commit(revision) or revision.startswith("refs/"):
        return revision
    same = same_step(revision, known)
    return same[0] if len(same) == 1 else None
