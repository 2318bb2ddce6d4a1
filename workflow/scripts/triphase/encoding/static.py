"""Bands that say what a layer knows of single words: their static embedding, and how surprising the model found them.

A gain over the static embedding is *contextual*: what is left of a layer's when that of the words by themselves is
taken away. The embedding is the model's own layer 0 at the same checkpoint, or comes from a file and is the same for
all checkpoints. Surprisal is the checkpoint's own, from the pass that gave the activations.
"""

import logging
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.encoding.bands import reduced_band, word_scans
from triphase.encoding.features import Timeline, delay
from triphase.encoding.lexical import word_forms
from triphase.stimuli.frequency import LEAST_COVERAGE
from triphase.stimuli.vectors import MOST_NAMES, read_vectors

log = logging.getLogger(__name__)

EDGES = re.compile(r"^\W+|\W+$")


def surprisal_columns(bits: np.ndarray, words: pd.DataFrame, heard: pd.DataFrame, timeline: Timeline) -> np.ndarray:
    """Surprisal as it joins the nuisance features, sampled and delayed as they are.

    Parameters
    ----------
    bits : float array (n_activation_words,)
        Of each word; those without one have the mean of the others.
    words, heard, timeline : see `triphase.encoding.bands.word_scans`

    Returns
    -------
    float array (n_scans, n_delays)
    """
    bits = np.asarray(bits, float)
    known = np.where(np.isfinite(bits), bits, np.nanmean(bits))
    features, rows = word_scans(known[:, None], words, heard, timeline)
    return delay(features, rows, timeline.column_delays)


def static_band(
    values: np.ndarray,
    words: pd.DataFrame,
    heard: pd.DataFrame,
    timeline: Timeline,
    outer: np.ndarray,
    components: int,
) -> tuple[np.ndarray, float]:
    """The static embedding as it enters a fit, and the share of its variance that is kept (`reduced_band`).

    Parameters
    ----------
    values : float array (n_activation_words, n_numbers)
    words, heard, timeline : see `triphase.encoding.bands.word_scans`
    outer : int8 array (n_splits, n_scans) of codes
    components : int
    """
    band, share = reduced_band(*word_scans(values, words, heard, timeline), timeline, outer, components)
    log.info("the static band keeps %.1f %% of the embedding's variance on scans that train", 100 * share)
    return band, share


def vectors_of_words(path: str | Path, words: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Vectors of a study's words from a text file in the format of word2vec or GloVe (`triphase.stimuli.vectors`).

    An annotation has the mean over its words (`word_forms`); what the file does not know has the mean over what it
    does, so that it says nothing.

    Parameters
    ----------
    path : of the file, UTF-8
    words : DataFrame, the words table, with `language` and `unit` in its metadata

    Returns
    -------
    values : float32 array (n_words, n_numbers)
    coverage : float, share of the words that have a vector

    Raises
    ------
    InputError
        The file is no such text, or knows less than half of the words, or all of these alike.
    """
    about = words.attrs["language"], words.attrs["unit"]
    texts = words["word"].tolist()
    forms = {text: [(form, EDGES.sub("", form)) for form in word_forms(text, *about)] for text in dict.fromkeys(texts)}
    wanted = {name for each in forms.values() for names in each for name in names if name}
    known, first = read_vectors(path, wanted)
    found = {}
    for text, each in forms.items():
        there = [known[next(name for name in names if name in known)] for names in each if known.keys() & set(names)]
        if there:
            found[text] = np.mean(there, axis=0)
    covered = np.array([text in found for text in texts])
    coverage = float(covered.mean())
    missing = Counter(text for text in texts if text not in found).most_common(MOST_NAMES)
    named = ", ".join(f"{text!r} ({count})" for text, count in missing)
    if coverage < LEAST_COVERAGE:
        raise InputError(
            f"encoding/static/vectors: {path} has a vector for {coverage:.0%} of the {len(texts)} words, and at least "
            f"{LEAST_COVERAGE:.0%} are needed; not in it, the most frequent first: {named}; its first rows are of "
            f"{', '.join(map(repr, first))}. Is it of the language of the transcript ({about[0]}), and written as its "
            "words are?"
        )
    if missing:
        log.info("%s has a vector for %.1f %% of the words; not in it: %s", path, 100 * coverage, named)
    values = np.zeros((len(texts), len(next(iter(found.values())))), np.float32)
    if not np.ptp(list(found.values()), axis=0).any():
        raise InputError(f"encoding/static/vectors: {path} has the same vector for all words of the transcript")
    values[covered] = [found[text] for text, there in zip(texts, covered, strict=True) if there]
    values[~covered] = values[covered].mean(0)
    return values, coverage
