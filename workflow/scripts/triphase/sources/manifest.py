"""Which files a study reads, from a DataLad data set or a folder of the user, and a manifest of what came.

Every later step reads the manifest, never the layout of a data set.
"""

import string
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triphase.core.content import unfetched
from triphase.core.errors import InputError
from triphase.core.hashing import file_sha256
from triphase.core.types import Entries, Section
from triphase.sources.clones import DATASETS, Files
from triphase.sources.downloads import fetch_dataset
from triphase.sources.local_data import below_local_data, reading_paths

PLACEHOLDER = string.Formatter()


def fill(template: str, key: str, **names: str) -> str:
    """Fill a path template such as `sub-{id}/{run}.nii.gz`; InputError when it asks for a name that there is not."""
    wanted = {field for _, field, _, _ in PLACEHOLDER.parse(template) if field is not None}
    if unknown := sorted(wanted - set(names)):
        raise InputError(
            f"{key}: {template!r} uses {{{unknown[0]}}}; it may use " + ", ".join(f"{{{n}}}" for n in names)
        )
    return template.format(**names)


def wanted_files(roles: dict[str, str], subject: Section | None, runs: Entries) -> Files:
    """The files that a set of roles stands for.

    Parameters
    ----------
    roles : dict of str to str
        Path template per role. One with `{run}` or `{stimulus}` stands for a file per run or stimulus, keyed by its
        name; any other for one file, keyed by "".
    subject : dict or None
        The subject's keys, among them `name`; all may be used in templates, the name as `{subject}`. Where it has
        `files`, a dict of run to text, that is what `{run}` stands for.
    runs : list of dict
        `name` and `stimulus` of each run.

    Returns
    -------
    dict of role to dict of key to path
    """
    names = {**subject, "subject": subject["name"]} if subject else {}
    called = names.pop("files", {})
    names.pop("name", None)
    files: Files = {}
    for role, template in roles.items():
        fields = {field for _, field, _, _ in PLACEHOLDER.parse(template)}
        keyed = "run" if "run" in fields else "stimulus" if "stimulus" in fields else None
        files[role] = {}
        for run in runs:
            own = called.get(run["name"], run["name"])
            path = fill(template, f"path of {role}", **names, run=own, stimulus=run["stimulus"])
            files[role][run["name"] if keyed == "run" else run["stimulus"] if keyed else ""] = path
    return files


def of_run(files: Mapping[str, Any], run: Section) -> Any:
    """The entry of one role that belongs to a run: its own, its stimulus', or the only one there is; None if absent."""
    return next((files[key] for key in (run["name"], run["stimulus"], "") if key in files), None)


def stimulus_files(words: Section, audio: Section | None, runs: Entries) -> list[tuple[str, Files]]:
    """What a study reads of its stimuli: list of (root, files as `wanted_files` returns them), one per root.

    `words` and `audio` (or None) have root and path.
    """
    by_root: Files = {}
    for role, entry in {"words": words, "audio": audio}.items():
        if entry:
            by_root.setdefault(entry["root"], {})[role] = entry["path"]
    return [(root, wanted_files(roles, None, runs)) for root, roles in by_root.items()]


def subject_files(source: Section, events: Section | None, subject: Section, runs: Entries) -> list[tuple[str, Files]]:
    """What a study reads of one subject: list of (root, files as `wanted_files` returns them), one per root.

    `source` has root and files; `events`, the tables of onsets (or None), root and path.
    """
    by_root = {source["root"]: dict(source["files"])}
    if events and subject["name"] in events.get("subjects", [subject["name"]]):
        by_root.setdefault(events["root"], {})["events"] = events["path"]
    return [(root, wanted_files(roles, subject, runs)) for root, roles in by_root.items()]


def own_folders(dataset: Section, local_data: str | None) -> dict[str, str | None]:
    """Roots that are folders of the user's own, each with its path: `local_data`, and those of the entry's `roots`."""
    more = {root["name"]: root["folder"] for root in dataset.get("roots") or [] if "folder" in root}
    return {"local_data": local_data} | more


