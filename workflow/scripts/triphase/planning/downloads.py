"""What a study would download, from the annex keys of a clone without content."""

import os
import shutil
from collections import Counter

from triphase.config.jobs import PlanDownload
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section
from triphase.core.units import in_units
from triphase.sources.clones import DATASETS, Files, opened
from triphase.sources.downloads import look_up
from triphase.sources.manifest import matches, origin, own_folders, stimulus_files, subject_files
from triphase.sources.tree import check_present, file_tree, without_globs


def plan_study(settings: PlanDownload, folder: str = DATASETS) -> Section:
    """What the stimuli and every subject's responses are made of.

    Returns
    -------
    dict
        `files`: list of {role, subject ("" for stimuli), path, key, bytes, present}; `places`: what `_place` returns of
        each data set that they are of; `absent`: list of {dataset, subject, role, path} of files that are not where the
        registry says, of a transcript or source that it marks as unverified, or whose root has no version.
    """
    source, runs = settings.source, settings.runs
    sets = [("", root, files) for root, files in stimulus_files(settings.words, settings.audio, runs)]
    for subject in settings.subjects:
        sets += [
            (subject["name"], root, files) for root, files in subject_files(source, settings.events, subject, runs)
        ]
    unsure = {
        role
        for part, roles in ((settings.words, ["words"]), (source, source["files"]))
        for role in roles
        if part.get("unverified")
    }
    folders = own_folders(settings.dataset, settings.local_data)
    planned: Section = {"files": [], "places": [], "absent": []}
    for root in dict.fromkeys(root for _, root, _ in sets):
        mine = [(who, files) for who, other, files in sets if other == root]
        if root in folders:
            planned["files"] += [row for who, files in mine for row in _local_rows(who, files, root, folders[root])]
            continue
        try:
            about = origin(settings.dataset, root)
        except InputError:
            planned["absent"] += _rows_of(f"{settings.dataset['name']}-{root}", mine)
            continue
        rows, place, absent = _look_up(mine, about, folder, unsure)
        planned["files"] += rows
        planned["places"].append(place)
        planned["absent"] += absent
    return planned


def plan_atlas(atlas: Section, folder: str = DATASETS) -> Section:
    """What an atlas' image and table are made of; as `plan_study`."""
    files = {role: {"": atlas[role]} for role in ("image", "table")}
    rows, place, _ = _look_up([("", files)], {key: str(atlas[key]) for key in ("name", "url", "version")}, folder)
    return {"files": rows, "places": [place], "absent": []}


def _look_up(sets, about, folder, unsure=()):
    """Rows of the files of a data set, where they lie, and those that are not there, of roles that are `unsure`."""
    with opened(**about, folder=folder) as clone:
        sets = [(who, without_globs(clone, files)) for who, files in sets]
        tree = file_tree(clone, [path for _, files in sets for group in files.values() for path in group.values()])
        absent = [row for row in _rows_of(clone.name, sets) if row["role"] in unsure and row["path"] not in tree]
        missing = {row["path"] for row in absent}
        everything: Files = {}
        for _, files in sets:
            for role, group in files.items():
                there = {path: path for path in group.values() if path not in missing}
                everything.setdefault(role, {}).update(there)
        check_present(clone, everything)
        entries = look_up(clone, [path for group in everything.values() for path in group.values()])
        rows = []
        for row in _rows_of(clone.name, sets):
            if row["path"] not in missing:
                entry = entries[row["path"]]
                about = {"key": entry.key or f"GIT-{entry.blob}", "bytes": entry.bytes}
                rows.append(row | about | {"present": entry.present(clone)})
        return rows, _place(clone), absent


def _rows_of(dataset, sets):
    """A row for each file of a data set: list of {dataset, subject, role, path}."""
    return [
        {"dataset": dataset, "subject": who, "role": role, "path": path}
        for who, files in sets
        for role, group in files.items()
        for path in dict.fromkeys(group.values())
    ]


