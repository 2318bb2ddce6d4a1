"""What a model is run on for the words, or annotations, of a study: windows of tokens, and what is taken from each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from triphase.activations.tokens import context_windows, encode_text, least_context, tokens_of_words, word_windows
from triphase.checkpoints.behaviour import text_config
from triphase.core.errors import InputError
from triphase.core.types import Section

# Largest share of a batch that may be padding.
PADDING = 0.125


@dataclass(frozen=True)
class Plan:
    """Windows over the tokens of all stimuli, and the words that each window serves.

    Every window begins with the BOS token (EOS where the tokenizer has no BOS), in every model, and special tokens
    never enter a pool: otherwise the first word would absorb the attention sink in some models only.

    Attributes
    ----------
    ids : int array (n_tokens,), token ids of all texts, one after the other, without special tokens
    sink : int, the id that every window begins with
    windows : int array (n_windows, 2), first and one-past-last token
    entries : int array (n_entries, 4): window, word, first token, one-past-last token
        Which tokens of which word are taken from which window, sorted by window. A word may be in several windows.
    first, last : int arrays (n_words,), first and last token of each word
    preceding : int32 array (n_words,), text tokens before the word's last token in its window
    stimuli : array of str (n_words,)
    """

    ids: np.ndarray
    sink: int
    windows: np.ndarray
    entries: np.ndarray
    first: np.ndarray
    last: np.ndarray
    preceding: np.ndarray
    stimuli: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Positions of each window, BOS among them: int array (n_windows,)."""
        return self.windows[:, 1] - self.windows[:, 0] + 1


def plan_words(
    tokenizer: Any, texts: dict[str, tuple[str, np.ndarray]], context: Section, limit: int | None = None
) -> Plan:
    """Windows for every word of running texts, by the study's context rule.

    Parameters
    ----------
    tokenizer : fast tokenizer
    texts : dict of str to (str, int array (n_words, 2))
        Running text and characters of each word, by stimulus.
    context : dict
        `max` and `min` (null: 3/4 of it) preceding tokens, see `context_windows`; `stride` 1: see `word_windows`.
    limit : int, optional, positions that the model has

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        A word without a token or longer than a window, or windows longer than the model's context.
    """
    most = context["max"]
    if limit and most + 2 > limit:
        raise InputError(
            f"activations/context/max: {most} preceding tokens do not fit the model's context of {limit} "
            f"(one position each for BOS and for the token itself): at most {limit - 2}"
        )
    parts = []
    for stimulus, (text, spans) in texts.items():
        ids, offsets = encode_text(tokenizer, text)
        first, last = tokens_of_words(offsets, spans, text, stimulus)
        if context.get("stride") == 1:
            windows = word_windows(first, last, most, stimulus)
            words = np.arange(len(first))
            entries = np.stack([words, words, first, last + 1], axis=1)
        else:
            windows = context_windows(len(ids), least_context(context), most)
            entries = _shared_windows(windows, first, last)
        parts.append((ids, windows[:, :2], entries, first, last, stimulus))
    return _joined(parts, sink_token(tokenizer))


def plan_annotations(tokenizer: Any, texts: dict[str, list[str]], limit: int | None = None, block: int = 1024) -> Plan:
    """Windows for texts that are read alone: BOS and one text, so that nothing of another text is context.

    Parameters
    ----------
    tokenizer : fast tokenizer
    texts : dict of str to list of str, annotations by stimulus
    limit : int, optional, positions that the model has
    block : int, of so many annotations one after the other, those that are equal are run once

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        A text without a token, or too long for the model.
    """
    parts = []
    for stimulus, rows in texts.items():
        for start in range(0, len(rows), block):
            own = rows[start : start + block]
            place = {text: window for window, text in enumerate(dict.fromkeys(own))}
            found = [_tokens_of_text(tokenizer, text, limit, f"{stimulus!r}, {text[:30]!r}") for text in place]
            stops = np.cumsum([len(ids) for ids, _ in found])
            starts = np.append(0, stops[:-1])
            solid = np.array([span for _, span in found]) + starts[:, None]
            window = np.array([place[text] for text in own])
            first, last = solid[window].T
            entries = np.stack([window, np.arange(len(own)), first, last + 1], axis=1)
            ids = np.concatenate([ids for ids, _ in found])
            entries = entries[np.argsort(window, kind="stable")]
            parts.append((ids, np.stack([starts, stops], axis=1), entries, first, last, stimulus))
    return _joined(parts, sink_token(tokenizer))


