"""Which tokens make up which word, and which tokens a model sees before them."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from triphase.core.errors import InputError
from triphase.core.types import Section

# Least context of a strided window where a study names none, as a share of the greatest.
LEAST_SHARE = 0.75


def encode_text(tokenizer: Any, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of a text without special tokens, and the characters that each token stands for.

    Many tokenizers put a space before a text that has none ("▁" of SentencePiece, "Ġ" where `add_prefix_space` is
    set). Where that is a token of its own its offsets claim the text's first character, which the next token stands
    for: such a token stands for no character, here as before any later word, where its offsets are those of the space.

    What looks like a special token ("<unk>" of a transcript) is text here like any other: a model would take the mark
    itself for the end of a document, or for something it has never seen.

    Parameters
    ----------
    tokenizer : fast tokenizer
    text : str

    Returns
    -------
    ids : int array (n_tokens,)
    offsets : int array (n_tokens, 2), first and one-past-last character; equal where a token stands for none
    """
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, split_special_tokens=True)
    ids = np.asarray(encoded["input_ids"], int)
    offsets = np.array(encoded["offset_mapping"], int).reshape(-1, 2)
    for token in np.flatnonzero(offsets[1:, 0] <= offsets[:-1, 0]):
        # Two tokens that begin at one character are bytes of it, or the second one is the character.
        claimed = text[slice(*offsets[token])]
        if claimed.strip() and not tokenizer.decode([int(ids[token])]).strip():
            offsets[token] = offsets[token, 0]
    return ids, offsets


def tokens_of_words(
    offsets: ArrayLike, spans: ArrayLike, text: str, stimulus: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Assign tokens to words by the characters that they share; white space is ignored.

    A token belongs to every word whose characters it overlaps. Byte tokens that share one character all belong to that
    character's word.

    Parameters
    ----------
    offsets : int array (n_tokens, 2)
        First and one-past-last character of each token in `text`, from `encode_text`.
    spans : int array (n_words, 2), first and one-past-last character of each word in `text`, sorted
    text : str
    stimulus : str, named in the error

    Returns
    -------
    first, last : int arrays (n_words,)
        First and last token of each word (both inclusive).

    Raises
    ------
    InputError
        A word has no token.
    """
    offsets, spans = np.asarray(offsets, int).reshape(-1, 2), np.asarray(spans)
    starts, ends = _without_space(offsets, text)
    solid = np.flatnonzero(ends > starts)
    # Tokens are in text order, so both ends are sorted and a word's tokens are one contiguous stretch.
    first = np.searchsorted(ends[solid], spans[:, 0], side="right")
    last = np.searchsorted(starts[solid], spans[:, 1], side="left") - 1
    missing = np.flatnonzero((first > last) | (first >= solid.size))
    if missing.size:
        word = missing[0]
        begin, end = spans[word]
        raise InputError(
            f"stimulus {stimulus!r}, word {word} ({text[begin:end]!r}, characters {begin}-{end}): the tokenizer gives "
            "it no token; use a tokenizer that covers the script of the transcript"
        )
    return solid[first], solid[last]


def _without_space(offsets, text):
    """Token spans with leading and trailing white space taken off; those of white space alone are empty."""
    there = np.array([not character.isspace() for character in text], dtype=bool)
    places = np.arange(len(text))
    # The next character that is no white space from each place on, and the end of the last one before each place.
    following = np.minimum.accumulate(np.append(np.where(there, places, len(text)), len(text))[::-1])[::-1]
    preceding = np.maximum.accumulate(np.insert(np.where(there, places + 1, 0), 0, 0))
    starts = following[offsets[:, 0]]
    return starts, np.maximum(preceding[offsets[:, 1]], starts)


def least_context(context: Section) -> int:
    """Least number of preceding tokens of a `context` (min, max): 3/4 of the greatest where `min` is null."""
    least = context.get("min")
    return int(np.ceil(LEAST_SHARE * context["max"])) if least is None else least


def context_windows(n_tokens: int, minimum: int, maximum: int) -> np.ndarray:
    """Strided windows in which every token has between `minimum` and `maximum` preceding tokens of the text.

    Text starts have what there is. With `minimum == maximum` there is one window per token; wider bands are cheaper,
    since one window then serves `maximum - minimum + 1` tokens. All windows have the same length, that of
    `maximum + 1` tokens, or of the text where it is shorter.

    Parameters
    ----------
    n_tokens : int
    minimum, maximum : int, preceding tokens, 0 <= minimum <= maximum

    Returns
    -------
    int array (n_windows, 3): start, stop, keep
        Tokens [start, stop) are the window; those from `keep` on are taken from it. Each token is taken exactly once.
    """
    if not 0 <= minimum <= maximum:
        raise InputError(f"activations/context: min {minimum} and max {maximum} must satisfy 0 <= min <= max")
    length = min(maximum + 1, n_tokens)
    keep = np.arange(length, n_tokens, maximum - minimum + 1)
    stop = np.append(keep[1:], n_tokens)[: len(keep)]
    first = np.array([[0, length, 0]])
    return np.concatenate([first, np.stack([stop - length, stop, keep], axis=1)])


def word_windows(first: np.ndarray, last: np.ndarray, maximum: int, stimulus: str = "") -> np.ndarray:
    """One window per word: it ends with the word's last token, which has at most `maximum` tokens before it.

    This is what published analyses do. Tokens of a word before its last one are taken from the same window, so that
    they have fewer tokens before them.

    Parameters
    ----------
    first, last : int arrays (n_words,), from `tokens_of_words`
    maximum : int
    stimulus : str, named in the error

    Returns
    -------
    int array (n_words, 3): start, stop, keep, as of `context_windows`

    Raises
    ------
    InputError
        A word has more tokens than a window.
    """
    start = np.maximum(last - maximum, 0)
    if (long := np.flatnonzero(first < start)).size:
        word, tokens = long[0], last[long[0]] - first[long[0]] + 1
        raise InputError(
            f"activations/context/max: {maximum} preceding tokens are too few for word {word} of stimulus "
            f"{stimulus!r}, which has {tokens} tokens: at least {tokens - 1}"
        )
    return np.stack([start, last + 1, first], axis=1)
