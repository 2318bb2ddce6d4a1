"""Tables of words: .tsv or .csv files with a header, among them BIDS events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triphase.config.transcripts import TRANSCRIPTS
from triphase.core.errors import InputError
from triphase.core.lazy import np, pd
from triphase.core.tables import MISSING, UNKNOWN, need_column, number_advice, read_cells, to_number
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.stimuli.transcripts.rows import listed_words, rows_where, spread_times

# A label is a number where more than this share of what is there is one: then the rest are mistakes.
NUMERIC_SHARE = 0.9


def _check(words):
    columns = words["columns"]
    if ("offset" in columns) == ("duration" in columns):
        return "columns: give either offset or duration"
    if words.get("lists") and (words.get("labels") or words.get("joined")):
        return "lists: labels and joined are of tables with a word per row; leave them out"
    if words.get("untimed") and words.get("joined"):
        return "untimed: words without times are either joined to the one before or timed; give one of the two"
    return None


@TRANSCRIPTS.register(
    name="table",
    suffixes=(".tsv", ".csv"),
    needs={"columns": "Columns"},
    accepts={
        "labels": "list[Label]",
        "joined": "list[Joined]",
        "corrections": "list[Correction]",
        "ignored": "Texts",
        "kept": "Texts",
        "where": "Filters",
        "header": "SomeTexts",
        "silences": "bool",
        "untimed": "Literal['between']",
        "lists": "bool",
    },
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
            text (missing: None). Missing are empty cells and, as in BIDS, n/a: no word may be.
        corrections : list of dict, optional
            Known errors of a published table: `row` (line of the file; the header is line 1), `column`, `found` (what
            is there) and `value` (what should be; None leaves the row out). A table where something else is found is
            refused.
        joined : list of dict, optional
            Rows without times that are part of the word before them (a clitic such as "ll"): `word`, what the row says,
            and `adds`, what is appended to the word before ("'ll"), which keeps its own times and labels.
        where : dict of column to what it must say in a row of the stimulus, optional; `stimulus` names that
        header : list of str, optional; the columns of a table without a header
        silences : bool, optional; rows without a word are silences, and left out
        untimed : "between", optional; words without times get those of `spread_times`
        lists : bool, optional; cells are lists, see `listed_words`

    Raises
    ------
    InputError : names the file, the row and its values
    """
    columns, labels = words["columns"], words.get("labels", ())
    table = read_table(path, words.get("header"))
    columns = {name: composed(column).strip() for name, column in columns.items()}
    labels = [{name: composed(value).strip() for name, value in label.items()} for label in labels]
    for name, column in columns.items():
        need_column(path, table, column, f"dataset.words.columns.{name}")
    for label in labels:
        need_column(path, table, label["column"], f"dataset.words.labels.{label['name']}")
    table = _correct(path, table, words.get("corrections", ()))
    joined = {composed(entry["word"]): composed(entry["adds"]) for entry in words.get("joined", ())}
    table = rows_where(path, table, words.get("where", {}), words, "dataset.words.where")
    if words.get("lists"):
        table, columns = listed_words(path, table, columns), {name: name for name in columns}
    if words.get("silences"):
        table = table[~table[columns["word"]].str.strip().isin(MISSING)]
    if words.get("untimed"):
        return _timed(path, table, columns, labels), None
    table = _join(path, table, columns, joined)
    read = pd.DataFrame({"word": table[columns["word"]].str.strip().replace(list(MISSING), "")})
    read["onset"] = _numbers(path, table[columns["onset"]])
    if "offset" in columns:
        read["offset"] = _numbers(path, table[columns["offset"]])
    else:
        read["offset"] = read["onset"] + _numbers(path, table[columns["duration"]])
    for label in labels:
        read[label["name"]] = _label(path, table[label["column"]])
    return read, None


def _timed(path, table, columns, labels):
    """Words of which some have no times, with times for all."""
    read = pd.DataFrame({"word": table[columns["word"]].str.strip().replace(list(MISSING), "")})
    for name in columns:
        if name != "word":
            cells = table[columns[name]]
            there = ~cells.str.strip().isin(MISSING)
            read[name] = _numbers(path, cells[there]).reindex(cells.index)
    if "duration" in read:
        read["offset"] = read["onset"] + read.pop("duration")
    read = spread_times(path, read)
    for label in labels:
        read[label["name"]] = _label(path, table[label["column"]])
    return read


def read_table(path: str | Path, header: Sequence[str] | None = None) -> pd.DataFrame:
    """A table as text: DataFrame of str, indexed by the line of the file; InputError as `read_words`.

    `header` : names of the columns of a file without a header
    """
    if Path(path).suffix.lower() not in (".tsv", ".csv"):
        raise InputError(f"{path}: a table of words is a .tsv or .csv file")
    table = read_cells(path, header)
    if table.empty:
        raise InputError(f"{path}: the transcript has no rows")
    return table


def _correct(path, table, corrections):
    table = table.copy()
    for entry in corrections:
        row, column = entry["row"], composed(entry["column"]).strip()
        if row not in table.index or column not in table.columns:
            raise InputError(f"dataset.words.corrections: {path} has no row {row} with a column {column!r}")
        if table.at[row, column].strip() != composed(str(entry["found"])):
            raise InputError(
                f"dataset.words.corrections: row {row}, column {column!r} of {path} holds "
                f"{table.at[row, column]!r}, not {str(entry['found'])!r}: the table has changed, so "
                "the correction does not apply"
            )
        if entry["value"] is None:
            table = table.drop(index=row)
        else:
            table.at[row, column] = composed(str(entry["value"]))
    return table


def _join(path, table, columns, joined):
    names = [name for name in ("onset", "offset", "duration") if name in columns]
    untimed = np.logical_and.reduce([table[columns[name]].str.strip().isin(MISSING) for name in names])
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
    values = column.map(to_number).astype(float)
    wrong = column[values.isna()]
    if len(wrong):
        row, text = wrong.index[0], wrong.iloc[0]
        advice = number_advice(text)
        if text.strip() in MISSING:
            advice = "; give it, or leave the row out (a correction whose value is null)"
        raise InputError(f"{path}, row {row}: {column.name} is {text!r}; it must be a number of seconds{advice}")
    return values


def _label(path, column):
    text = column.str.strip()
    numbers = text.map(to_number).astype(float)
    numeric, known = numbers.notna(), ~text.str.lower().isin(UNKNOWN)
    if numeric.sum() > NUMERIC_SHARE * known.sum():
        if (numeric != known).any():
            row = column.index[numeric != known][0]
            raise InputError(
                f"{path}, row {row}: {column.name} is {column[row]!r} in a column of numbers; leave it empty "
                f"where it is not known, or put it right in dataset.words.corrections{number_advice(column[row])}"
            )
        return numbers
    commas = text.map(number_advice).ne("")
    if commas.any() and (commas | numeric | ~known).all():
        row = column.index[commas][0]
        raise InputError(f"{path}, row {row}: {column.name} is {column[row]!r}, no number{number_advice(column[row])}")
    return text.astype(object).where(~text.isin(MISSING), None)