def _place(clone):
    """The data set, its commit, where its clone lies, what git takes there, and what the disk has left (bytes)."""
    about = {key: getattr(clone, key) for key in ("name", "url", "version", "commit")}
    git_bytes = 0
    for folder, folders, names in os.walk(clone.path):
        folders[:] = [name for name in folders if not (name == "annex" and os.path.basename(folder) == ".git")]
        git_bytes += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    free = shutil.disk_usage(clone.path).free
    return about | {"clone": str(clone.path), "git_bytes": git_bytes, "free_bytes": free}


def _local_rows(who, files, root, folder):
    rows = []
    for role, entries in files.items():
        for path in dict.fromkeys(entries.values()):
            for file in matches(path, folder) if folder else []:
                row = {"dataset": root, "subject": who, "role": role, "path": str(file), "key": str(file)}
                rows.append(row | {"bytes": file.stat().st_size, "present": True})
    return rows


def summarise(planned: Entries) -> Section:
    """Sums of what `plan_study` and `plan_atlas` return.

    Returns
    -------
    dict
        `datasets`: where each lies, with its commit; `rows`: per data set, subject and role the number of files and
        bytes, of which present and to fetch; `total`: the same, every file once, however many subjects share it, and
        content that several files have once; `absent`: per data set, subject and role the number of files that are
        not where the registry, unverified, says; `disk_bytes`: what all of it takes on the disk when it is there.
    """
    files = [file for plan in planned for file in plan["files"]]
    groups: dict[tuple[str, str, str], Entries] = {}
    for file in files:
        groups.setdefault((file["dataset"], file["subject"], file["role"]), []).append(file)
    rows = [
        dict(zip(("dataset", "subject", "role"), name, strict=True)) | _sums(group) for name, group in groups.items()
    ]
    places = [place for plan in planned for place in plan["places"]]
    absent = Counter((row["dataset"], row["subject"], row["role"]) for plan in planned for row in plan["absent"])
    once = {(file["dataset"], file["path"]): file for file in files}
    contents = {(file["dataset"], file["key"]): file for file in files}.values()
    total = _sums(contents) | {"files": len(once)}
    total["fetch_files"] = sum(not file["present"] for file in once.values())
    total["present_files"] = total["files"] - total["fetch_files"]
    cloned = {place["name"] for place in places}
    annexed = sum(f["bytes"] for f in contents if f["dataset"] in cloned and not f["key"].startswith("GIT-"))
    disk = annexed + sum(place["git_bytes"] for place in places)
    lacking = [
        dict(zip(("dataset", "subject", "role"), name, strict=True)) | {"files": n} for name, n in absent.items()
    ]
    return {"datasets": places, "rows": rows, "total": total, "absent": lacking, "disk_bytes": disk}


def _sums(files):
    sums = {}
    for name, chosen in (
        ("", list(files)),
        ("present_", [file for file in files if file["present"]]),
        ("fetch_", [file for file in files if not file["present"]]),
    ):
        sums |= {f"{name}files": len(chosen), f"{name}bytes": sum(file["bytes"] for file in chosen)}
    return sums


def as_table(summary: Section) -> str:
    """The plan as lines of text for the terminal."""
    lines: list[tuple[str, ...]] = [("data set", "subject", "role", "files", "size", "here", "to fetch")]
    for row in [*summary["rows"], {"dataset": "total", "subject": "-", "role": "", **summary["total"]}]:
        names = (row["dataset"], row["subject"] or "(all)", row["role"], str(row["files"]))
        lines.append(names + tuple(in_units(row[key]) for key in ("bytes", "present_bytes", "fetch_bytes")))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    for place in summary["datasets"]:
        text.append(
            f"{place['name']} {place['version']} is commit {place['commit']} in {place['clone']}; "
            f"its disk has {in_units(place['free_bytes'])} left"
        )
    for role in dict.fromkeys((row["dataset"], row["role"]) for row in summary["absent"]):
        count = sum(row["files"] for row in summary["absent"] if (row["dataset"], row["role"]) == role)
        text.append(
            f"not counted: {count} files of {role[1]} in {role[0]}, where they could not be verified: give the "
            "address and version that has them in dataset/overrides"
        )
    disk, to_fetch = in_units(summary["disk_bytes"]), in_units(summary["total"]["fetch_bytes"])
    text.append(f"all of it takes {disk} on the disk; {to_fetch} are to come")
    return "\n".join(text)