def there(path: str, folder: str | Path) -> list[Path]:
    """What a path, or a glob, stands for below a folder: files, and links whose target is not there."""
    return sorted(Path(folder).glob(path)) if any(c in path for c in "*?[") else [Path(folder, path)]


def matches(path: str, folder: str | Path) -> list[Path]:
    """Files below a folder that a path, or a glob, stands for."""
    return [file for file in there(path, folder) if file.is_file()]


def existing_files(paths: Iterable[str], folder: str | Path | None) -> list[str]:
    """Those files of the user's own folder that are there, as str; none where the folder is not given."""
    return [str(file) for path in paths for file in matches(path, folder)] if folder else []


def paths_of(files: Files) -> list[str]:
    """The paths of what `wanted_files` returns."""
    return [path for entries in files.values() for path in entries.values()]


def study_files(config: Section, folder: str = "local_data") -> list[str]:
    """Paths and globs of everything that a study reads from one of the user's own folders, each once.

    Parameters
    ----------
    config : dict, the study's, resolved
    folder : name of the root
    """
    dataset, tasks = config["dataset"], config["tasks"]
    sound = dataset.get("audio") if "envelope" in config["encoding"]["nuisance"] else None
    sets = stimulus_files(dataset["words"], sound, dataset["runs"])
    for subject in dataset["subjects"]:
        sets += subject_files(dataset["source"], dataset.get("events"), subject, dataset["runs"])
    paths = [path for root, files in sets if root == folder for path in paths_of(files)]
    if folder != "local_data":
        return list(dict.fromkeys(paths))
    corpora = [(model.get("train") or {}).get("corpus") or {} for model in config["models"]]
    paths += [corpus["path"] for corpus in corpora if "path" in corpus]
    entries = tasks["evaluations"] + [variant for entry in tasks["adherence"] for variant in entry["variants"]]
    sections = {"unseen": config["states"]["mechanism"], "vectors": config["encoding"]["static"]}
    named = [*((part or {}).get(key) for key, part in sections.items()), *(entry.get("data") for entry in entries)]
    named += reading_paths(config["states"]["reading"])
    paths += [below for path in named if (below := below_local_data(path))]
    return list(dict.fromkeys(paths))


def check_local(
    paths: Iterable[str], folder: str | Path | None, hint: str | None = None, root: str = "local_data"
) -> None:
    """Raise InputError when one of the user's own folders is not given or lacks files: one message for all of them."""
    paths = list(paths)
    missing = [path for path in paths if not folder or not matches(path, folder)]
    absent = [trouble for path in paths if folder for file in there(path, folder) if (trouble := unfetched(file))]
    if absent:
        more = f" (and {len(absent) - 1} more like it)" if len(absent) > 1 else ""
        raise InputError(f"{root}: {absent[0]}{more}")
    if not missing:
        return
    wanted = missing[0] + (f" (and {len(missing) - 1} more)" if len(missing) > 1 else "")
    trouble = f"the folder {folder} lacks {wanted}" if folder else f"not set, but {wanted} is read from that folder"
    advice = f"; {hint.strip()}" if hint else ""
    if root != "local_data":
        raise InputError(f"dataset/overrides/roots/{root}/folder: {trouble}; set it to the folder of the files{advice}")
    raise InputError(
        f"local_data: {trouble}; set this key, or the variable TRIPHASE_TEST_DATA, to the folder of the files{advice}"
    )


