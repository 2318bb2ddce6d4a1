"""Tables of words: .tsv or .csv files with a header, among them BIDS events."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from triphase.config.transcripts import TRANSCRIPTS
from triphase.core.errors import InputError
from triphase.core.lazy import np, pd
from triphase.core.types import Section

MISSING_LABELS = {"", "n/a"}
# A label is a number where more than this share of what is there is one: then the rest are mistakes.
NUMERIC_SHARE = 0.9


def _check(words):
    columns = words["columns"]
    return "columns: give either offset or duration" if ("offset" in columns) == ("duration" in columns) else None


@TRANSCRIPTS.register(
    name="table",
    suffixes=(".tsv", ".csv"),
    needs={"columns": "Columns"},
    accepts={"labels": "list[Label]", "joined": "list[Joined]", "corrections": "list[Correction]"},
    check=_check,
)
def read_words(path: str | Path, words: Section) -> tuple[pd.DataFrame, None]:
    """Words of a table, as `triphase.config.transcripts.TranscriptFormat` says.

    Parameters
    ----------
    path : path of a .tsv or .csv table with a header, UTF-8
    words : dict
        columns : dict with the table's column for `word`, `onset` and `offset`, or `duration` instead of the last (BIDS
            events)
        labels : list of dict, optional
            `name` of each label and the table's `column`. A column of numbers gives floats (missing: NaN), any other
            text (missing: None).
        corrections : list of dict, optional
            Known errors of a published table: `row` (line of the file; the header is line 1), `column`, `found` (what
            is there) and `value` (what should be). A table where something else is found is refused.
        joined : list of dict, optional
            Rows without times that are part of the word before them (a clitic such as "ll"): `word`, what the row says,
            and `adds`, what is appended to the word before ("'ll"), which keeps its own times and labels.

    Raises
    ------
    InputError : names the file, the row and its values
    """
    columns, labels = words["columns"], words.get("labels", ())
    table = read_table(path)
    wanted = {f"columns.{name}": column for name, column in columns.items()}
    wanted |= {f"labels.{label['name']}": label["column"] for label in labels}
    for key, column in wanted.items():
        if column not in table.columns:
            raise InputError(
                f"{path}: no column {column!r} (dataset.words.{key}); the table has "
                + ", ".join(map(repr, table.columns))
            )
    table = _correct(path, table, words.get("corrections", ()))
    table = _join(path, table, columns, {entry["word"]: entry["adds"] for entry in words.get("joined", ())})
    read = pd.DataFrame({"word": table[columns["word"]].str.strip()})
    read["onset"] = _numbers(path, table[columns["onset"]])
    if "offset" in columns:
        read["offset"] = _numbers(path, table[columns["offset"]])
    else:
        read["offset"] = read["onset"] + _numbers(path, table[columns["duration"]])
    for label in labels:
        read[label["name"]] = _label(path, table[label["column"]])
    return read, None


def read_table(path: str | Path) -> pd.DataFrame:
    """A table as text: DataFrame of str, indexed by the line of the file; InputError as `read_words`."""
    separated = {".tsv": ("\t", csv.QUOTE_NONE), ".csv": (",", csv.QUOTE_MINIMAL)}
    if Path(path).suffix not in separated:
        raise InputError(f"{path}: a table of words is a .tsv or .csv file")
    separator, quoting = separated[Path(path).suffix]
    try:
        # A word may be "null" or "NA": no value is taken for missing here.
        table = pd.read_csv(
            path,
            sep=separator,
            quoting=quoting,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            skip_blank_lines=False,
        )
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8 ({error.reason}); save the table as UTF-8") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not a table with one header and rows of equal length: {error}") from None
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path}: the rows have more columns than the header")
    if table.empty:
        raise InputError(f"{path}: the transcript has no rows")
    table.index = np.arange(len(table)) + 2
    return table.fillna("")


def rows_where(
    path: str | Path, table: pd.DataFrame, where: Mapping[str, str], names: Mapping[str, str], key: str
) -> pd.DataFrame:
    """The rows of a table in which columns say what they must.

    Parameters
    ----------
    path : for messages
    table : DataFrame of str
    where : dict of column to a template of its cells; numbers are compared as such ("1" is "1.0")
    names : dict of placeholder to what it stands for
    key : of the config, for messages

    Raises
    ------
    InputError : no such column, or no row is left
    """
    for column, template in where.items():
        if column not in table.columns:
            there = ", ".join(map(repr, table.columns))
            raise InputError(f"{path}: no column {column!r} ({key}); the table has {there}")
        wanted = template.format(**names)
        cells = table[column].str.strip()
        same, number = cells == wanted, pd.to_numeric(wanted, errors="coerce")
        if np.isfinite(number):
            same |= pd.to_numeric(cells, errors="coerce") == number
        if not same.any():
            said = ", ".join(map(repr, list(dict.fromkeys(cells))[:8]))
            raise InputError(f"{path}: no row in which {column!r} is {wanted!r} ({key}); it says {said}")
        table = table[same]
    return table


def _correct(path, table, corrections):
    table = table.copy()
    for entry in corrections:
        row, column = entry["row"], entry["column"]
        if row not in table.index or column not in table.columns:
            raise InputError(f"dataset.words.corrections: {path} has no row {row} with a column {column!r}")
        if table.at[row, column].strip() != str(entry["found"]):
            raise InputError(
                f"dataset.words.corrections: row {row}, column {column!r} of {path} holds "
                f"{table.at[row, column]!r}, not {str(entry['found'])!r}: the table has changed, so "
                "the correction does not apply"
            )
        table.at[row, column] = str(entry["value"])
    return table


def _join(path, table, columns, joined):
    names = [name for name in ("onset", "offset", "duration") if name in columns]
    untimed = np.logical_and.reduce([table[columns[name]].str.strip().isin(MISSING_LABELS) for name in names])
    host, texts = None, table[columns["word"]].str.strip()
    for row, word, alone in zip(table.index, texts, ~untimed, strict=True):
        if alone:
            host = row
        elif word not in joined or host is None:
            raise InputError(
                f"{path}, row {row}: the word {word!r} has no {' and no '.join(names)}; give its times, or name it in "
                "dataset.words.joined with what it adds to the word before it"
            )
        else:
            texts[host] += joined[word]
    return table.assign(**{columns["word"]: texts})[~untimed]


def _numbers(path, column):
    values = pd.to_numeric(column, errors="coerce")
    wrong = ~np.isfinite(values.to_numpy(float))
    if wrong.any():
        row = column.index[wrong][0]
        raise InputError(f"{path}, row {row}: {column.name} is {column[row]!r}; it must be a number of seconds")
    return values.astype(float)


def _label(path, column):
    text = column.str.strip()
    present = ~text.isin(MISSING_LABELS)
    numbers = pd.to_numeric(text.where(present), errors="coerce")
    numeric = numbers.notna()
    if numeric.sum() > NUMERIC_SHARE * present.sum():
        if (numeric != present).any():
            row = column.index[numeric != present][0]
            raise InputError(
                f"{path}, row {row}: {column.name} is {column[row]!r} in a column of numbers; leave it empty "
                "where it is not known, or put it right in dataset.words.corrections"
            )
        return numbers.astype(float)
    return text.astype(object).where(present, None)
