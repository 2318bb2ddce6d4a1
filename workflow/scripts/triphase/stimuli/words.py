"""Word tables: what was said and when, and the running text that a language model reads.

A row is a word, or an annotation: the text of one annotator on one second. Times are seconds on the words' clock, that
of the transcript plus its shift. Characters are Unicode code points of the stimulus' running text.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.texts import composed, folded, said
from triphase.core.types import Entries, Section
from triphase.stimuli.languages import spaced

# Letters of a piece of text, about six words, and the share of such pieces that makes two texts one story; [ours].
PIECE, SHARED = 24, 0.25


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


def same_stories(texts: Mapping[str, str]) -> dict[str, str]:
    """Of every stimulus, the first one that says the same: itself, or one that it is a copy, part or version of.

    Compared is what is said, in pieces of `PIECE` letters, so that neither punctuation nor where words are parted
    matters, and a few words that differ make no other story. Two are one story where `SHARED` of the pieces of the
    shorter stand in the other.

    Parameters
    ----------
    texts : dict of stimulus to running text
    """
    owners: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for name, text in texts.items():
        pieces = _pieces(text)
        sizes[name] = len(pieces)
        shared = Counter(other for piece in pieces for other in owners.get(piece, ()))
        joined = {first[other] for other, n in shared.items() if n >= SHARED * min(sizes[name], sizes[other])}
        for piece in pieces:
            owners.setdefault(piece, []).append(name)
        # A story that holds two others makes one of them.
        root = next((root for root in first if root in joined), name)
        first = {other: root if own in joined else own for other, own in first.items()} | {name: root}
    return first


def _pieces(text):
    letters = said(text) or folded(text)
    return {letters[at : at + PIECE] for at in range(max(1, len(letters) - PIECE + 1))}


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


def check_split(runs: Entries, stories: Mapping[str, str]) -> None:
    """InputError when runs of one story stand on both sides of the train/test split.

    Stimuli are compared by what is said, not by name, so that a story cannot leak under a second name.

    Parameters
    ----------
    runs : list of dict with name, stimulus and test (bool)
    stories : dict of stimulus to the first that says the same, as `same_stories` returns it
    """
    sides: dict[str, Section] = {}
    for run in runs:
        other = sides.setdefault(stories[run["stimulus"]], run)
        if other["test"] != run["test"]:
            test, train = (run, other) if run["test"] else (other, run)
            raise InputError(
                f"dataset.runs: {test['name']} is a test run and {train['name']} is not, but they hold the same "
                f"stimulus ({test['stimulus']}, {train['stimulus']}; at least {SHARED:.0%} of what is said in the "
                "shorter is said in the other): set `test` to the same value for both, or leave one out (dataset/runs)"
            )
