"""Praat TextGrids: the words of one tier and their times.

The long, the short and the chronological text form (ds003020 has all three) are read by Praat's own rule (manual,
"TextGrid file formats"): what counts, in its order, are numbers, quoted text and <flags> that stand free; all else
("xmin =", "intervals [1]:", "! a comment") is passed over.

A reader of our own, because praatio 6.2 takes a file that was cut short for a shorter transcript, drops the sign of
negative times, knows no chronological form, and names neither line nor interval of what it refuses.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from triphase.config.transcripts import TRANSCRIPTS
from triphase.core.errors import InputError
from triphase.core.lazy import np, pd
from triphase.core.tables import read_text
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.stimuli.checks import OVERLAP_TOLERANCE
from triphase.stimuli.nonwords import is_word
from triphase.stimuli.trigraphs import decoded

VALUE = re.compile(
    r"""(?P<text>"[^"]*(?:""[^"]*)*")(?=\s|$)
    | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?=\s|$)
    | (?P<flag><\w+>)(?=\s|$)
    | (?P<quote>")
    | ![^\n]* | = | [^\s=][^\s=]*""",
    re.VERBOSE,
)
CLASSES = {"IntervalTier": "interval", "TextTier": "point"}
CHRONOLOGICAL = "Praat chronological TextGrid text file"
# Intervals of a tier fill its time; a chronological file says no other way that it is whole. For rounding, seconds.
END_TOLERANCE = 0.1


class Tier(NamedTuple):
    """One tier: `kind` "interval" or "point"; `entries` are (line, begin, end, label), for points begin = end.

    `until` is where the last interval has to end, in seconds; None where the file counts its entries.
    """

    name: str
    kind: str
    entries: list
    until: float | None = None


@TRANSCRIPTS.register(
    name="textgrid",
    suffixes=(".TextGrid",),
    needs={"tier": "Text | Count"},
    accepts={"ignored": "Texts", "kept": "Texts"},
)
def read_textgrid(path: str | Path, words: Section) -> tuple[pd.DataFrame, None]:
    """Words of one tier of a TextGrid, as `triphase.config.transcripts.TranscriptFormat` says.

    Parameters
    ----------
    path : path of a TextGrid in any of Praat's text forms: UTF-8, or UTF-16 with its byte order mark
    words : dict
        tier : str or int; name of an interval tier, or its number, from 1
        ignored : list of str, optional
            Labels that are no words (pauses, breath), beside those of `triphase.stimuli.nonwords`. Empty labels are
            none either. `kept`: those that are words all the same

    Raises
    ------
    InputError : names the file and its line or interval
    """
    tiers = read_tiers(path)
    chosen = find_tier(path, tiers, words["tier"])
    check_intervals(path, chosen)
    rows = [
        (line, " ".join(_decoded(path, line, label).split()), begin, end)
        for line, begin, end, label in chosen.entries
        if label.strip()
    ]
    if not any(is_word(label, words) for _, label, _, _ in rows):
        raise InputError(
            f"{path}: tier {chosen.name!r} has no word: all of its {len(chosen.entries)} intervals are empty or "
            "among the labels that are no words (words.ignored); name another tier"
        )
    lines, labels, begin, end = zip(*rows, strict=True)
    return pd.DataFrame({"word": labels, "onset": begin, "offset": end}, index=np.array(lines)), None


def _decoded(path, line, label):
    try:
        return composed(decoded(label))
    except InputError as error:
        raise InputError(f"{path}, line {line}: the label {label!r}: {error}") from None


def read_tiers(path: str | Path) -> list[Tier]:
    """All tiers of a TextGrid, in the order of the file; InputError as `read_textgrid`."""
    values = Values(path, read_text(path))
    start = [str(value) for value, _ in values.found[:2]]
    if start[:1] == [CHRONOLOGICAL]:
        return read_chronological(values)
    if len(start) < 2 or not start[0].startswith("ooTextFile") or start[1] != "TextGrid":
        raise InputError(
            f'{path}: not a Praat TextGrid in text form: it must begin with File type = "ooTextFile" and '
            'Object class = "TextGrid"; in Praat, choose Save as text file or Save as short text file'
        )
    values.next_text("file type"), values.next_text("object class")
    values.next_number("start of the file"), values.next_number("end of the file")
    if values.next_flag("<exists>") != "<exists>":
        return []
    tiers = []
    for number in range(1, values.next_count("number of tiers") + 1):
        name, kind, _ = read_heading(values, number)
        count = values.next_count(f"size of tier {number} ({name!r})")
        places = (f"{kind} {entry} of {count} of tier {number} ({name!r})" for entry in range(1, count + 1))
        tiers.append(Tier(name, kind, [read_entry(values, kind, place) for place in places]))
    values.finish()
    return tiers


def read_chronological(values: Values) -> list[Tier]:
    """All tiers of the form that lists the entries of all tiers by time, each after its tier's number."""
    values.next_text("file type")
    values.next_number("start of the file"), values.next_number("end of the file")
    tiers = []
    for number in range(1, values.next_count("number of tiers") + 1):
        name, kind, until = read_heading(values, number)
        tiers.append(Tier(name, kind, [], until))
    while values.left():
        number = values.next_count("number of an entry's tier")
        if not 1 <= number <= len(tiers):
            values.refuse(f"an entry is of tier {number}; the file has {len(tiers)}")
        tier = tiers[number - 1]
        place = f"{tier.kind} {len(tier.entries) + 1} of tier {number} ({tier.name!r})"
        tier.entries.append(read_entry(values, tier.kind, place))
    return tiers


def read_heading(values: Values, number: int) -> tuple[str, str, float | None]:
    """Name, kind and end (s) of a tier."""
    kind = values.next_text(f"class of tier {number}")
    if kind not in CLASSES:
        values.refuse(f"the class of tier {number} is {kind!r}; it must be IntervalTier or TextTier")
    name = values.next_text(f"name of tier {number}")
    values.next_number(f"start of tier {number}")
    return name, CLASSES[kind], values.next_number(f"end of tier {number}")


def read_entry(values: Values, kind: str, place: str) -> tuple[int, float, float, str]:
    """One interval or point: (line, begin, end, label)."""
    begin = values.next_number(f"time of {place}")
    line = values.line
    end = values.next_number(f"end of {place}") if kind == "interval" else begin
    return line, begin, end, values.next_text(f"label of {place}")


class Values:
    """The values of a TextGrid, taken one after the other; each that is missing or of another kind is an InputError."""

    def __init__(self, path: str | Path, text: str):
        self.path, self.at, self.line = path, 0, 1
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.found: list[tuple[Any, int]] = []
        for match in VALUE.finditer(text):
            kind, raw = match.lastgroup, match.group()
            if kind == "quote":
                self.line = self.line_of(match.start())
                self.refuse(
                    "a quote that does not close: the file is cut short (get it again), or one inside a label is not "
                    'doubled ("")'
                )
            if kind == "number":
                self.found.append((float(raw), match.start()))
            elif kind:
                self.found.append((raw[1:-1].replace('""', '"') if kind == "text" else Flag(raw), match.start()))

    def line_of(self, position: int) -> int:
        """Line, from 1, of a place in the text."""
        return bisect(self.breaks, position - 1) + 1

    def refuse(self, message: str) -> NoReturn:
        """Raise InputError at the present line."""
        raise InputError(f"{self.path}, line {self.line}: {message}")

    def _next(self, wanted, kind, what):
        if not self.left():
            raise InputError(
                f"{self.path}: the file ends before the {what} (line {len(self.breaks) + 1}): it is cut short, or its "
                "sizes are wrong; get the file again"
            )
        value, position = self.found[self.at]
        self.at, self.line = self.at + 1, self.line_of(position)
        if type(value) is not kind:
            self.refuse(f"the {what} is {value!r}; it must be {wanted}")
        return value

    def next_text(self, what: str) -> str:
        """The next value, which is text."""
        return self._next("text in quotes", str, what)

    def next_flag(self, what: str) -> str:
        """The next value, which is a flag."""
        return self._next("a flag", Flag, what)

    def next_number(self, what: str) -> float:
        """The next value, which is a finite number."""
        value = self._next("a number", float, what)
        if not np.isfinite(value):
            self.refuse(f"the {what} is {value}; it must be a finite number")
        return value

    def next_count(self, what: str) -> int:
        """The next value, which is a whole number from 0."""
        value = self.next_number(what)
        if value < 0 or value != int(value):
            self.refuse(f"the {what} is {value:g}; it must be a count")
        return int(value)

    def left(self) -> int:
        """How many values are left."""
        return len(self.found) - self.at

    def finish(self) -> None:
        """Nothing is left."""
        if self.left():
            value, position = self.found[self.at]
            self.line = self.line_of(position)
            self.refuse(
                f"{value!r} follows the last tier: the sizes in the file do not fit what it holds; get the file again"
            )


class Flag(str):
    """A word in angle brackets, such as <exists>."""


def find_tier(path: str | Path, tiers: Sequence[Tier], tier: str | int) -> Tier:
    """The interval tier of a name or number; InputError that lists those there."""
    there = ", ".join(f"{number} {entry.name!r} ({entry.kind}s)" for number, entry in enumerate(tiers, 1)) or "none"
    if isinstance(tier, int):
        found = tiers[tier - 1 : tier] if tier > 0 else []
    else:
        found = [entry for entry in tiers if composed(entry.name) == composed(tier)]
    if len(found) != 1:
        trouble = f"{len(found)} tiers are named {tier!r}; give the number of one" if found else f"no tier {tier!r}"
        raise InputError(f"{path}: {trouble} (words.tier); tiers: {there}")
    if found[0].kind != "interval":
        raise InputError(f"{path}: tier {tier!r} (words.tier) holds points, and words need intervals; tiers: {there}")
    return found[0]


def check_intervals(path: str | Path, tier: Tier) -> None:
    """InputError unless the intervals of a tier end after they begin and follow each other without overlap."""
    last = -np.inf
    for number, (line, begin, end, label) in enumerate(tier.entries, 1):
        where = f"{path}, line {line}: interval {number} of tier {tier.name!r} ({label!r}, {begin:g} to {end:g} s)"
        if end < begin:
            raise InputError(f"{where} ends before it begins")
        if last - begin > OVERLAP_TOLERANCE:
            raise InputError(f"{where} begins before the interval before it ends, at {last:g} s")
        last = end
    if tier.until is not None and last < tier.until - END_TOLERANCE:
        raise InputError(
            f"{path}: the last interval of tier {tier.name!r} ends at {last:g} s, but the tier at {tier.until:g} s: "
            "the file is cut short; get it again"
        )
