"""N2: a static lexical band, which knows which words were heard and nothing of their meaning, order or context."""

import re
from functools import cache
from hashlib import blake2b

import numpy as np
import pandas as pd

from triphase.core.texts import composed, folded
from triphase.encoding.bands import reduced_band, word_scans
from triphase.encoding.features import Timeline
from triphase.stimuli.languages import spaced


def lexical_band(
    words: pd.DataFrame,
    timeline: Timeline,
    outer: np.ndarray,
    size: dict[str, int],
    *,
    seed: int,
    language: str = "en",
    unit: str = "word",
) -> np.ndarray:
    """Word identity as it enters a fit: projected at random, reduced on the rows that train, delayed.

    A word's vector is drawn from its own name (`word_vector`), so the projection of the one-hot identity is fixed and
    sees no data. Which of its directions are kept is decided on training rows (`reduced_band`).

    Parameters
    ----------
    words : DataFrame, the words table
    timeline : Timeline
    outer : int8 array (n_splits, n_scans) of codes
    size : dict
        `dimensions` of the random projection, and `components` kept of it (before delays).
    seed : int
    language, unit : str, as in the words table's metadata, see `word_forms`

    Returns
    -------
    float32 array (n_splits, n_scans, min(components, dimensions) * n_delays)
    """
    texts = words["word"].tolist()
    forms = {text: word_forms(text, language, unit) for text in dict.fromkeys(texts)}
    vectors = {
        text: np.mean([word_vector(form, size["dimensions"], seed) for form in each], axis=0)
        for text, each in forms.items()
    }
    values = np.stack([vectors[text] for text in texts])
    features, rows = word_scans(values, words, words, timeline)
    return reduced_band(features, rows, timeline, outer, size["components"])[0]


@cache
def word_vector(form: str, dimensions: int, seed: int) -> np.ndarray:
    """Standard normal vector of a word form: that of its name and the seed, the same in every study."""
    name = blake2b(f"{seed} {composed(form)}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(name, "big")).standard_normal(dimensions)


def word_forms(text: str, language: str = "en", unit: str = "word") -> list[str]:
    """Words of a text whose identities are averaged, folded: capitals and Unicode's forms make no other word.

    A word is itself, with what the transcript writes in it. An annotation is its words; in a language without spaces
    its characters, because a segmenter would bring in what it has learnt.
    """
    text = folded(text)
    if unit != "annotation":
        return [text]
    pattern = r"[\w'’-]*\w[\w'’-]*" if spaced(language) else r"\w"
    return re.findall(pattern, text) or [text]