def batches(plan: Plan, windows: int | None, tokens: int | None, stretch: int) -> Iterator[np.ndarray]:
    """Windows in batches of nearly equal length, close to the order of the text; those that serve no word are left out.

    Parameters
    ----------
    plan : Plan
    windows, tokens : int or None, largest number of windows of a batch, and of its positions with padding
    stretch : int
        Windows of different length are sorted within stretches of so many words: what is out of order has to wait.

    Yields
    ------
    int array of windows
    """
    lengths = plan.lengths
    part = np.zeros(len(lengths), int)
    part[plan.entries[:, 0]] = plan.entries[:, 1] // stretch
    # Up in one stretch and down in the next: a batch may reach over their border.
    served = np.unique(plan.entries[:, 0])
    order = served[np.lexsort((np.where(part % 2, -lengths, lengths)[served], part[served]))]
    start, longest, total = 0, 0, 0
    for place, length in enumerate(lengths[order].tolist()):
        longest, total, size = max(longest, length), total + length, place - start + 1
        full = (windows and size > windows) or (tokens and size * longest > tokens)
        if size > 1 and (full or total < (1 - PADDING) * size * longest):
            yield order[start:place]
            start, longest, total = place, length, length
    if len(order):
        yield order[start:]


def longest_input(model: Any) -> int | None:
    """Positions that a model has; None where it names no limit."""
    return getattr(text_config(model), "max_position_embeddings", None)


def sink_token(tokenizer: Any) -> int:
    """Id of the token that every window begins with: BOS, or EOS where there is none; InputError without either."""
    sink = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if sink is None:
        raise InputError(f"models: the tokenizer of {tokenizer.name_or_path!r} has neither a BOS nor an EOS token")
    return sink


def ranges(starts: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All integers of [start, stop) for each pair, one after the other, and which pair each comes from."""
    sizes = stops - starts
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + starts[owner], owner


def _shared_windows(windows, first, last):
    """Entries (see `Plan`) of windows that serve all words with tokens in [keep, stop)."""
    keep, stop = windows[:, 2], windows[:, 1]
    words, window = ranges(np.searchsorted(last, keep), np.searchsorted(first, stop))
    begin, end = np.maximum(first[words], keep[window]), np.minimum(last[words] + 1, stop[window])
    return np.stack([window, words, begin, end], axis=1)


def _joined(parts, sink):
    """One plan of the stimuli's own: numbers of tokens, windows and words run on."""
    ids, windows, entries, first, last, stimuli = [], [], [], [], [], []
    tokens = n_windows = words = 0
    for own_ids, own_windows, own_entries, own_first, own_last, stimulus in parts:
        ids.append(own_ids)
        windows.append(own_windows + tokens)
        entries.append(own_entries + [n_windows, words, tokens, tokens])
        first.append(own_first + tokens)
        last.append(own_last + tokens)
        stimuli += [stimulus] * len(own_first)
        tokens, n_windows, words = tokens + len(own_ids), n_windows + len(own_windows), words + len(own_first)
    windows, entries, last = np.concatenate(windows), np.concatenate(entries), np.concatenate(last)
    preceding = np.zeros(words, np.int32)
    final = entries[entries[:, 3] == last[entries[:, 1]] + 1]
    preceding[final[:, 1]] = last[final[:, 1]] - windows[final[:, 0], 0]
    return Plan(np.concatenate(ids), sink, windows, entries, np.concatenate(first), last, preceding, np.array(stimuli))


def _tokens_of_text(tokenizer, text, limit, where):
    """Token ids of one text, with the first and last of them that are not white space."""
    ids, offsets = encode_text(tokenizer, text)
    if limit and len(ids) + 1 > limit:
        raise InputError(
            f"stimulus {where}...: an annotation of {len(ids)} tokens does not fit the model's context of {limit} (one "
            "position for BOS); shorten it, or take a model of longer context"
        )
    try:
        first, last = tokens_of_words(offsets, [[0, len(text)]], text)
    except InputError:
        raise InputError(
            f"stimulus {where}...: the tokenizer gives this annotation no token; use one that covers its script"
        ) from None
    return ids, (int(first[0]), int(last[0]))
