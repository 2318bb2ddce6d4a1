"""Tables of text: .tsv and .csv files with a header, in one dialect for words, confounds and labels.

A cell is text, whatever it says: "NA", "null" and "None" are words and names. Missing is, as in BIDS, an empty cell or
n/a; what that means for a column is for its reader to say. In a .csv, cells with a comma, quote or line break stand in
quotes. In a .tsv, quotes are text, but for a cell that is wholly quoted because it holds a tab or doubled quotes (as
pandas writes it), and for a column in which every cell is quoted (as R and fMRIPrep write it).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from triphase.core.content import check_content
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np, pd
from triphase.core.texts import composed

MISSING = ("", "n/a")
# What programs write besides where nothing is known.
UNKNOWN = (*MISSING, "nan", "na", "null", "none")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
QUOTED = re.compile(r'"(?:[^"]|"")*"')
# The cells of one line, each with its quotes.
CELL = re.compile(r'("(?:[^"]|"")*"(?=\t|$)|[^\t]*)(?:\t|$)')
SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "bars"}
# Encodings of Western Europe, as which a file in UTF-8 is read by mistake.
WESTERN = ("cp1252", "latin-1")
# Every other byte of European text in UTF-16 is zero; looked at is the beginning of a file.
ZERO_SHARE, HEAD_BYTES = 0.3, 10_000
Rows = list[tuple[int, list[str]]]


def read_text(path: str | Path) -> str:
    """Text of a file in UTF-8, or in UTF-16 with its byte order mark: line ends \\n.

    Raises
    ------
    InputError : no such file, no content, another encoding, or accents that a wrong one has garbled; names the line
    """
    check_content(path)
    raw = Path(path).read_bytes()
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and (head := raw[:HEAD_BYTES]).count(0) > ZERO_SHARE * len(head):
        raise InputError(
            f"{path}: full of zero bytes, as UTF-16 is without its byte order mark, or what is no text; save it as "
            "UTF-8"
        )
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: byte {error.start} is not {'UTF-16' if wide else 'UTF-8'} ({error.reason}); save "
            "the file as UTF-8 or UTF-16"
        ) from None
    for encoding in WESTERN:
        if signs := _garbled(text, encoding):
            raise InputError(
                f"{path}, line {text[: signs.start()].count(chr(10)) + 1}: {signs[0]!r} is "
                f"{signs[0].encode(encoding).decode()!r} in UTF-8 that was read as {encoding} and saved again, as all "
                f"accents of the file are; get the original, or undo it (Python: text.encode({encoding!r}).decode())"
            )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _garbled(text: str, encoding: str) -> re.Match[str] | None:
    """The first signs beyond ASCII of a text whose signs are UTF-8 read as another encoding, or None."""
    try:
        text.encode(encoding).decode()
    except UnicodeError:
        return None
    return re.search(r"[^\x00-\x7f]+", text)


def read_cells(path: str | Path, header: Sequence[str] | None = None) -> pd.DataFrame:
    """A table as text, its accents composed: a .csv with commas, any other with tabs. Blank lines are passed over.

    Parameters
    ----------
    header : names of the columns of a file that has no header

    Returns
    -------
    DataFrame of str, the header's columns; its index is the line of the file where a row begins, the first being 1

    Raises
    ------
    InputError : names the file, the row, and what would be right
    """
    commas, text = Path(path).suffix.lower() == ".csv", composed(read_text(path))
    rows = _comma_rows(path, text) if commas else _tab_rows(text)
    if not rows:
        raise InputError(f"{path}: the table is empty; it needs a header and rows")
    if header is None:
        header = [name.strip() for name in rows.pop(0)[1]]
        _check_header(path, header, "," if commas else "\t")
    for line, cells in rows:
        if len(cells) != len(header):
            remedy = "a row needs a cell for each, empty where nothing is known"
            if len(header) == 1 or header[0].startswith("#"):
                remedy = f"{_shown(header[0])} seems to be a line before the header; remove it"
            raise InputError(
                f"{path}, row {line}: {len(cells)} cells, {'more' if len(cells) > len(header) else 'fewer'} columns "
                f"than the header ({len(header)}); {remedy}"
            )
    table = pd.DataFrame([cells for _, cells in rows], columns=list(header), dtype=object)
    table.index = np.array([line for line, _ in rows], dtype=int)
    return table


def _check_header(path: str | Path, header: list[str], separator: str) -> None:
    twice = next((name for place, name in enumerate(header) if name and name in header[:place]), None)
    if twice is not None:
        raise InputError(f"{path}: two columns are named {twice!r}; rename one of them")
    if header[0].startswith("sep="):
        raise InputError(f"{path}: its first line tells Excel what sets cells apart ({header[0]}); remove that line")
    wanted = SEPARATORS[separator]
    for other, name in SEPARATORS.items() if len(header) == 1 else ():
        if other in header[0]:
            also = f", or name it {'.csv' if other == ',' else '.tsv'}" if other in ",\t" else ""
            raise InputError(
                f"{path}: the names in its header {_shown(header[0])} are set apart by {name}, and it is read with "
                f"{wanted}; save it with {wanted}{also}"
            )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")


def _comma_rows(path: str | Path, text: str) -> Rows:
    lines = (line + "\n" for line in text.split("\n"))
    reader, rows, begin = csv.reader(lines, strict=True, skipinitialspace=True), [], 1
    try:
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                rows.append((begin, cells))
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}, row {begin}: not a table with commas ({one_line(error)}); a quote inside a cell is doubled, and "
            "the cell is quoted"
        ) from None
    return rows


def _tab_rows(text: str) -> Rows:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip(" ")]
    if not lines:
        return []
    header = [_unquoted(cell) for cell in _cells(lines[0][1])]
    rows = [(number, line.split("\t")) for number, line in lines[1:]]
    # Quotes are looked at only where the line would not fit otherwise.
    rows = [(number, cells if len(cells) == len(header) else _cells("\t".join(cells))) for number, cells in rows]
    whole = [_all_quoted(cells[place] for _, cells in rows if place < len(cells)) for place in range(len(header))]
    return [
        (lines[0][0], header),
        *(
            (number, [_value(cell, place < len(whole) and whole[place]) for place, cell in enumerate(cells)])
            for number, cells in rows
        ),
    ]


def _cells(line: str) -> list[str]:
    found, at = [], 0
    while True:
        match = CELL.match(line, at)
        assert match
        found.append(match[1])
        if match.end() == len(line) and not match[0].endswith("\t"):
            return found
        at = match.end()


def _all_quoted(cells: Iterator[str]) -> bool:
    there = [cell for cell in cells if cell.strip().lower() not in UNKNOWN]
    return bool(there) and all(QUOTED.fullmatch(cell.strip()) for cell in there)


def _value(cell: str, whole: bool) -> str:
    """A cell without the quotes that its writer put around it."""
    inside = cell.strip()[1:-1]
    needed = "\t" in inside or '""' in inside or not inside
    return _unquoted(cell) if whole or needed else cell


def _unquoted(cell: str) -> str:
    stripped = cell.strip()
    return stripped[1:-1].replace('""', '"') if QUOTED.fullmatch(stripped) else cell


def need_column(path: str | Path, table: pd.DataFrame, column: str, key: str) -> None:
    """InputError unless a table has a column, which the config names under a key."""
    if composed(column).strip() in table.columns:
        return
    there = ", ".join(map(repr, table.columns))
    if any(NUMBER.fullmatch(name) for name in table.columns):
        raise InputError(
            f"{path}: no column {column!r} ({key}); its first line is {there}: it seems to have no header; put a line "
            "with the names of its columns before it"
        )
    if len(table.columns) == 1 and len(table.columns[0].split()) > 1:
        raise InputError(
            f"{path}: no column {column!r} ({key}); its only column is {there}: its names seem to be set apart by "
            "spaces; save it with tabs"
        )
    raise InputError(f"{path}: no column {column!r} ({key}); the table has {there}; name one of these there")


def to_number(text: str) -> float:
    """The number that a cell says; NaN where it says none, or one that no float can hold."""
    text = text.strip()
    value = float(text) if NUMBER.fullmatch(text) else np.nan
    return value if np.isfinite(value) else np.nan


def number_advice(text: str) -> str:
    """What to do about a cell that is not the number which it should be; "" where nothing is known to help."""
    text = text.strip()
    return f" (a decimal comma: write {text.replace(',', '.')})" if DECIMAL_COMMA.fullmatch(text) else ""
