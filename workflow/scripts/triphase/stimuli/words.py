"""Word tables: what was said and when, and the running text that a language model reads.

A row is a word, or an annotation: the text of one annotator on one second. Times are seconds on the words' clock, that
of the transcript plus its shift. Characters are Unicode code points of the stimulus' running text.
"""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from triphase.core.errors import InputError

# Tables are written with three decimals or more: neighbours may overlap by rounding.
OVERLAP_TOLERANCE = 0.001
# Annotations are made from a copy of the film: a few seconds at its end may be there or lack.
ANNOTATION_TOLERANCE = 5.0
# Languages whose script sets no space between words.
UNSPACED = {"ja", "zh", "th", "lo", "km", "my"}
MISSING_LABELS = {"", "n/a"}
# A label is a number where more than this share of what is there is one: then the rest are mistakes.
NUMERIC_SHARE = 0.9


def read_words(path, columns, labels=(), *, corrections=(), joined=()):
    """Read and check the transcript of one stimulus.

    Parameters
    ----------
    path : path of a .tsv or .csv table with a header, UTF-8
    columns : dict with the table's column for `word`, `onset` and `offset`, or `duration` instead of the last (BIDS
        events)
    labels : list of dict, optional
        `name` of each label and the table's `column`. A column of numbers gives floats (missing: NaN), any other text
        (missing: None).
    corrections : list of dict, optional
        Known errors of a published table: `row` (line of the file; the header is line 1), `column`, `found` (what is
        there) and `value` (what should be). A table where something else is found is refused.
    joined : list of dict, optional
        Rows without times that are part of the word before them (a clitic such as "ll"): `word`, what the row says, and
        `adds`, what is appended to the word before ("'ll"), which keeps its own times and labels.

    Returns
    -------
    DataFrame : word, onset, offset and the labels, in the order of the table, indexed by the line of the file

    Raises
    ------
    InputError : names the file, the row and its values
    """
    table = _read_table(path)
    wanted = {f"columns.{name}": column for name, column in columns.items()}
    wanted |= {f"labels.{label['name']}": label["column"] for label in labels}
    for key, column in wanted.items():
        if column not in table.columns:
            raise InputError(
                f"{path}: no column {column!r} (dataset.words.{key}); the table has "
                + ", ".join(map(repr, table.columns))
            )
    table = _correct(path, table, corrections)
    table = _join(path, table, columns, {entry["word"]: entry["adds"] for entry in joined})
    words = pd.DataFrame({"word": table[columns["word"]].str.strip()})
    words["onset"] = _numbers(path, table[columns["onset"]])
    if "offset" in columns:
        words["offset"] = _numbers(path, table[columns["offset"]])
    else:
        words["offset"] = words["onset"] + _numbers(path, table[columns["duration"]])
    for label in labels:
        words[label["name"]] = _label(path, table[label["column"]])
    check_words(words, path)
    return words


def _read_table(path):
    separated = {".tsv": ("\t", csv.QUOTE_NONE), ".csv": (",", csv.QUOTE_MINIMAL)}
    if Path(path).suffix not in separated:
        raise InputError(f"{path}: a transcript is a .tsv or .csv table")
    separator, quoting = separated[Path(path).suffix]
    try:
        # A word may be "null" or "NA": no value is taken for missing here.
        table = pd.read_csv(
            path, sep=separator, quoting=quoting, dtype=str, keep_default_na=False, encoding="utf-8-sig",
            skip_blank_lines=False,
        )  # fmt: skip
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


def check_words(words, where):
    """InputError unless words have text, end after they begin, are in order and do not overlap.

    Parameters
    ----------
    words : DataFrame with word, onset, offset; its index is named as the row
    where : str, for the message
    """
    empty = words.index[words["word"] == ""]
    if len(empty):
        raise InputError(f"{where}, row {empty[0]}: the word is empty; remove the row or write the word")
    onset, offset = words["onset"].to_numpy(), words["offset"].to_numpy()

    def refuse(wrong, explanation):
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            more = f" ({int(wrong.sum())} such rows)" if wrong.sum() > 1 else ""
            values = f"onset {onset[i]:g}, offset {offset[i]:g}"
            before = f", the word before it {onset[i - 1]:g} to {offset[i - 1]:g}" if i else ""
            raise InputError(
                f"{where}, row {words.index[i]}: {words['word'].iloc[i]!r} has {values}{before}: {explanation}{more}"
            )

    refuse(offset < onset, "a word must end at or after its onset")
    refuse(np.r_[False, np.diff(onset) < 0], "words must be sorted by onset")
    refuse(np.r_[False, offset[:-1] - onset[1:] > OVERLAP_TOLERANCE], "words must not overlap")


