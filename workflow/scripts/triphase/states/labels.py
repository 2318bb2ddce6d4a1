"""What probes are trained on: the classes of every concept, control labels, and folds. Nothing here sees a model."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.texts import folded
from triphase.core.types import Section

# A concept that every transcript with sentences has.
POSITION = "position"
# Words and word types are held out together in 3 x 3 parts: with more, a layer would cost as many decompositions more.
THIRDS = 3
# Training and test rows of every part, bool arrays (n,) each.
Splits = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Concept:
    """One concept of the words; made by `prepare_concepts`.

    name : str
    classes : list of str, those probed
    rows : int array, words with a class; none where the concept is not probed
    codes : int array (1 + control draws, rows), the classes' numbers, then those of each control task
    scored : dict of scheme ("sentences", "types") to bool array (rows), words whose class is among their training words
    skipped : dict of what is left out: `missing` words without a label, `rare` classes with their words, and words
        whose class has no training words, per scheme
    reason : str or None, why it is not probed
    """

    name: str
    classes: list[str] = field(default_factory=list)
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    codes: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=int))
    scored: dict[str, np.ndarray] = field(default_factory=dict)
    skipped: Section = field(default_factory=dict)
    reason: str | None = None


def sentence_groups(words: pd.DataFrame, block: int = 20) -> np.ndarray:
    """Group number of every word: its sentence, or a block of consecutive words where the table has no sentences.

    A word whose sentence is null belongs to that of the word before it.

    Parameters
    ----------
    words : pandas.DataFrame (n words)
        With `stimulus`, and `sentence` where it is known.
    block : int
        Words per group without sentences.

    Returns
    -------
    int array (n,)
    """
    if has_sentences(words):
        sentence = words.groupby("stimulus", sort=False)["sentence"].ffill()
        filled = words.assign(sentence=sentence)
        return filled.groupby(["stimulus", "sentence"], sort=False, dropna=False).ngroup().to_numpy()
    number = words.groupby("stimulus", sort=False).cumcount() // block
    return words.assign(number=number).groupby(["stimulus", "number"], sort=False).ngroup().to_numpy()


def has_sentences(words: pd.DataFrame) -> bool:
    """Whether the transcript says which sentence a word belongs to."""
    return "sentence" in words and bool(words["sentence"].notna().any())


def word_types(words: pd.DataFrame) -> np.ndarray:
    """Number of every word's type, capitals and Unicode's forms alike: int array (n,)."""
    return words["word"].map(folded).astype("category").cat.codes.to_numpy()


def concept_classes(
    words: pd.DataFrame, concept: Section, min_count: int
) -> tuple[np.ndarray, list[str], Section, str | None]:
    """Class of every word for one concept.

    Parameters
    ----------
    words : pandas.DataFrame
    concept : dict
        `name` (a column of `words`, or `position`: the word's number in its sentence); `missing`, values that mean "no
        label" beside null; `bins` where numbers are to be cut into so many equally filled classes.
    min_count : int
        Rarer classes are left out: they can't be learnt and scored over folds.

    Returns
    -------
    codes : int array (n,)
        -1 where the label is missing or its class too rare.
    classes : list of str
    skipped : dict
        `missing`: words without a label; `rare`: words of each class that is left out.
    reason : str or None
        Why there is nothing to probe.

    Raises
    ------
    InputError
        More than 10 numeric values and no `bins`; `bins` for what is not numeric.
    """
    labels, name = _labels(words, concept["name"]), concept["name"]
    if labels is None:
        return np.full(len(words), -1), [], {}, _absent(words, name)
    labels = labels.mask(labels.isin(concept.get("missing", [])))
    numeric = pd.api.types.is_numeric_dtype(labels)
    if concept.get("bins") and not numeric:
        raise InputError(f"states.probes.concepts: {name!r} has `bins`, but its values are {labels.dtype}, not numbers")
    if concept.get("bins"):
        labels = pd.qcut(labels, concept["bins"], duplicates="drop")
    elif numeric and labels.nunique() > 10:
        raise InputError(
            f"states.probes.concepts: {name!r} has {labels.nunique()} numeric values; give the concept `bins`, "
            "the number of equally filled classes to cut them into"
        )
    counts = labels.value_counts()
    common = sorted(counts.index[counts >= min_count])
    codes = pd.Categorical(labels, categories=common).codes.astype(np.int64)
    rare = {str(value): int(count) for value, count in counts.items() if 0 < count < min_count}
    skipped = {"missing": int(labels.isna().sum()), "rare": rare}
    reason = None
    if len(common) < 2:
        there = f"only {str(common[0])!r} has" if common else "no class has"
        reason = f"two classes of {min_count} words or more are needed, and {there} as many"
    return codes, [str(value) for value in common], skipped, reason


def _labels(words, name):
    """Labels of a concept; None where the transcript lacks them."""
    if name == POSITION and name not in words and has_sentences(words):
        return words.groupby(sentence_groups(words)).cumcount()
    return words[name] if name in words else None


def _absent(words, name):
    if name == POSITION:
        return "the transcript has no label 'sentence', within which words have a position"
    fixed = {"stimulus", "run", "index", "word", "onset", "offset", "char_start", "char_end", "sentence", "language"}
    return f"the transcript has no label {name!r}; there are: {', '.join(sorted(set(words) - fixed)) or 'none'}"


def control_codes(codes: np.ndarray, types: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Control task of Hewitt and Liang (2019): every word type gets one random label, from the concept's distribution.

    A draw that gives all types one label is no task and is drawn again.

    Parameters
    ----------
    codes : int array (n,)
        Classes of the words of one concept, none missing.
    types : int array (n,)
        Word type of each.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    int array (draws, n)
    """
    shares = np.bincount(codes) / codes.size
    _, inverse = np.unique(types, return_inverse=True)
    number = inverse.max() + 1
    drawn: list[np.ndarray] = []
    while len(drawn) < draws:
        labels = rng.choice(shares.size, size=number, p=shares)
        if number == 1 or np.ptp(labels) > 0:
            drawn.append(labels[inverse])
    return np.stack(drawn)


def assign_folds(groups: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of every word, whole groups to one fold, folds of nearly equal numbers of groups.

    Returns
    -------
    int array (n,)
    """
    _, inverse = np.unique(groups, return_inverse=True)
    number = inverse.max() + 1
    if number < n_folds:
        raise InputError(f"states.probes.folds: {n_folds} folds need as many sentences, the words have {number}")
    return rng.permutation(np.arange(number) % n_folds)[inverse]


def held_out_sentences(groups: np.ndarray, n_folds: int, rng: np.random.Generator) -> Splits:
    """Splits in which a sentence is never on both sides: list of (training, test) bool arrays (n,)."""
    folds = assign_folds(groups, n_folds, rng)
    return [(folds != fold, folds == fold) for fold in range(n_folds)]


def held_out_types(groups: np.ndarray, types: np.ndarray, rng: np.random.Generator) -> Splits:
    """Splits in which neither a sentence nor a word type is on both sides; every word is tested once.

    Word types alone would leave the words around a test word in training, which know of the same sentence.
    """
    sentences, kinds = (assign_folds(labels, THIRDS, rng) for labels in (groups, types))
    return [
        ((sentences != i) & (kinds != j), (sentences == i) & (kinds == j)) for i in range(THIRDS) for j in range(THIRDS)
    ]


def learning_splits(splits: Splits, groups: np.ndarray, share: float, seed: int) -> Splits:
    """The same tests with a share of the training sentences; a smaller share's are among a larger one's."""
    reduced = []
    for number, (train, test) in enumerate(splits):
        order = np.random.default_rng([seed, number]).permutation(np.unique(groups[train]))
        kept = order[: max(round(share * len(order)), 1)]
        reduced.append((train & np.isin(groups, kept), test))
    return reduced


def trained_classes(codes: np.ndarray, splits: Splits) -> np.ndarray:
    """Words whose own class is among the training words of the split that tests them.

    Parameters
    ----------
    codes : int array (n,)
    splits : list of (training, test) bool arrays (n,)

    Returns
    -------
    bool array (n,)
    """
    known = np.zeros(len(codes), dtype=bool)
    for train, test in splits:
        known |= test & np.isin(codes, codes[train])
    return known
