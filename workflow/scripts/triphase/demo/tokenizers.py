"""Tokenizers trained on a model's own training text, and on nothing else.

Both kinds lose no character, so text -> tokens -> text is the identity and every word has character offsets.
"""

from collections.abc import Iterable
from typing import Any

import tokenizers as tk
from transformers import PreTrainedTokenizerFast

from triphase.core.errors import InputError
from triphase.core.types import Section

END = "<|endoftext|>"


def train_tokenizer(kind: str, texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a fast tokenizer.

    Parameters
    ----------
    kind : {"bpe", "wordpiece"}
        Byte-pair encoding (words are split by its merges, in order) or WordPiece (longest entry first); both over
        bytes.
    texts : the training text
    vocabulary : number of entries at most, the end-of-text token included

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        Its end-of-text token serves as beginning, end and padding.

    Raises
    ------
    InputError
        For another kind.
    """
    shared: Section = {"initial_alphabet": tk.pre_tokenizers.ByteLevel.alphabet(), "show_progress": False}
    if kind == "bpe":
        tokenizer = tk.Tokenizer(tk.models.BPE())
        trainer: Any = tk.trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=[END], **shared)
    elif kind == "wordpiece":
        # No prefix on continuing pieces: every single byte then stands in the vocabulary and nothing is ever unknown.
        model = tk.models.WordPiece(unk_token=END, max_input_chars_per_word=10**6, continuing_subword_prefix="")
        tokenizer = tk.Tokenizer(model)
        trainer = tk.trainers.WordPieceTrainer(
            vocab_size=vocabulary, special_tokens=[END], continuing_subword_prefix="", **shared
        )
    else:
        raise InputError(f"train.tokenizer.kind: {kind!r} is not known; it must be 'bpe' or 'wordpiece'.")
    tokenizer.pre_tokenizer = tk.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tk.decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END, pad_token=END)