def spaced(language):
    """Whether a language (its code) sets spaces between words."""
    return language.split("-")[0].lower() not in UNSPACED


def running_text(words, language="en", unit="word"):
    """Join words to the text that a model reads, or annotations, which it reads one by one, to lines.

    Returns
    -------
    text : str
    spans : int array (word, 2), first character of each word and the one after its last
    """
    glue = "\n" if unit == "annotation" else " " if spaced(language) else ""
    lengths = np.array([len(word) for word in words])
    ends = np.cumsum(lengths + len(glue)) - len(glue)
    return glue.join(words), np.stack([ends - lengths, ends], axis=1)


def stimulus_hash(words):
    """SHA-256 of what is said, without when: two recordings of one story are one stimulus."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def build_words(tables, runs, language="en", unit="word"):
    """The word table of a study.

    Parameters
    ----------
    tables : dict of stimulus to what `read_words` or another reader of transcripts returns
    runs : list of dict with name and stimulus, in the order heard
    language : str, its code
    unit : "word" or "annotation", what a row is

    Returns
    -------
    words : DataFrame
        One row per word and run: stimulus, run, index (within the run), word, onset, offset (s), char_start, char_end
        (in the stimulus' running text), labels (of annotations annotator or speaker), language. The rows of a stimulus
        heard twice are there twice.
    texts, hashes : dict of stimulus to running text, and to `stimulus_hash`
    """
    texts, hashes, parts = {}, {}, []
    for run in runs:
        stimulus, table = run["stimulus"], tables[run["stimulus"]]
        texts[stimulus], spans = running_text(list(table["word"]), language, unit)
        hashes[stimulus] = stimulus_hash(table["word"])
        labels = [name for name in table.columns if name not in ("word", "onset", "offset")]
        part = table[["word", "onset", "offset"]].assign(char_start=spans[:, 0], char_end=spans[:, 1])
        part[labels] = table[labels]
        part.insert(0, "index", np.arange(len(part)))
        part.insert(0, "run", run["name"])
        part.insert(0, "stimulus", stimulus)
        parts.append(part)
    return pd.concat(parts, ignore_index=True).assign(language=language), texts, hashes


def unique_stimuli(words):
    """The rows of each stimulus once: those of the first run that it was heard in, in the order of those runs."""
    first = words.drop_duplicates("stimulus").set_index("stimulus")["run"]
    return words[words["run"] == words["stimulus"].map(first)].reset_index(drop=True)


def check_split(runs, hashes):
    """InputError when runs of one stimulus stand on both sides of the train/test split.

    Stimuli are compared by what is said, not by name, so that a story cannot leak under a second name.

    Parameters
    ----------
    runs : list of dict with name, stimulus and test (bool)
    hashes : dict of stimulus to `stimulus_hash`
    """
    sides = {}
    for run in runs:
        other = sides.setdefault(hashes[run["stimulus"]], run)
        if other["test"] != run["test"]:
            test, train = (run, other) if run["test"] else (other, run)
            raise InputError(
                f"dataset.runs: {test['name']} is a test run and {train['name']} is not, but they hold the same "
                f"stimulus ({test['stimulus']}, {train['stimulus']}): set `test` to the same value for both"
            )


def check_duration(words, run, scan_end):
    """InputError when a run's transcript does not fit its scan.

    Words may not end after the scan. The file of annotations may end up to `ANNOTATION_TOLERANCE` before or after it:
    rows after its end have no annotation, and annotations after the scan no effect.

    Parameters
    ----------
    words : DataFrame
        The rows of the run; `attrs` may hold unit and, for annotations, seconds (of each stimulus' file, on the words'
        clock).
    run : str
    scan_end : float, s on the words' clock
    """
    if words.attrs.get("unit") == "annotation":
        seconds = words.attrs["seconds"][words["stimulus"].iloc[0]]
        if abs(seconds - scan_end) > ANNOTATION_TOLERANCE:
            raise InputError(
                f"run {run}: its annotations end at {seconds:g} s, but the scan at {scan_end:g} s; they may differ by "
                f"{ANNOTATION_TOLERANCE:g} s: check the run's file, words.shift, tr and dropped_volumes"
            )
        return
    late = words[words["offset"] > scan_end + OVERLAP_TOLERANCE]
    if len(late):
        row = late.iloc[0]
        raise InputError(
            f"run {run}: word {int(row['index']) + 1} ({row['word']!r}) ends at {row['offset']:g} s, but the scan ends "
            f"at {scan_end:g} s; {len(late)} words lie beyond it: check the transcript's clock, dataset.tr and "
            "dropped_volumes"
        )
