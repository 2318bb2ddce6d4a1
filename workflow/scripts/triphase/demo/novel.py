"""Training text from a novel of which one part is the stimulus and must not be trained on."""

import re
from pathlib import Path

from triphase.errors import InputError

SHARED = 8  # words: a longer passage in common is a copy, not a turn of phrase


def later_chapters(path, first, last=None):
    """The part of a text from the line that starts with `first` up to the line that starts with `last` (or its end).

    Returns
    -------
    documents : list of str
        Paragraphs of the part, lines joined.
    held_out : str
        All that stands before it.

    Raises
    ------
    InputError
        The file is missing, a heading is missing or stands there twice, or the part shares a passage of `SHARED` words
        with what is held out.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"train.corpus.path: {path} can't be read as UTF-8 text ({error}).") from error
    start = heading(text, first, path, "from")
    end = heading(text, last, path, "to") if last else len(text)
    if not 0 < start < end:
        raise InputError(f"train.corpus: {first!r} must stand after the held-out part and before {last!r} in {path}.")
    documents = [" ".join(block.split()) + "\n" for block in re.split(r"\n\s*\n", text[start:end]) if block.strip()]
    check_held_out(documents, text[:start])
    return documents, text[:start]


def heading(text, words, path, key):
    """Position of the one line that starts with `words`."""
    found = [match.start() for match in re.finditer(rf"^{re.escape(words)}(?!\w)", text, flags=re.MULTILINE)]
    if len(found) != 1:
        raise InputError(f"train.corpus.{key}: {len(found)} lines of {path} start with {words!r}; it must be one.")
    return found[0]


def check_held_out(documents, held_out, length=SHARED):
    """Raise InputError when any run of `length` words of the held-out text occurs in the training text.

    Words are compared in lower case without punctuation, inside documents.
    """
    kept = set(passages(held_out, length))
    for document in documents:
        for passage in passages(document, length):
            if passage in kept:
                raise InputError(
                    f"train.corpus: the training text holds {' '.join(passage)!r}, {length} words in a row of the "
                    "held-out stimulus; train on text that starts after it."
                )


def passages(text, length):
    """All runs of so many words, as tuples."""
    words = re.findall(r"[^\W_]+(?:['’][^\W_]+)?", text.lower())
    return zip(*(words[shift:] for shift in range(length)), strict=False)
