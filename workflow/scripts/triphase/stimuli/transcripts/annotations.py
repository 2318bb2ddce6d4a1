"""Annotations of a film second by second, by several annotators: one line of text per second.

The form is that of ds005531 (Narrative Movie), whose authors' reader (github.com/nkmjm/fMRI_Narrative_movie,
util/util_feat.py) gives these rules. What counts of a line stands after its first `]`. `/` parts the annotators; in a
transcript of speech it parts the lines spoken in that second, which follow a marker, and `name:` before one is its
speaker. An ideographic space is blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triphase.config.transcripts import TRANSCRIPTS
from triphase.core.errors import InputError
from triphase.core.lazy import pd
from triphase.core.tables import read_text
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.stimuli.languages import spaced

# What annotators write where there is nothing to say, in the annotations of Narrative Movie.
NOTHING_TO_SAY = ("不明", "..", ".")
IDEOGRAPHIC_SPACE = "\u3000"


@TRANSCRIPTS.register(
    name="annotations",
    suffixes=(".txt",),
    accepts={"marker": "Text | None", "unknown": "Texts"},
    unit="annotation",
)
def read_annotations(path: str | Path, words: Section) -> tuple[pd.DataFrame, int]:
    """Annotations of one stimulus, as `triphase.config.transcripts.TranscriptFormat` says.

    Parameters
    ----------
    path : path of a text file, UTF-8, in which line i (from 0) annotates the second from i to i + 1
    words : dict
        marker : speech alone, optional; what stands before the lines spoken, in every line of the file
        unknown : list of str, optional
            What annotators write where there is nothing to say. A text of these alone is no annotation; inside a longer
            text they stay.
        language : str
            Its code. Where the language sets spaces between words an ideographic space is one, and nothing otherwise.

    Returns
    -------
    annotations : DataFrame
        One row per second and annotator (or line spoken) with text: word (the text), onset, offset (s), and annotator
        (from 1, the place in its line), or for speech speaker (missing where no name is given). Indexed by the line of
        the file.
    seconds : int, length of the file

    Raises
    ------
    InputError : names the file and the line
    """
    marker = composed(words.get("marker") or "")
    unknown = [composed(mark) for mark in words.get("unknown", NOTHING_TO_SAY)]
    lines, spaces = read_lines(path), spaced(words["language"])
    rows = []
    for number, line in enumerate(lines, 1):
        _, bracket, content = line.partition("]")
        if not bracket:
            raise InputError(
                f"{path}, line {number}: no ']' in {shown(line)}; each line is one second, its text after the first ']'"
            )
        if marker:
            if marker not in content:
                raise InputError(f"{path}, line {number}: no {marker!r} (words.marker) in {shown(line)}")
            # As the authors do: of a marker that comes again, what follows is no speech of the main track.
            content = content.split(marker)[1]
        for place, piece in enumerate(content.split("/"), 1):
            speaker, text = split_speaker(piece) if marker else ("", piece)
            text = clean(text, spaces)
            if not is_blank(text, unknown):
                known = {"speaker": clean(speaker, spaces) or None} if marker else {"annotator": place}
                rows.append({"line": number, "word": text, "onset": number - 1.0, "offset": float(number)} | known)
    if not rows:
        raise InputError(f"{path}: none of its {len(lines)} lines has an annotation")
    return pd.DataFrame(rows).set_index("line").rename_axis(None), len(lines)


def read_lines(path: str | Path) -> list[str]:
    """Lines of a UTF-8 file without blank ones at its end; InputError for another encoding."""
    lines = composed(read_text(path)).split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(f"{path}: the file is empty")
    return lines


def split_speaker(piece: str) -> tuple[str, str]:
    """(speaker, text) of one line spoken; the colon of a time such as 10:30 names nobody."""
    name, colon, text = piece.partition(":")
    if not colon or (name[-1:].isdigit() and text[:1].isdigit()):
        return "", piece
    return name, text


def clean(text: str, spaced: bool) -> str:
    """A text on one line, with single spaces."""
    return " ".join(text.replace(IDEOGRAPHIC_SPACE, " " if spaced else "").split())


def is_blank(text: str, unknown: Sequence[str]) -> bool:
    """Whether nothing is left of a text without the marks that mean nothing."""
    for mark in sorted(unknown, key=len, reverse=True):
        text = text.replace(mark, "")
    return not text.strip()


def shown(line: str) -> str:
    """The beginning of a line, for a message."""
    return repr(line if len(line) <= 40 else line[:40] + "...")
