"""Subjects and runs of a folder, found by the names of its files."""

import re
import string
from collections.abc import Iterator
from pathlib import Path

from triphase.config.bids import Found, find_images, natural, under_one_name
from triphase.core.errors import InputError
from triphase.core.types import Section

# Of a data set whose files name none.
ONLY_SUBJECT, ONLY_RUN = "subject-1", "run-1"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*?"


def find_names(source: Section, folder: str | Path | None, choice: Section | None = None) -> Found:
    """Subjects for which a source has files, and the runs of each.

    Parameters
    ----------
    source : dict with name, root and path, a template with `{subject}` and, where there are several, `{run}`; or with
        `layout` bids, whose files are found by the entities of their names
    folder : the user's own folder, or None
    choice : `bids` of the data set's entry

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
    if source.get("layout") == "bids":
        return find_images(source, choice or {}, folder)
    found: dict[str, dict[str, str]] = {}
    unread, pattern = [], _pattern(source["path"])
    for file in sorted(Path(folder).glob(_glob(source["path"]))):
        path = file.relative_to(folder).as_posix()
        if match := pattern.fullmatch(path):
            names = match.groupdict()
            run = names.get("run", ONLY_RUN)
            found.setdefault(names.get("subject", ONLY_SUBJECT), {})[run] = run
        else:
            unread.append(f"{path} (a name must be letters, numbers, dots, underscores and hyphens)")
    if not found:
        seen = f"; not read: {unread[0]}" if unread else ""
        raise InputError(
            f"local_data: no file of the folder {folder} fits the path {source['path']!r} of the source "
            f"{source['name']!r}{seen}; put the path right in dataset/overrides, or name subjects and runs there"
        )
    files = under_one_name({subject: found[subject] for subject in sorted(found, key=natural)})
    runs = {subject: sorted(heard, key=natural) for subject, heard in files.items()}
    # Only where a subject's files are not called as its runs.
    renamed = any(run != own for heard in files.values() for run, own in heard.items())
    return Found(runs, files if renamed else {}, unread=unread)


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
