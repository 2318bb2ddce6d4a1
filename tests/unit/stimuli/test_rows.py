"""Which rows of a table are a stimulus' words: filtered by a column, without a header, as lists, without times."""

import numpy as np
import pytest

from triphase.core.errors import InputError
from triphase.stimuli.transcripts import read_transcript

COLUMNS = {"word": "word", "onset": "onset", "offset": "offset"}
WORDS = {"format": "table", "language": "en", "columns": COLUMNS}


def read(path, text, **keys):
    path.write_text(text, encoding="utf-8")
    return read_transcript(path, {**WORDS, **keys})[0]


def test_kind_one_table_of_all_sections_gives_the_rows_of_one(tmp_path):
    text = "word,onset,offset,section\none,0.5,0.9,1\ntwo,1.0,1.4,1\nthree,0.2,0.6,2.0\n"
    where = {"section": "{stimulus}"}
    assert list(read(tmp_path / "a.csv", text, where=where, stimulus="1")["word"]) == ["one", "two"]
    third = read(tmp_path / "a.csv", text, where=where, stimulus="2")
    assert list(third["word"]) == ["three"] and third.index.tolist() == [4]
    with pytest.raises(
        InputError, match=r"no row in which 'section' is '3' \(dataset.words.where\); it says '1', '2.0'"
    ):
        read(tmp_path / "a.csv", text, where=where, stimulus="3")
    with pytest.raises(InputError, match="no column 'chapter'"):
        read(tmp_path / "a.csv", text, where={"chapter": "1"}, stimulus="1")


def test_kind_rows_without_a_word_are_silences_where_the_registry_says_so(tmp_path):
    text = "word,onset,offset\none,0.5,0.9\n,0.9,1.0\nn/a,1.0,1.1\ntwo,1.1,1.4\n"
    assert list(read(tmp_path / "a.csv", text, silences=True)["word"]) == ["one", "two"]
    with pytest.raises(InputError, match="the word is empty"):
        read(tmp_path / "a.csv", text)


def test_kind_a_wrong_row_of_a_published_table_can_be_left_out(tmp_path):
    text = "word,onset,offset\none,0.5,0.9\none,0.6,0.9\ntwo,1.1,1.4\n"
    known = {"stimulus": "s", "row": 3, "column": "onset", "found": "0.6", "value": None}
    assert read(tmp_path / "a.csv", text, corrections=[known])["onset"].tolist() == [0.5, 1.1]
    with pytest.raises(InputError, match="the table has changed"):
        read(tmp_path / "a.csv", text, corrections=[known | {"found": "0.7"}])


def test_kind_a_table_without_a_header_and_words_without_times(tmp_path):
    """As Gentle writes them: a word that was not recognised in the sound has no times."""
    text = "Once,once,1.0,1.2\nupon,,,\na,a,1.6,1.7\ntime,,,\nold,,,\nman,<unk>,1.7,2.0\nsaid,,,\n"
    keys = {"header": ["word", "aligned", "onset", "offset"], "untimed": "between"}
    words = read(tmp_path / "align.csv", text, **keys)
    assert list(words["word"]) == ["Once", "upon", "a", "time", "old", "man", "said"]
    np.testing.assert_allclose(words["onset"], [1.0, 1.2, 1.6, 1.7, 1.7, 1.7, 2.0])
    np.testing.assert_allclose(words["offset"], [1.2, 1.6, 1.7, 1.7, 1.7, 2.0, 2.0])
    assert words.index[0] == 1
    first = read(tmp_path / "align.csv", "So,,,\n" + text, **keys)
    assert first.iloc[0][["word", "onset", "offset"]].tolist() == ["So", 1.0, 1.0]
    with pytest.raises(InputError, match="row 1: .*onset or an offset alone"):
        read(tmp_path / "align.csv", "So,so,0.2,\n" + text, **keys)
    with pytest.raises(InputError, match="no word has times"):
        read(tmp_path / "align.csv", "So,so,,\n", **keys)


def test_kind_cells_that_list_the_words_of_a_scan(tmp_path):
    columns = {"word": "words_per_tr", "onset": "onsets_per_tr", "duration": "durations_per_tr"}
    header = "text_per_tr\twords_per_tr\tonsets_per_tr\tdurations_per_tr\n"
    rows = "\t[]\t[]\t[]\n\t\t\t\nOh, it's\t['Oh,', \"it's\"]\t[2.5, 2.9]\t[0.3, 0.2]\nyou\t['you']\t[4.5]\t[0.1]\n"
    keys = {"columns": columns, "lists": True, "overlapping": True}
    words = read(tmp_path / "a.tsv", header + rows, **keys)
    assert list(words["word"]) == ["Oh,", "it's", "you"]
    np.testing.assert_allclose(words["offset"], [2.8, 3.1, 4.6])
    assert words.index.tolist() == [4, 4, 5]
    with pytest.raises(InputError, match=r"row 2: its lists differ in length \(1 in words_per_tr, 2 in onsets_per_tr"):
        read(tmp_path / "a.tsv", header + "a\t['a']\t[1.0, 2.0]\t[0.1]\n", **keys)
    with pytest.raises(InputError, match="row 2: words_per_tr is 'a'; with `lists` a cell is a list"):
        read(tmp_path / "a.tsv", header + "a\ta\t[1.0]\t[0.1]\n", **keys)
    with pytest.raises(InputError, match="row 2: onset is 'x'; it must be a number"):
        read(tmp_path / "a.tsv", header + "a\t['a', 'b']\t[1.0, 'x']\t[0.1, 0.1]\n", **keys)


def test_kind_several_speakers_may_overlap_where_the_registry_says_so(tmp_path):
    text = "word,onset,offset\none,0.5,0.9\ntwo,0.4,0.6\n"
    assert list(read(tmp_path / "a.csv", text, overlapping=True)["word"]) == ["one", "two"]
    with pytest.raises(InputError, match="sorted by onset"):
        read(tmp_path / "a.csv", text)
