"""Word tables: what was said and when, and the running text that a language model reads.

A row is a word, or an annotation: the text of one annotator on one second. Times are seconds on the words' clock, that
of the transcript plus its shift. Characters are Unicode code points of the stimulus' running text.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.texts import composed, folded, said
from triphase.core.types import Entries, Section
from triphase.stimuli.languages import spaced


def running_text(words: Sequence[str], language: str = "en", unit: str = "word") -> tuple[str, np.ndarray]:
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


def stimulus_hash(words: Iterable[str]) -> str:
    """SHA-256 of what is said, without when: two recordings of one story are one stimulus.

    Nor does it matter how it is written: capitals, forms of Unicode and punctuation.
    """
    return hashlib.sha256("\n".join(said(word) or folded(word) for word in words).encode()).hexdigest()


def build_words(
    tables: Mapping[str, pd.DataFrame], runs: Entries, language: str = "en", unit: str = "word"
) -> tuple[pd.DataFrame, dict[str, str], dict[str, str]]:
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
        table = table.assign(word=table["word"].map(composed))
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


def unique_stimuli(words: pd.DataFrame) -> pd.DataFrame:
    """The rows of each stimulus once: those of the first run that it was heard in, in the order of those runs."""
    first = words.drop_duplicates("stimulus").set_index("stimulus")["run"]
    return words[words["run"] == words["stimulus"].map(first)].reset_index(drop=True)


def check_split(runs: Entries, hashes: Mapping[str, str]) -> None:
    """InputError when runs of one stimulus stand on both sides of the train/test split.

    Stimuli are compared by what is said, not by name, so that a story cannot leak under a second name.

    Parameters
    ----------
    runs : list of dict with name, stimulus and test (bool)
    hashes : dict of stimulus to `stimulus_hash`
    """
    sides: dict[str, Section] = {}
    for run in runs:
        other = sides.setdefault(hashes[run["stimulus"]], run)
        if other["test"] != run["test"]:
            test, train = (run, other) if run["test"] else (other, run)
            raise InputError(
                f"dataset.runs: {test['name']} is a test run and {train['name']} is not, but they hold the same "
                f"stimulus ({test['stimulus']}, {train['stimulus']}): set `test` to the same value for both"
            )
