"""Training text from a novel of which one part is the stimulus and must not be trained on."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from triphase.core.errors import InputError

SHARED = 8  # words: a longer passage in common is a copy, not a turn of phrase


def later_chapters(path: str | Path, first: str, last: str | None = None) -> list[str]:
    """The part of a text from the line that starts with `first` up to the line that starts with `last` (or its end).

    Returns
    -------
    list of str
        Paragraphs of the part, lines joined.

    Raises
    ------
    InputError
        The file is missing or no UTF-8 text, a heading is missing or stands there twice.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"train.corpus.path: {path} can't be read as UTF-8 text ({error}).") from error
    except OSError as error:
        raise InputError(f"train.corpus.path: {path} can't be read ({error.strerror}).") from error
    start = heading(text, first, path, "from")
    end = heading(text, last, path, "to") if last else len(text)
    if start >= end:
        raise InputError(f"train.corpus: {first!r} must stand before {last!r} in {path}.")
    return [" ".join(block.split()) + "\n" for block in re.split(r"\n\s*\n", text[start:end]) if block.strip()]


def heading(text: str, words: str, path: str | Path, key: str) -> int:
    """Position of the one line that starts with `words`."""
    found = [match.start() for match in re.finditer(rf"^{re.escape(words)}(?!\w)", text, flags=re.MULTILINE)]
    if len(found) != 1:
        raise InputError(f"train.corpus.{key}: {len(found)} lines of {path} start with {words!r}; it must be one.")
    return found[0]


def check_held_out(documents: Iterable[str], stimuli: Mapping[str, str]) -> None:
    """Raise InputError when `SHARED` words in a row of a stimulus occur in the training text.

    Parameters
    ----------
    documents : list of str
    stimuli : dict of stimulus to running text
        Words are compared in lower case without punctuation, so a transcript without any is compared well.
    """
    trained_on = set(passages(" ".join(documents)))
    for stimulus, text in stimuli.items():
        if shared := next((passage for passage in passages(text) if passage in trained_on), None):
            raise InputError(
                f"train.corpus: the training text holds {' '.join(shared)!r}, {SHARED} words in a row of the stimulus "
                f"{stimulus!r}, which no model may have seen; set `from` and `to` to a part without the stimulus."
            )


def passages(text: str) -> Iterator[tuple[str, ...]]:
    """All runs of `SHARED` words, as tuples."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower().replace("’", "'"))
    return zip(*(words[shift:] for shift in range(SHARED)), strict=False)
