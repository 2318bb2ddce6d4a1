"""Psychometric power: how much better reading times are predicted with a checkpoint's surprisal than without it.

The gain in log-likelihood per word read over a mixed model without surprisal (Goodkind and Bicknell 2018; Oh and
Schuler 2023). Both models explain log reading times by length, log frequency and place of a word, and by length and log
frequency of the two before it, with an intercept for each reader; one of them also by surprisal of all three words
[ours: the number of words that spill over, and no slopes that differ between readers].

Files are those of the Natural Stories corpus (Futrell et al. 2021): `all_stories.tok` (word, zone, item) and
`processed_RTs.tsv` (WorkerId, item, zone, RT in ms, correct). Durations of fixations in the same columns do as well.
"""

import csv
import logging
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from triphase.core.errors import InputError, one_line
from triphase.core.tables import MISSING, number_advice, read_text
from triphase.core.texts import composed, said
from triphase.sources.local_data import STORIES, TIME_COLUMNS, TIMES, WORD_COLUMNS, need_columns
from triphase.stats.mixed import random_intercept

log = logging.getLogger(__name__)

# What the corpus' authors keep: times in ms between these, of readers with more right answers than this.
SHORTEST, LONGEST, RIGHT = 100, 3000, 4
SPILL = 2  # words before, whose length, frequency and surprisal enter too
FEWEST_READERS, FEWEST_TIMES = 2, 200
LEAST_SPREAD = 1e-9  # of a predictor, as a share of its largest value; less is rounding
MOST_DIFFERENT = 0.01  # share of words that a file of counts may write otherwise than the stories
POWER = "psychometric_power"


@dataclass(frozen=True)
class Readings:
    """Reading times, and the words that were read.

    Attributes
    ----------
    words : DataFrame with item, zone, word, length (characters), log_frequency; in the order of the stories
    times : DataFrame with word (row of `words`), reader (counted from 0) and log_time
    readers : list of str
    left_out : dict of reason to number of times
    frequencies : str, where these are from
    """

    words: pd.DataFrame
    times: pd.DataFrame
    readers: list[str]
    left_out: dict[str, int]
    frequencies: str


def read_readings(folder: str | Path, frequencies: str | Path | None = None) -> Readings:
    """Read a folder in Natural Stories' layout.

    Parameters
    ----------
    folder : path
        Holds `STORIES` and `TIMES`, tab-separated with a header.
    frequencies : path, optional
        Natural Stories' `freqs-1` file: code (item.zone.word), order, token and count of every word, without a header;
        what has no row of this code ("Mr.", whose point belongs to it) has that of item.zone.whole. Where there is no
        file, a word's frequency is that in the stories themselves.

    Raises
    ------
    InputError
        A file or a column is missing, a word has two rows, none or no letters, a time is no number or of another word,
        or too few are left.
    """
    words, path = _stories(Path(folder) / STORIES), Path(folder) / TIMES
    words["log_frequency"] = _log_frequencies(words, frequencies)
    times, keys = _table(path, TIME_COLUMNS), ["item", "zone"]
    if (nobody := times["WorkerId"].isin(MISSING).to_numpy()).any():
        raise InputError(f"{path}, row {nobody.argmax() + 2}: WorkerId is empty; every time needs its reader")
    times = times.assign(**{key: _numbers(times, key, path) for key in (*keys, "RT")})
    place = pd.Series(words.index, index=pd.MultiIndex.from_frame(words[keys]))
    read = times.get("word")
    times["word"] = place.reindex(pd.MultiIndex.from_frame(times[keys])).to_numpy()
    if times["word"].isna().any():
        item, zone = times.loc[times["word"].isna(), keys].iloc[0]
        raise InputError(
            f"{path}: item {item:g}, zone {zone:g} is no word of {STORIES}; give the stories that were read"
        )
    if read is not None:
        _check_words(path, read.to_numpy(), words["word"].to_numpy()[times["word"].to_numpy(int)])
    left_out, kept = {}, np.ones(len(times), bool)
    rules = {
        f"shorter than {SHORTEST} ms or longer than {LONGEST} ms": ~times["RT"].between(SHORTEST, LONGEST, "neither")
    }
    if "correct" in times:
        rules[f"of readers with at most {RIGHT} right answers"] = _numbers(times, "correct", path) <= RIGHT
    rules[f"of the first {SPILL} words of a story"] = times["zone"] < times["item"].map(
        words.groupby("item")["zone"].min() + SPILL
    )
    rules["of a word that its reader had read before"] = times.duplicated(["WorkerId", *keys])
    for reason, fails in rules.items():
        left_out[reason] = int((kept & fails.to_numpy()).sum())
        kept &= ~fails.to_numpy()
    times = times[kept]
    log.info("%s: %d times; left out: %s", path, len(times), left_out)
    codes, readers = pd.factorize(times["WorkerId"], sort=True)
    if len(readers) < FEWEST_READERS or len(times) < FEWEST_TIMES:
        lost = ", ".join(f"{number} {reason}" for reason, number in left_out.items() if number)
        raise InputError(
            f"{path}: {len(times)} times of {len(readers)} readers are left ({lost or 'none left out'}); a mixed model "
            f"needs {FEWEST_TIMES} of {FEWEST_READERS}"
        )
    kept_times = pd.DataFrame(
        {"word": times["word"].astype(int).to_numpy(), "reader": codes, "log_time": np.log(times["RT"].to_numpy(float))}
    )
    source = Path(frequencies).name if frequencies else "the stories themselves"
    return Readings(words, kept_times, [str(name) for name in readers], left_out, source)


