"""Subjects and runs of a folder, found by the names of its files."""

import re
import string
from collections.abc import Iterator
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.types import Section

# Of a data set whose files name none.
ONLY_SUBJECT, ONLY_RUN = "subject-1", "run-1"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*?"


def find_names(source: Section, folder: str | Path | None) -> dict[str, list[str]]:
    """Subjects for which a source has files, and the runs of each.

    Parameters
    ----------
    source : dict with name, root and path, a template with `{subject}` and, where there are several, `{run}`
    folder : the user's own folder, or None

    Returns
    -------
    dict of subject to list of run, both in the order of people: run-2 before run-10

    Raises
    ------
    InputError : nothing to search, or nothing found
    """
    if source["root"] != "local_data":
        raise InputError("dataset/name: the registry names no subjects or runs for this data set; it must, for a clone")
    if not folder:
        raise InputError(
            f"local_data: not set, but the subjects and runs of the source {source['name']!r} are found by its files; "
            "set this key, or the variable TRIPHASE_TEST_DATA, to their folder"
        )
    found: dict[str, set[str]] = {}
    pattern = _pattern(source["path"])
    for file in sorted(Path(folder).glob(_glob(source["path"]))):
        if match := pattern.fullmatch(file.relative_to(folder).as_posix()):
            names = match.groupdict()
            found.setdefault(names.get("subject", ONLY_SUBJECT), set()).add(names.get("run", ONLY_RUN))
    if not found:
        raise InputError(
            f"local_data: no file of the folder {folder} fits the path {source['path']!r} of the source "
            f"{source['name']!r}; put the path right in dataset/overrides, or name subjects and runs there"
        )
    return {subject: sorted(found[subject], key=natural) for subject in sorted(found, key=natural)}


def natural(name: str) -> list[str | int]:
    """Sort key that compares the numbers in a name as numbers."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    for text, field, _, _ in string.Formatter().parse(template):
        yield text, field


def _glob(template: str) -> str:
    return "".join(text + ("*" if field else "") for text, field in _parts(template))


def _pattern(template: str) -> re.Pattern[str]:
    """Regular expression of a path template: a name per placeholder, the same wherever it stands again."""
    seen, pattern = set(), ""
    for text, field in _parts(template):
        pattern += re.escape(text).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        if field:
            kind = "run" if field == "stimulus" else field
            pattern += f"(?P={kind})" if kind in seen else f"(?P<{kind}>{NAME})"
            seen.add(kind)
    return re.compile(pattern)
