"""Files of word vectors in the text format of word2vec and GloVe: one row a word, then its numbers, parted by spaces.

Snakemake imports this at every start: nothing heavy.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from pathlib import Path

from triphase.core.content import check_content
from triphase.core.errors import InputError
from triphase.core.lazy import np
from triphase.core.tables import NUMBER
from triphase.core.texts import folded

log = logging.getLogger(__name__)

KEY = "encoding/static/vectors"
MOST_NAMES = 5  # of words in messages


def layout(path: str | Path) -> tuple[int, int | None]:
    """How many numbers a row has, and how many rows the first row says that there are, as word2vec's does; else None.

    Raises
    ------
    InputError
        There is no such file, or its first row is no such row.
    """
    for number, line in _lines(path):
        fields = line.split()
        if len(fields) == 2 and all(field.isascii() and field.isdigit() and int(field) for field in fields):
            return int(fields[1]), int(fields[0])
        # From the right: a word may hold spaces.
        numbers = [bool(NUMBER.fullmatch(field)) for field in reversed(line.split(" ")[1:])]
        size = numbers.index(False) if False in numbers else len(numbers)
        if not size:
            raise _refused(path, number, line, "finite numbers")
        return size, None
    raise InputError(f"{KEY}: {path} is empty; it needs a row for each word")


def read_vectors(path: str | Path, wanted: Collection[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Vectors of the wanted words.

    Of several rows of one word the first counts, as in gensim; one that is written as the word is goes before others
    that differ from it in capitals or in Unicode's forms.

    Parameters
    ----------
    path : of the file, UTF-8
    wanted : words, folded (`triphase.core.texts.folded`)

    Returns
    -------
    known : dict of folded word to float32 array (n_numbers,)
    first : list of str, the first words of the file

    Raises
    ------
    InputError
        As of `layout`; or a row of a wanted word has another number of numbers, or one that is not finite.
    """
    (size, count), known, exact = layout(path), dict[str, np.ndarray](), set[str]()
    first, rows, lines = list[str](), 0, _lines(path)
    if count is not None:
        next(lines)
    for number, line in lines:
        word, *numbers = line.rsplit(" ", size)
        form, rows = folded(word), rows + 1
        if len(first) < MOST_NAMES:
            first.append(word)
        if len(numbers) == size and form not in wanted:
            own, *more = word.split(" ")
            if not more or folded(own) not in wanted or not all(map(NUMBER.fullmatch, more)):
                continue
            numbers = [*more, *numbers]
        if form in exact or (form in known and word != form):
            continue
        try:
            with np.errstate(over="ignore"):
                vector = np.array(numbers, dtype=np.float32)
        except ValueError:
            vector = np.zeros(0, np.float32)
        if len(vector) != size or not np.isfinite(vector).all():
            raise _refused(path, number, line, f"{size} finite numbers")
        known[form] = vector
        exact |= {form} & {word}
    if count not in (None, rows):
        log.warning("%s says that it has %d words, and has %d: is it cut short?", path, count, rows)
    return known, first


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Number and text of every line that has some."""
    check_content(path)
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if stripped := line.rstrip("\n "):
                    yield number, stripped
    except UnicodeDecodeError as error:
        raise InputError(
            f"{KEY}: {path} is not UTF-8 text ({error}); unpack a compressed file, and save a binary one of word2vec "
            "as text"
        ) from None


def _refused(path: str | Path, number: int, line: str, expected: str) -> InputError:
    found = next((f", and it has {name}" for sign, name in (("\t", "tabs"), (",", "commas")) if sign in line), "")
    return InputError(
        f"{KEY}: {path}, line {number}: {line[:60]!r} is not a word and {expected} parted by spaces{found}"
    )