def power_of(readings: Readings, surprisal: np.ndarray) -> pd.DataFrame:
    """What surprisal adds to the log-likelihood of every reader's times.

    Parameters
    ----------
    readings : Readings
    surprisal : float array (n_words,), bits, of `readings.words`

    Returns
    -------
    DataFrame with reader, gain (nats, over the model without surprisal) and n (times)
    """
    words = readings.words
    place = readings.times["word"].to_numpy()
    bits = np.asarray(surprisal, float)
    if (unknown := ~np.isfinite(bits)).any():
        row = words.loc[unknown.argmax()]
        raise InputError(
            f"reading times: surprisal of {row['word']!r} (item {row['item']}, zone {row['zone']}) is "
            f"{bits[unknown.argmax()]}, and no finite number of {unknown.sum()} of {len(bits)} words; is the "
            "checkpoint whole?"
        )
    columns = {"zone": words["zone"].to_numpy(float)[place]}
    for back in range(SPILL + 1):
        where = f" of the word {back} before" if back else ""
        columns |= {name + where: words[name].to_numpy(float)[place - back] for name in ("length", "log_frequency")}
    if constant := [name for name, values in columns.items() if not _varies(values)]:
        raise InputError(
            f"reading times: {constant[0]} is the same at all {len(place)} times; the stories need words that differ"
        )
    # A model that finds all words alike, as an untrained one may, adds nothing.
    added = [values for back in range(SPILL + 1) if _varies(values := bits[place - back])]
    y, groups = readings.times["log_time"].to_numpy(), readings.times["reader"].to_numpy()
    without = np.column_stack([np.ones(len(y)), *map(_standard, columns.values())])
    whole = np.column_stack([without, *map(_standard, added)])
    try:
        fits = [random_intercept(y, design, groups).log_likelihoods for design in (without, whole)]
    except ValueError as error:
        raise InputError(
            f"reading times: {error}; length, frequency and surprisal have to vary by themselves, and times of a "
            "reader from word to word: give more words, and times as they were measured"
        ) from None
    return pd.DataFrame({"reader": readings.readers, "gain": fits[1] - fits[0], "n": np.bincount(groups)})


