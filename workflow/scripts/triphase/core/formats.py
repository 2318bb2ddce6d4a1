"""What checkpoints are made of: names of the files of a tokenizer, and bytes of a number by its type."""

from collections.abc import Iterable

# Any of these sets of files is a tokenizer; `tokenizer_config.json` only says how one is used.
TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("tokenizer.model",))
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def has_tokenizer(names: Iterable[str]) -> bool:
    """Whether the files of a tokenizer are among names of files."""
    there = set(names)
    return any(there.issuperset(files) for files in TOKENIZERS)


def tokenizer_files() -> str:
    """The sets of files that are a tokenizer, for messages."""
    return " or ".join(" with ".join(files) for files in TOKENIZERS)
