"""Fixed inputs of a model: repeated random tokens, and windows of a text. The same at every checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from triphase.activations.tokens import encode_text
from triphase.activations.windows import sink_token
from triphase.core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Tokens of a window: what a model is given, and what it should go on with (Carlini et al. 2023 have 50 and 50).
PROMPT, CONTINUATION = 32, 16
SEQUENCES = 16  # of random tokens: a head's score is their mean over all positions, some hundreds
WINDOWS = 64  # of a text at most: 3,072 tokens, whose attention takes seconds


def repeated_tokens(
    tokenizer: "PreTrainedTokenizerBase",
    sequences: int,
    length: int,
    seed: int,
    limit: int | None = None,
    rows: int | None = None,
) -> np.ndarray:
    """Random tokens, said twice: the test of induction heads (Olsson et al. 2022).

    Tokens are uniform over the vocabulary without special tokens. None is twice in a sequence, so that each has exactly
    one earlier occurrence when it comes again.

    Parameters
    ----------
    tokenizer : fast tokenizer
    sequences, length : int
        How many, and tokens of each before it comes again.
    seed : int
    limit : int, optional
        Positions that the model has.
    rows : int, optional
        Rows of the model's embedding: tokens that were added to the tokenizer beyond them are not drawn.

    Returns
    -------
    int64 array (sequences, 1 + 2 * length), BOS first

    Raises
    ------
    InputError
        The model has too few positions, or the vocabulary too few tokens.
    """
    known = np.setdiff1d(np.arange(min(len(tokenizer), rows or len(tokenizer))), tokenizer.all_special_ids)
    most = min(len(known), (limit - 1) // 2 if limit else len(known))
    if length > most:
        raise InputError(
            f"states/mechanism/length: {length} tokens, said twice behind BOS, do not fit a model of {limit} positions "
            f"and {len(known)} tokens: at most {most}"
        )
    rng = np.random.default_rng(seed)
    once = np.stack([rng.choice(known, length, replace=False) for _ in range(sequences)])
    return np.concatenate([np.full((sequences, 1), sink_token(tokenizer)), once, once], axis=1)


def text_windows(
    tokenizer: "PreTrainedTokenizerBase", texts: list[str], number: int, limit: int | None = None
) -> np.ndarray:
    """Windows of prompt and continuation that do not overlap, evenly spaced over all texts.

    Parameters
    ----------
    tokenizer : fast tokenizer
    texts : list of str
    number : int
        Windows at most.
    limit : int, optional
        Positions that the model has.

    Returns
    -------
    int64 array (n, 1 + PROMPT + CONTINUATION), BOS first; n is 0 where no text is that long

    Raises
    ------
    InputError
        The model has too few positions.
    """
    size = PROMPT + CONTINUATION
    if limit and limit < 1 + size:
        raise InputError(
            f"states/mechanism: {PROMPT} tokens of a text, {CONTINUATION} to go on with and BOS do not fit a model of "
            f"{limit} positions; set states/mechanism to null"
        )
    ids = [encode_text(tokenizer, text)[0] for text in texts]
    whole = np.concatenate([own[: len(own) // size * size].reshape(-1, size) for own in ids])
    chosen = np.linspace(0, len(whole) - 1, min(number, len(whole))).round().astype(int)
    return np.insert(whole[chosen], 0, sink_token(tokenizer), axis=1)


def stimulus_texts(words: pd.DataFrame) -> list[str]:
    """The running text of every stimulus of the words' table; of annotations each once, since they last for seconds.

    Returns
    -------
    list of str
    """
    if words.attrs["unit"] == "word":
        return list(words.attrs["texts"].values())
    return ["\n".join(dict.fromkeys(own)) for _, own in words.groupby("stimulus", sort=False)["word"]]


def read_text(path: str | Path) -> str:
    """Content of a UTF-8 text file; InputError where it is none."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"states/mechanism/unseen: {path} cannot be read as UTF-8 text ({error})") from None