def reading_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Tidy row of a table of `power_of` (its name in `attrs`): gain per word, with its standard error over readers."""
    gain, n = table["gain"].to_numpy(float), table["n"].to_numpy(float)
    value, readers = gain.sum() / n.sum(), len(gain)
    se = np.sqrt(readers / (readers - 1) * ((gain - value * n) ** 2).sum()) / n.sum()
    row = {"measure": POWER, "target": table.attrs["name"], "value": value, "se": se, "n": int(n.sum())}
    return pd.DataFrame([row])


def reading_draws(gain: np.ndarray, n: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
    """Bootstrap the gain per word over readers, drawn alike for every checkpoint: float array (n_draws,)."""
    rng = np.random.default_rng([seed, len(gain)])
    counts = rng.multinomial(len(gain), np.full(len(gain), 1 / len(gain)), size=n_draws)
    drawn: np.ndarray = counts @ gain / (counts @ n)
    return drawn


def _varies(column: np.ndarray) -> bool:
    return bool(column.std() > LEAST_SPREAD * np.abs(column).max())


def _standard(column: np.ndarray) -> np.ndarray:
    standard: np.ndarray = (column - column.mean()) / column.std()
    return standard


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(
            f"{path} is not there; states/reading/folder needs {STORIES} and {TIMES} of Natural Stories' layout"
        )
    table = _cells(path)
    need_columns(path, list(map(str, table.columns)), columns)
    return table


def _cells(path: Path, header: int | None = 0) -> pd.DataFrame:
    """A table with tabs as text. Hundreds of thousands of rows would take long with `triphase.core.tables`."""
    text = read_text(path)
    first, second = ([*text.split("\n", 2), "", ""])[:2]
    if second and first.count("\t") != second.count("\t"):
        raise InputError(
            f"{path}: its first row has {first.count(chr(9)) + 1} cells, and its second {second.count(chr(9)) + 1}; "
            "every row needs a cell for each column"
        )
    quotes = csv.QUOTE_MINIMAL if text.startswith('"') else csv.QUOTE_NONE  # R puts quotes about every text
    try:
        return pd.read_csv(StringIO(text), sep="\t", header=header, dtype=str, keep_default_na=False, quoting=quotes)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not a table with tabs: {one_line(error)}") from None


def _stories(path: Path) -> pd.DataFrame:
    """Words in the order of the stories, with their length."""
    words, keys = _table(path, WORD_COLUMNS), ["item", "zone"]
    words = words.assign(word=words["word"].map(composed), **{key: _numbers(words, key, path) for key in keys})
    if (empty := words["word"].str.strip().isin(MISSING).to_numpy()).any():
        row = empty.argmax()
        raise InputError(f"{path}, row {row + 2}: word is {words['word'].iloc[row]!r}; every zone needs its word")
    if (again := words.duplicated(keys)).any():
        item, zone = words.loc[again, keys].iloc[0]
        raise InputError(f"{path}: item {item:g}, zone {zone:g} has two rows; every word needs one")
    words = words.sort_values(keys, kind="stable").reset_index(drop=True)
    gaps = words.groupby("item")["zone"].diff().dropna() != 1
    if gaps.any():
        row = words.loc[gaps.index[gaps][0]]
        raise InputError(f"{path}: item {row['item']:g} has no word before zone {row['zone']:g}")
    words["length"] = [len(said(word)) or len(word) for word in words["word"]]
    return words


def _check_words(path: Path, read: np.ndarray, told: np.ndarray) -> None:
    """InputError where the words that the times are of are not those of the stories at their places."""
    alike = {pair: said(pair[0]) == said(pair[1]) for pair in set(zip(read, told, strict=True))}
    other = np.array([not alike[pair] for pair in zip(read, told, strict=True)])
    if other.any():
        row = int(other.argmax())
        raise InputError(
            f"{path}, row {row + 2}: word is {read[row]!r}, and {STORIES} has {told[row]!r} there; {other.sum()} of "
            f"{len(read)} times are of another word: item and zone must be those of the stories"
        )


def _numbers(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    values = pd.to_numeric(table[column], errors="coerce")
    if values.isna().any():
        row = int(np.flatnonzero(values.isna())[0])
        text = table[column].iloc[row]
        advice = "; leave the row out" if column == "RT" and text.lower() in MISSING else number_advice(text)
        raise InputError(f"{path}, row {row + 2}: {column} is {text!r}, and must be a number{advice}")
    return values


def _log_frequencies(words: pd.DataFrame, path: str | Path | None) -> np.ndarray:
    """Natural logarithm of every word's count, at least 1."""
    if path is None:
        folded = words["word"].map(said)
        return np.log(folded.map(folded.value_counts()).to_numpy(float))
    if not Path(path).is_file():
        raise InputError(f"{path} is not there; states/reading/frequencies names Natural Stories' freqs-1 file")
    table = _cells(Path(path), header=None)
    if table.shape[1] < 4:
        raise InputError(f"{path}: {table.shape[1]} columns; code, order, token and count are needed")
    rows = dict(zip(table[0], zip(table[2], pd.to_numeric(table[3], errors="coerce"), strict=True), strict=True))
    codes = [f"{item}.{zone}" for item, zone in zip(words["item"], words["zone"], strict=True)]
    found = [rows.get(f"{code}.word") or rows.get(f"{code}.whole") or ("", np.nan) for code in codes]
    counts = np.array([count for _, count in found])
    if (lost := ~np.isfinite(counts) | (counts < 0)).any():
        code, more = codes[lost.argmax()], lost.sum() - 1
        raise InputError(f"{path}: no count for {code}.word (and {more} more words of {STORIES}); a count is 0 or more")
    other = [k for k, word in enumerate(words["word"]) if said(word) != said(found[k][0])]
    if len(other) > MOST_DIFFERENT * len(words):
        raise InputError(
            f"{path}: {codes[other[0]]}.word is {found[other[0]][0]!r}, and {STORIES} has {words['word'][other[0]]!r} "
            f"there; {len(other)} of {len(words)} words differ: give the counts of these stories"
        )
    return np.log(np.maximum(counts, 1))
