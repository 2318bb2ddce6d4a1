"""Which files a study reads, from a DataLad data set or a folder of the user, and a manifest of what came.

Every later step reads the manifest, never the layout of a data set.
"""

import string
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triphase.core.errors import InputError
from triphase.core.hashing import file_sha256
from triphase.core.types import Entries, Section
from triphase.sources.clones import DATASETS, Files
from triphase.sources.downloads import fetch_dataset
from triphase.sources.local_data import below_local_data

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
        The subject's keys, among them `name`; all may be used in templates, the name as `{subject}`.
    runs : list of dict
        `name` and `stimulus` of each run.

    Returns
    -------
    dict of role to dict of key to path
    """
    names = {**subject, "subject": subject["name"]} if subject else {}
    names.pop("name", None)
    files: Files = {}
    for role, template in roles.items():
        fields = {field for _, field, _, _ in PLACEHOLDER.parse(template)}
        keyed = "run" if "run" in fields else "stimulus" if "stimulus" in fields else None
        files[role] = {}
        for run in runs:
            path = fill(template, f"path of {role}", **names, run=run["name"], stimulus=run["stimulus"])
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


def matches(path: str, folder: str | Path) -> list[Path]:
    """Files below a folder that a path, or a glob, stands for."""
    found = Path(folder).glob(path) if any(c in path for c in "*?[") else [Path(folder, path)]
    return sorted(file for file in found if file.is_file())


def existing_files(paths: Iterable[str], folder: str | Path | None) -> list[str]:
    """Those files of the user's own folder that are there, as str; none where the folder is not given."""
    return [str(file) for path in paths for file in matches(path, folder)] if folder else []


def paths_of(files: Files) -> list[str]:
    """The paths of what `wanted_files` returns."""
    return [path for entries in files.values() for path in entries.values()]


def study_files(config: Section) -> list[str]:
    """Paths and globs of everything that a study reads from the user's own folder, each once.

    Parameters
    ----------
    config : dict, the study's, resolved
    """
    dataset, tasks = config["dataset"], config["tasks"]
    paths = []
    sound = dataset.get("audio") if "envelope" in config["encoding"]["nuisance"] else None
    for root, files in stimulus_files(dataset["words"], sound, dataset["runs"]):
        paths += paths_of(files) if root == "local_data" else []
    if dataset["source"]["root"] == "local_data":
        for subject in dataset["subjects"]:
            paths += paths_of(wanted_files(dataset["source"]["files"], subject, dataset["runs"]))
    corpora = [(model.get("train") or {}).get("corpus") or {} for model in config["models"]]
    paths += [corpus["path"] for corpus in corpora if "path" in corpus]
    entries = tasks["evaluations"] + [variant for entry in tasks["adherence"] for variant in entry["variants"]]
    named = [(config["states"]["mechanism"] or {}).get("unseen"), *(entry.get("data") for entry in entries)]
    paths += [below for path in named if (below := below_local_data(path))]
    return list(dict.fromkeys(paths))


def check_local(paths: Iterable[str], folder: str | Path | None, hint: str | None = None) -> None:
    """Raise InputError when the user's own folder is not given or lacks files: one message for all of them."""
    missing = [path for path in paths if not folder or not matches(path, folder)]
    if not missing:
        return
    wanted = missing[0] + (f" (and {len(missing) - 1} more)" if len(missing) > 1 else "")
    trouble = f"the folder {folder} lacks {wanted}" if folder else f"not set, but {wanted} is read from that folder"
    advice = f"; {hint.strip()}" if hint else ""
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
    sets : list of (root, files): "dataset" or "local_data", each at most once, and what `wanted_files` returns
    dataset : dict with name, url, version and, for files of the user's own folder, local_data_hint
    local_data : path of the user's own folder, or None
    user, execution, folder : as in `triphase.sources.downloads.fetch_dataset`

    Returns
    -------
    dict
        The manifest: dataset, url, version, commit, clone, files. Where no file is of the data set, url, version,
        commit and clone are None: the keys pin the files.
    """
    manifest = {"dataset": dataset["name"], "url": None, "version": None, "commit": None, "clone": None}
    described: dict[str, Section] = {}
    for root, files in sets:
        if root == "dataset":
            about = {key: str(dataset[key]) for key in ("name", "url", "version")}
            manifest = fetch_dataset(files, **about, user=user, execution=execution, folder=folder)
            described |= manifest["files"]
        else:
            described |= local_files(files, local_data, hint=dataset.get("local_data_hint"))
    return manifest | {"files": described}
