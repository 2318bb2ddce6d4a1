"""Data of the harness's own tasks, fetched once from the hub into plain files that are read offline ever after."""

import json
import tempfile
from pathlib import Path

from triphase.config.groups import GROUP
from triphase.core.artefacts import read_json, replacing, write_json
from triphase.core.errors import InputError
from triphase.core.hashing import file_sha256
from triphase.core.types import Entries, Section
from triphase.tasks.checks import needs_package
from triphase.tasks.documents import shots_split


def fetch_tasks(wanted: Entries, folder: str | Path) -> dict[str, Section]:
    """Fetch the splits that tasks need; what is there whole is left as it is.

    Parameters
    ----------
    wanted : list of dict
        `task` (name of one of the harness's own) and `shots` (list of int or null), from `triphase.tasks.plan`.
    folder : path
        `<folder>/<task>/<split>.jsonl` is written, and `manifest.json` when all splits are there; for a group or tag
        `group.json` with its members, once all of them are.

    Returns
    -------
    dict of task, or of member of a group or tag, to its manifest: task, harness (version), yaml (below the harness's
    tasks), repository, subset, version (of the data, as the data set states it), split (the evaluated one), shots (the
    YAML's own number), shots_split, splits (name to file, items, sha256)

    Raises
    ------
    InputError
        No such task, a group of altered tasks, a task in code, data that cannot be had or are not text.
    """
    from triphase.tasks.harness_api import own_tasks

    manifests, index = {}, None
    for entry in wanted:
        if manifest := _there(entry, Path(folder)):
            manifests[entry["task"]] = manifest
            continue
        index = index or own_tasks()
        members = _members(entry["task"], index)
        for member in members or [entry["task"]]:
            own = entry | {"task": member}
            if not (manifest := _there(own, Path(folder))):
                content, yaml = _find(member, index)
                manifest = _fetch(own, content, yaml, Path(folder) / member)
                write_json(Path(folder) / member / "manifest.json", manifest)
            manifests[member] = manifest
        if members:
            write_json(_made(Path(folder) / entry["task"]) / GROUP, {"task": entry["task"], "members": members})
    return manifests


def _there(entry, folder):
    """The manifest of a task that was fetched before and is whole; else None."""
    path = folder / entry["task"] / "manifest.json"
    manifest = read_json(path) if path.is_file() else None
    return manifest if manifest and _whole(manifest, path.parent, entry["shots"]) else None


def _members(task, index, within=()):
    """Tasks of a group or tag, those of groups in it too; none where it is a task."""
    entry = index.get(task)
    if entry is None:
        return []
    listed = (entry.cfg or {}).get("task")
    if entry.yaml_path is not None and not isinstance(listed, list) and "group" not in (entry.cfg or {}):
        return []
    return _all_members(task, listed if isinstance(listed, list) else sorted(entry.tags), index, (*within, task))


def _all_members(group, listed, index, within):
    found = []
    for member in listed:
        name = member.get("task") if isinstance(member, dict) else member
        if isinstance(name, list):
            found += _all_members(group, name, index, within)
            continue
        if isinstance(member, dict) and (altered := sorted(set(member) - {"task", "task_alias", "alias"})):
            raise InputError(
                f"tasks: the group {group!r} has {name!r} with other {', '.join(altered)} than the task of that name; "
                "give the entry a YAML of your own for it in one of tasks/include_path, and name the others one by one"
            )
        if name in within:
            raise InputError(f"tasks: the group {group!r} holds itself; name its members one by one")
        found += _members(name, index, within) or [name]
    return list(dict.fromkeys(found))


def _needed(split, own, pool, shots):
    """Splits that are read: the evaluated one, and that of the shots where there are any."""
    drawn = any(own if count is None else count for count in shots)
    return list(dict.fromkeys([split, *([pool] if drawn else [])]))


def _whole(manifest, folder, shots):
    needed = _needed(manifest["split"], manifest["shots"], manifest["shots_split"], shots)
    there = {split: entry for split, entry in manifest["splits"].items() if split in needed}
    return len(there) == len(needed) and all(
        (path := folder / entry["file"]).is_file() and file_sha256(path) == entry["sha256"] for entry in there.values()
    )


def _find(task, index):
    """Content and path of a task's YAML."""
    from difflib import get_close_matches

    from triphase.tasks.harness_api import load_yaml

    if task not in index:
        near = get_close_matches(task, index, 3)
        raise InputError(
            f"tasks: the harness has no task {task!r}{'; near: ' + ', '.join(near) if near else ''}; a local task "
            "needs a YAML in one of tasks/include_path"
        )
    entry = index[task]
    try:
        content = load_yaml(entry.yaml_path)
    except ImportError as error:
        raise InputError(f"tasks: task {task!r} {needs_package(error)}") from error
    if "class" in content or "custom_dataset" in content:
        raise InputError(f"tasks: {task!r} makes its items in code of its own; only tasks of a data set can be fetched")
    return content, Path(entry.yaml_path)


def _fetch(entry, content, yaml, folder):
    from triphase.tasks.harness_api import harness_version, own_folder

    task = entry["task"]
    split = content.get("test_split") or content.get("validation_split")
    own, pool = content.get("num_fewshot") or 0, shots_split(content)
    splits, version = {}, None
    with tempfile.TemporaryDirectory(dir=_made(folder), prefix=".download-") as scratch:
        for name in _needed(split, own, pool, entry["shots"]):
            rows, version = _rows(task, content, name, scratch)
            splits[name] = _write(task, folder / f"{name}.jsonl", rows)
    return {
        "task": task,
        "harness": harness_version(),
        "yaml": str(yaml.relative_to(own_folder())),
        "repository": content["dataset_path"],
        "subset": content.get("dataset_name"),
        "version": version,
        "split": split,
        "shots": own,
        "shots_split": pool,
        "splits": splits,
    }


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _rows(task, content, split, scratch):
    """Items of one split, and the version of the data set."""
    import datasets

    repository = content["dataset_path"]
    options = {key: value for key, value in (content.get("dataset_kwargs") or {}).items() if key != "trust_remote_code"}
    try:
        data = datasets.load_dataset(repository, content.get("dataset_name"), split=split, cache_dir=scratch, **options)
    except Exception as error:  # connections fail with many classes, of several libraries
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise InputError(
            f"tasks: the data of {task!r} (split {split!r} of {repository!r}) cannot be had ({reason}); check the "
            "network, and for gated data accept the licence on the hub and log in with `hf auth login`"
        ) from error
    return list(data), str(data.version) if data.version else None


def _write(task, path, rows):
    """Write items as JSON lines; what the manifest says of the file."""
    try:
        text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    except (TypeError, ValueError) as error:
        raise InputError(f"tasks: items of {task!r} are not text ({error}); such tasks are not supported") from error
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return {"file": path.name, "items": len(rows), "sha256": file_sha256(path)}
