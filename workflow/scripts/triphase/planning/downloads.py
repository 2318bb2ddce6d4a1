"""What a study would download, from the annex keys of a clone without content."""

import os
import shutil

from triphase.config.jobs import PlanDownload
from triphase.core.types import Entries, Section
from triphase.core.units import in_units
from triphase.sources.clones import DATASETS, check_present, opened
from triphase.sources.downloads import look_up
from triphase.sources.manifest import matches, stimulus_files, wanted_files


def plan_study(settings: PlanDownload, folder: str = DATASETS) -> Section:
    """What the stimuli and every subject's responses are made of.

    Returns
    -------
    dict
        `files`: list of {role, subject ("" for stimuli), path, key, bytes, present}; `place`: what `_place` returns, or
        None where nothing is of the data set.
    """
    source, runs = settings.source, settings.runs
    sets = [("", root, files) for root, files in stimulus_files(settings.words, settings.audio, runs)]
    for subject in settings.subjects:
        sets.append((subject["name"], source["root"], wanted_files(source["files"], subject, runs)))
    own = [(who, files) for who, root, files in sets if root == "local_data"]
    rows = [row for who, files in own for row in _local_rows(who, files, settings.local_data)]
    planned: Section = {"files": rows, "place": None}
    if theirs := [(who, files) for who, root, files in sets if root == "dataset"]:
        about = {key: str(settings.dataset[key]) for key in ("name", "url", "version")}
        rows, planned["place"] = _look_up(theirs, about, folder)
        planned["files"] += rows
    return planned


def plan_atlas(atlas: Section, folder: str = DATASETS) -> Section:
    """What an atlas' image and table are made of; as `plan_study`."""
    files = {role: {"": atlas[role]} for role in ("image", "table")}
    rows, place = _look_up([("", files)], {key: str(atlas[key]) for key in ("name", "url", "version")}, folder)
    return {"files": rows, "place": place}


def _look_up(sets, about, folder):
    """Rows of the files of a data set, and where they lie."""
    with opened(**about, folder=folder) as clone:
        everything = {}
        for _, files in sets:
            for role, entries in files.items():
                everything.setdefault(role, {}).update({path: path for path in entries.values()})
        check_present(clone, everything)
        entries = look_up(clone, [path for group in everything.values() for path in group.values()])
        rows = []
        for who, files in sets:
            for role, group in files.items():
                for path in dict.fromkeys(group.values()):
                    entry = entries[path]
                    key = entry.key or f"GIT-{entry.blob}"
                    row = {"dataset": clone.name, "subject": who, "role": role, "path": path, "key": key}
                    rows.append(row | {"bytes": entry.bytes, "present": entry.present(clone)})
        return rows, _place(clone)


def _place(clone):
    """The data set, its commit, where its clone lies, what git takes there, and what the disk has left (bytes)."""
    about = {key: getattr(clone, key) for key in ("name", "url", "version", "commit")}
    git_bytes = 0
    for folder, folders, names in os.walk(clone.path):
        folders[:] = [name for name in folders if not (name == "annex" and os.path.basename(folder) == ".git")]
        git_bytes += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    free = shutil.disk_usage(clone.path).free
    return about | {"clone": str(clone.path), "git_bytes": git_bytes, "free_bytes": free}


def _local_rows(who, files, local_data):
    rows = []
    for role, entries in files.items():
        for path in dict.fromkeys(entries.values()):
            for file in matches(path, local_data) if local_data else []:
                row = {"dataset": "local_data", "subject": who, "role": role, "path": str(file), "key": str(file)}
                rows.append(row | {"bytes": file.stat().st_size, "present": True})
    return rows


def summarise(planned: Entries) -> Section:
    """Sums of what `plan_study` and `plan_atlas` return.

    Returns
    -------
    dict
        `datasets`: where each lies, with its commit; `rows`: per data set, subject and role the number of files and
        bytes, of which present and to fetch; `total`: the same, every file once, however many subjects share it, and
        content that several files have once; `disk_bytes`: what all of it takes on the disk when it is there.
    """
    files = [file for plan in planned for file in plan["files"]]
    groups: dict[tuple[str, str, str], Entries] = {}
    for file in files:
        groups.setdefault((file["dataset"], file["subject"], file["role"]), []).append(file)
    rows = [
        dict(zip(("dataset", "subject", "role"), name, strict=True)) | _sums(group) for name, group in groups.items()
    ]
    places = [plan["place"] for plan in planned if plan["place"]]
    once = {(file["dataset"], file["path"]): file for file in files}
    contents = {(file["dataset"], file["key"]): file for file in files}.values()
    total = _sums(contents) | {"files": len(once)}
    total["fetch_files"] = sum(not file["present"] for file in once.values())
    total["present_files"] = total["files"] - total["fetch_files"]
    annexed = sum(f["bytes"] for f in contents if f["dataset"] != "local_data" and not f["key"].startswith("GIT-"))
    disk = annexed + sum(place["git_bytes"] for place in places)
    return {"datasets": places, "rows": rows, "total": total, "disk_bytes": disk}


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
    disk, to_fetch = in_units(summary["disk_bytes"]), in_units(summary["total"]["fetch_bytes"])
    text.append(f"all of it takes {disk} on the disk; {to_fetch} are to come")
    return "\n".join(text)
