"""Paths of the config that lie in the user's own folder: "{local_data}/texts/new.txt"."""

from pathlib import Path

from triphase.core.content import check_content
from triphase.core.errors import InputError
from triphase.core.types import Section

LOCAL = "{local_data}/"
# Files of a folder of reading times, in Natural Stories' layout: the stories, and the times.
STORIES, TIMES = "all_stories.tok", "processed_RTs.tsv"
WORD_COLUMNS, TIME_COLUMNS = ("word", "zone", "item"), ("WorkerId", "item", "zone", "RT")


def below_local_data(path: str | None) -> str | None:
    """What a path names in the user's own folder; None where it names nothing there."""
    return path.removeprefix(LOCAL) if path and path.startswith(LOCAL) else None


def whole_path(path: str, folder: str | None) -> str:
    """A path with the user's own folder put in."""
    return f"{folder}/{path.removeprefix(LOCAL)}" if path.startswith(LOCAL) else path


def reading_paths(reading: Section | None) -> list[str]:
    """Paths that the config's `states/reading` names: the stories, the times, and the counts of words if any."""
    if reading is None:
        return []
    folder = reading["folder"].rstrip("/")
    counts = [reading["frequencies"]] if reading["frequencies"] else []
    return [f"{folder}/{STORIES}", f"{folder}/{TIMES}", *counts]


def check_readings(paths: list[str]) -> None:
    """InputError where files of reading times are not there, or their first line lacks a column; of `reading_paths`."""
    for path in paths:
        check_content(path)
    for path, columns in zip(paths, (WORD_COLUMNS, TIME_COLUMNS), strict=False):
        with Path(path).open(encoding="utf-8-sig", errors="replace") as file:
            need_columns(path, [name.strip('"') for name in file.readline().rstrip("\n").split("\t")], columns)


def need_columns(path: str | Path, there: list[str], columns: tuple[str, ...]) -> None:
    """InputError unless the columns of a file of reading times are all there."""
    if missing := [name for name in columns if name not in there]:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; there are {', '.join(there)}; names and cells are parted by tabs"
        )