def local_files(files: Files, folder: str | Path | None, *, hint: str | None = None) -> dict[str, Section]:
    """Describe files of the user's own folder.

    Parameters
    ----------
    files : dict of role to dict of key to path or glob below `folder`; a glob must match one file
    folder : path or None
    hint : str, optional, where the files are to be had and under which licence

    Raises
    ------
    InputError
        The folder is not given, or a file is missing or ambiguous: one message with the folder, the source and the key.
    """
    check_local(paths_of(files), folder, hint)
    described: dict[str, Section] = {}
    for role, entries in files.items():
        described[role] = {}
        for key, path in entries.items():
            found = matches(path, str(folder))
            if len(found) > 1:
                raise InputError(
                    f"local_data: {len(found)} files match {path} (role {role}) in the folder {folder}; it must be one"
                )
            described[role][key] = {
                "path": str(found[0].resolve()),
                "key": f"SHA256-{file_sha256(found[0])}",
                "bytes": found[0].stat().st_size,
            }
    return described


def fetch_files(
    sets: list[tuple[str, Files]],
    *,
    dataset: Section,
    local_data: str | None,
    user: str,
    execution: Section,
    folder: str | Path = DATASETS,
) -> Section:
    """Fetch files from where they lie, and describe them.

    Parameters
    ----------
    sets : list of (root, files), each root at most once, and what `wanted_files` returns
    dataset : dict with name, url, version, `roots`, the entry's further ones, and local_data_hint, for files of the
        user's own folders
    local_data : path of the user's own folder, or None
    user, execution, folder : as in `triphase.sources.downloads.fetch_dataset`

    Returns
    -------
    dict
        The manifest: dataset, url, version, commit, clone, files; `others`, a list of dataset, url, version, commit and
        clone of further data sets that files are of, is there where there are any. Where no file is of a data set,
        url, version, commit and clone are None: the keys pin the files.
    """
    described: dict[str, Section] = {}
    clones: Entries = []
    folders = own_folders(dataset, local_data)
    for root, files in sets:
        if root in folders:
            described |= local_files(files, folders[root], hint=dataset.get("local_data_hint"))
        else:
            about = origin(dataset, root)
            clones.append(fetch_dataset(files, **about, user=user, execution=execution, folder=folder))
            described |= clones[-1].pop("files")
    check_different(described)
    nothing: Section = {"dataset": dataset["name"], "url": None, "version": None, "commit": None, "clone": None}
    others = {"others": clones[1:]} if clones[1:] else {}
    return (clones[0] if clones else nothing) | others | {"files": described}


def check_different(files: Mapping[str, Section]) -> None:
    """InputError where two of a subject's files of responses are one, or have the same content: they are no two runs.

    `files` : dict of role to dict of run or stimulus to {path, key}, as in a manifest
    """
    for role, entries in files.items():
        seen: dict[str, tuple[str, Section]] = {}
        for name, entry in entries.items() if role.startswith("response") else ():
            other, twin = seen.setdefault(entry["key"], (name, entry))
            if other != name:
                what = "is the file" if twin["path"] == entry["path"] else f"has the same content as {twin['path']}"
                raise InputError(
                    f"{entry['path']}: this file of {name!r} {what} of {other!r}; runs differ in their responses: give "
                    "each its own file, or choose dataset/runs without one of them"
                )


def origin(dataset: Section, root: str) -> dict[str, str]:
    """Name, url and version of the data set that a root is; InputError where the registry has no version of it."""
    if root == "dataset":
        return {key: str(dataset[key]) for key in ("name", "url", "version")}
    entry = next(entry for entry in dataset["roots"] if entry["name"] == root)
    if not entry.get("version"):
        raise InputError(
            f"dataset/overrides/roots: {root!r} ({entry['url']}) has no version in the registry, since none could be "
            f"verified; give the list with a tag or commit of it, as `git ls-remote {entry['url']}` shows"
        )
    return {"name": f"{dataset['name']}-{root}", "url": entry["url"], "version": entry["version"]}


def clones_of(manifest: Section) -> Entries:
    """The data sets that files of a manifest are of: dataset, url, version, commit and clone of each."""
    first = [manifest] if manifest["commit"] is not None else []
    return [*first, *manifest.get("others", [])]
