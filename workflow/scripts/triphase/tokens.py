"""Which tokens make up which word, and which tokens a model sees before them."""

import numpy as np

from triphase.errors import InputError


def tokens_of_words(offsets, spans, text, stimulus=""):
    """Assign tokens to words by the characters that they share; white space is ignored.

    A token belongs to every word whose characters it overlaps. Byte tokens that share one character all belong to that
    character's word.

    Parameters
    ----------
    offsets : int array (n_tokens, 2)
        First and one-past-last character of each token in `text`, from a fast tokenizer.
    spans : int array (n_words, 2)
        First and one-past-last character of each word in `text`, sorted.
    text : str
    stimulus : str
        Named in the error.

    Returns
    -------
    first, last : int arrays (n_words,)
        First and last token of each word (both inclusive).

    Raises
    ------
    InputError
        A word has no token.
    """
    offsets, spans = np.asarray(offsets), np.asarray(spans)
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
    """Token spans with leading and trailing white space taken off."""
    starts, ends = offsets[:, 0].copy(), offsets[:, 1].copy()
    for token, (start, end) in enumerate(offsets):
        piece = text[start:end]
        starts[token] += len(piece) - len(piece.lstrip())
        ends[token] -= len(piece) - len(piece.rstrip())
    return starts, np.maximum(ends, starts)


def context_windows(n_tokens, minimum, maximum):
    """Strided windows in which every token has between `minimum` and `maximum` preceding tokens of the text.

    Text starts have what there is. With `minimum == maximum` there is one window per token (the exact protocol of the
    literature); wider bands are cheaper, since one window then serves `maximum - minimum + 1` tokens.

    Parameters
    ----------
    n_tokens : int
    minimum, maximum : int
        Preceding tokens, 0 <= minimum <= maximum.

    Returns
    -------
    list of (start, stop, keep)
        Tokens [start, stop) are the window; those from `keep` on are taken from it. Each token is taken exactly once.
    """
    if not 0 <= minimum <= maximum:
        raise InputError(f"activations/context: min {minimum} and max {maximum} must satisfy 0 <= min <= max")
    length = maximum + 1
    windows = [(0, min(length, n_tokens), 0)]
    while windows[-1][1] < n_tokens:
        keep = windows[-1][1]
        stop = min(keep + maximum - minimum + 1, n_tokens)
        windows.append((stop - length, stop, keep))
    return windows
