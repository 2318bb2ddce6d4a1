"""Paths of the config that lie in the user's own folder: "{local_data}/texts/new.txt"."""

from triphase.core.types import Section

LOCAL = "{local_data}/"
# Files of a folder of reading times, in Natural Stories' layout: the stories, and the times.
STORIES, TIMES = "all_stories.tok", "processed_RTs.tsv"


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
