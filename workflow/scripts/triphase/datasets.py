"""Which files a study reads, from a DataLad data set or a folder of the user, and a manifest of what came.

Every later step reads the manifest, never the layout of a data set.
"""

import hashlib
import string
from pathlib import Path

from triphase.clones import fetch_dataset
from triphase.errors import InputError

PLACEHOLDER = string.Formatter()


def fill(template, key, **names):
    """Fill a path template such as `sub-{id}/{run}.nii.gz`; InputError when it asks for a name that there is not."""
    wanted = {field for _, field, _, _ in PLACEHOLDER.parse(template) if field is not None}
    if unknown := sorted(wanted - set(names)):
        raise InputError(
            f"{key}: {template!r} uses {{{unknown[0]}}}; it may use " + ", ".join(f"{{{n}}}" for n in names)
        )
    return template.format(**names)


def wanted_files(roles, subject, runs):
    """The files that a set of roles stands for.

    Parameters
    ----------
    roles : dict of str to str or None
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
    files = {}
    for role, template in roles.items():
        if template is None:
            continue
        fields = {field for _, field, _, _ in PLACEHOLDER.parse(template)}
        keyed = "run" if "run" in fields else "stimulus" if "stimulus" in fields else None
        files[role] = {}
        for run in runs:
            path = fill(template, f"path of {role}", **names, run=run["name"], stimulus=run["stimulus"])
            files[role][run["name"] if keyed == "run" else run["stimulus"] if keyed else ""] = path
    return files


def of_run(files, run):
    """The entry of one role that belongs to a run: its own, its stimulus', or the only one there is; None if absent."""
    return next((files[key] for key in (run["name"], run["stimulus"], "") if key in files), None)


def local_files(files, folder, *, hint=None):
    """Describe files of the user's own folder.

    Parameters
    ----------
    files : dict of role to dict of key to path or glob below `folder`; a glob must match one file
    folder : path or None
    hint : str, optional
        Where the files are to be had and under which licence.

    Raises
    ------
    InputError
        The folder is not given, or a file is missing or ambiguous: one message with the folder, the source and the key.
    """
    first = next(path for entries in files.values() for path in entries.values())
    advice = f"; {hint}" if hint else ""
    if folder is None:
        raise InputError(
            f"local_data: not set, but {first} is read from that folder: set it to the folder's path{advice}"
        )
    described = {}
    for role, entries in files.items():
        described[role] = {}
        for key, path in entries.items():
            matches = sorted(Path(folder).glob(path)) if any(c in path for c in "*?[") else [Path(folder, path)]
            if len(matches) != 1 or not matches[0].is_file():
                found = f"{len(matches)} files match" if len(matches) > 1 else "there is no file"
                raise InputError(f"local_data: {found} {path} (role {role}) in the folder {folder}{advice}")
            content = matches[0].read_bytes()
            described[role][key] = {
                "path": str(matches[0].resolve()),
                "key": f"SHA256-{hashlib.sha256(content).hexdigest()}",
                "bytes": len(content),
            }
    return described


def fetch_files(roles, *, root, subject, runs, dataset, local_data, folder="resources/datasets"):
    """Fetch the files of some roles from where they lie, and describe them.

    Parameters
    ----------
    roles : dict of role to path template or None
    root : "dataset" or "local_data"
    subject, runs : as in `wanted_files`
    dataset : dict with name, url, version and, for files of the user's own folder, local_data_hint
    local_data : path of the user's own folder, or None

    Returns
    -------
    dict : the manifest: dataset, url, version, commit, files. For local files the commit is null: the keys pin them.
    """
    files = wanted_files(roles, subject, runs)
    if root == "dataset":
        return fetch_dataset(
            files, name=dataset["name"], url=dataset["url"], version=str(dataset["version"]), folder=folder
        )
    described = local_files(files, local_data, hint=dataset.get("local_data_hint"))
    return {"dataset": dataset["name"], "url": None, "version": None, "commit": None, "files": described}
