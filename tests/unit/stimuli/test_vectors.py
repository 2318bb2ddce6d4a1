"""Files of word vectors as programs and people leave them: read alike, or refused by line with what would be right."""

import gzip
import logging
import unicodedata

import numpy as np
import pytest

from triphase.core.errors import InputError
from triphase.stimuli.vectors import layout, read_vectors

WORDS = {"the": [1, 0], "café": [0, 1], "new york": [2, -2.5]}
ROWS = [" ".join([word, *map(str, numbers)]) for word, numbers in WORDS.items()]
TEXT = "\n".join(ROWS)


def read(tmp_path, content, wanted=WORDS):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_vectors(path, set(wanted))[0]


@pytest.mark.parametrize(
    "content",
    [
        TEXT, f"3 2\n{TEXT}\n", f"3\t2\n{TEXT}", "3 2\n" + TEXT.replace("\n", " \n") + " \n", f"\ufeff{TEXT}",
        f"\ufeff3 2\n{TEXT}", TEXT.replace("\n", "\r\n"), f"{TEXT}\n\n", TEXT.replace("\n", "\n\n"),
        unicodedata.normalize("NFD", TEXT), TEXT.title(), f"dog 5 5 5\n{TEXT}".replace("dog 5 5 5", "at the dog 5 5"),
        "\n".join(reversed(ROWS)), f"THE 9 9\n{TEXT}\nThe 8 8\nthe 7 7", f"3 2\n\n{TEXT}",
    ],
)  # fmt: skip
def test_what_programs_write_is_read_alike(tmp_path, content):
    """Of several rows of one word, the first that is written as it is."""
    found = read(tmp_path, content)
    assert found.keys() == WORDS.keys()
    for word, numbers in WORDS.items():
        np.testing.assert_allclose(found[word], numbers)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("the 1 0\ncafé 0 1 2\n", r"line 2: 'café 0 1 2' is not a word and 2 finite numbers"),
        ("the 1 0\ndog 0\n", r"line 2: 'dog 0' is not"), ("the 1 0\ncafé 0 1e39\n", r"line 2: 'café 0 1e39' is not"),
        ("3 4\nthe 1 0\n", r"line 2: 'the 1 0' is not a word and 4 finite numbers"),
        ("the\t1\t0\n", r"line 1: .* and it has tabs"), ("the 1,5 0,5\n", r"line 1: .* and it has commas"),
        ("<!DOCTYPE html>\n", "line 1: '<!DOCTYPE html>' is not"),
        ("word d1 d2\nthe 1 0", "line 1: 'word d1 d2' is not"),
        ("", "is empty; it needs a row for each word"), (gzip.compress(b"the 1 0"), "unpack a compressed file"),
        (b"3 2\nthe \xff\xfe\x00\x80", "save a binary one of word2vec as text"), (TEXT.encode("utf-16"), "not UTF-8"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n", "pointer of Git LFS"),
        ("/annex/objects/MD5E-s5--a.txt\n", "pointer of git-annex"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused_by_its_line(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


def test_a_row_late_in_a_large_file_is_refused_and_one_that_nobody_asks_for_is_not(tmp_path):
    many = [f"w{number} 1 2" for number in range(50_000)]
    with pytest.raises(InputError, match="line 50001: 'the 1 2 3' is not a word and 2 finite numbers"):
        read(tmp_path, "\n".join([*many, "the 1 2 3"]))
    assert not read(tmp_path, "\n".join([*many, "the 95 theses 1 2"]))


def test_a_file_that_is_cut_short_is_told(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read(tmp_path, f"400000 2\n{TEXT}")
    assert "says that it has 400000 words, and has 3: is it cut short?" in caplog.text


def test_the_first_row_tells_the_layout_before_any_job(tmp_path):
    path = tmp_path / "vectors.txt"
    for text, told in ((TEXT, (2, None)), (f"3 2\n{TEXT}", (2, 3)), (". . . 1 2 3 4\n", (4, None))):
        path.write_text(text)
        assert layout(path) == told
    with pytest.raises(InputError, match="there is no such file"):
        layout(tmp_path)
