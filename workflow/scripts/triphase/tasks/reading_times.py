"""Psychometric power: how much better reading times are predicted with a checkpoint's surprisal than without it.

The gain in log-likelihood per word read over a mixed model without surprisal (Goodkind and Bicknell 2018; Oh and
Schuler 2023). Both models explain log reading times by length, log frequency and place of a word, and by length and log
frequency of the two before it, with an intercept for each reader; one of them also by surprisal of all three words
[ours: the number of words that spill over, and no slopes that differ between readers].

Files are those of the Natural Stories corpus (Futrell et al. 2021): `all_stories.tok` (word, zone, item) and
`processed_RTs.tsv` (WorkerId, item, zone, RT in ms, correct). Durations of fixations in the same columns do as well.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.texts import composed, said
from triphase.sources.local_data import STORIES, TIMES
from triphase.stats.mixed import random_intercept

WORD_COLUMNS, TIME_COLUMNS = ("word", "zone", "item"), ("WorkerId", "item", "zone", "RT")
# What the corpus' authors keep: times in ms between these, of readers with more right answers than this.
SHORTEST, LONGEST, RIGHT = 100, 3000, 4
SPILL = 2  # words before, whose length, frequency and surprisal enter too
FEWEST_READERS, FEWEST_TIMES = 2, 200
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
        Natural Stories' `freqs-1` file: code (item.zone.word), order, token and count of every word, without a header.
        Where there is none, a word's frequency is that in the stories themselves.

    Raises
    ------
    InputError
        A file or a column is missing, a word has two rows or none, a time is no number, or too few are left.
    """
    words = _table(Path(folder) / STORIES, WORD_COLUMNS)
    path = Path(folder) / TIMES
    times = _table(path, TIME_COLUMNS)
    keys = ["item", "zone"]
    if words.duplicated(keys).any():
        item, zone = words.loc[words.duplicated(keys), keys].iloc[0]
        raise InputError(f"{Path(folder) / STORIES}: item {item}, zone {zone} has two rows; every word needs one")
    words = words.assign(item=_numbers(words, "item", STORIES), zone=_numbers(words, "zone", STORIES))
    words = words.sort_values(keys, kind="stable").reset_index(drop=True)
    gaps = words.groupby("item")["zone"].diff().dropna() != 1
    if gaps.any():
        row = words.loc[gaps.index[gaps][0]]
        raise InputError(f"{Path(folder) / STORIES}: item {row['item']} has no word before zone {row['zone']}")
    words["word"] = words["word"].map(composed)
    words["length"] = [len(said(word)) or len(word) for word in words["word"]]
    words["log_frequency"] = _log_frequencies(words, frequencies)
    times = times.assign(**{key: _numbers(times, key, TIMES) for key in (*keys, "RT")})
    place = pd.Series(words.index, index=pd.MultiIndex.from_frame(words[keys]))
    times["word"] = place.reindex(pd.MultiIndex.from_frame(times[keys])).to_numpy()
    if times["word"].isna().any():
        item, zone = times.loc[times["word"].isna(), keys].iloc[0]
        raise InputError(
            f"{path}: item {item:g}, zone {zone:g} is no word of {STORIES}; give the stories that were read"
        )
    left_out, kept = {}, np.ones(len(times), bool)
    rules = {
        f"shorter than {SHORTEST} ms or longer than {LONGEST} ms": ~times["RT"].between(SHORTEST, LONGEST, "neither")
    }
    if "correct" in times:
        rules[f"of readers with at most {RIGHT} right answers"] = _numbers(times, "correct", TIMES) <= RIGHT
    rules[f"of the first {SPILL} words of a story"] = times["zone"] < times["item"].map(
        words.groupby("item")["zone"].min() + SPILL
    )
    for reason, fails in rules.items():
        left_out[reason] = int((kept & fails.to_numpy()).sum())
        kept &= ~fails.to_numpy()
    times = times[kept]
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
    base = [words["zone"].to_numpy(float)[place]]
    added = []
    for back in range(SPILL + 1):
        base += [words[name].to_numpy(float)[place - back] for name in ("length", "log_frequency")]
        added.append(np.asarray(surprisal, float)[place - back])
    y, groups = readings.times["log_time"].to_numpy(), readings.times["reader"].to_numpy()
    ones = np.ones(len(y))
    without = np.column_stack([ones, *map(_standard, base)])
    whole = np.column_stack([without, *map(_standard, added)])
    try:
        fits = [random_intercept(y, design, groups).log_likelihoods for design in (without, whole)]
    except ValueError as error:
        raise InputError(
            f"reading times: {error}: length, frequency or surprisal of the words that were read do not vary by "
            "themselves; more words are needed"
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


def _standard(column: np.ndarray) -> np.ndarray:
    spread = column.std()
    return (column - column.mean()) / spread if spread > 0 else column * 0


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(
            f"{path} is not there; states/reading/folder needs {STORIES} and {TIMES} of Natural Stories' layout"
        )
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3, encoding="utf-8")
    if missing := [name for name in columns if name not in table.columns]:
        raise InputError(f"{path}: no column {', '.join(missing)}; there are {', '.join(map(str, table.columns))}")
    return table


def _numbers(table: pd.DataFrame, column: str, name: str) -> pd.Series:
    values = pd.to_numeric(table[column], errors="coerce")
    if values.isna().any():
        row = int(np.flatnonzero(values.isna())[0])
        raise InputError(f"{name}, row {row + 2}: {column} is {table[column].iloc[row]!r}, and must be a number")
    return values


def _log_frequencies(words: pd.DataFrame, path: str | Path | None) -> np.ndarray:
    """Natural logarithm of every word's count, at least 1."""
    if path is None:
        folded = words["word"].map(said)
        return np.log(folded.map(folded.value_counts()).to_numpy(float))
    if not Path(path).is_file():
        raise InputError(f"{path} is not there; states/reading/frequencies names Natural Stories' freqs-1 file")
    table = pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False, quoting=3, encoding="utf-8")
    if table.shape[1] < 4:
        raise InputError(f"{path}: {table.shape[1]} columns; code, order, token and count are needed")
    counts = dict(zip(table[0], pd.to_numeric(table[3], errors="coerce"), strict=True))
    codes = [f"{item}.{zone}.word" for item, zone in zip(words["item"], words["zone"], strict=True)]
    lost = [code for code in codes if not np.isfinite(counts.get(code, np.nan))]
    if lost:
        raise InputError(f"{path}: no count for {lost[0]} (and {len(lost) - 1} more words of {STORIES})")
    return np.log(np.maximum([counts[code] for code in codes], 1))
