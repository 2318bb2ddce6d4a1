"""Tables of text in one dialect: cells are what their writer meant, or the file is refused with a remedy."""

import csv

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triphase.core.errors import InputError
from triphase.core.tables import need_column, number_advice, read_cells, to_number

SAID = ['"Hello', 'world"', '"', "a\tb", "NA", "null", "None", "", "n/a", '""', "it's"]


def write(tmp_path, text, name="a.tsv"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def refused(path, *expected):
    with pytest.raises(InputError) as error:
        read_cells(path)
    for text in (str(path), *expected):
        assert text in str(error.value), error.value


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_kind_dialect_cells_of_pandas_come_back(tmp_path, name):
    frame = pd.DataFrame({"word": SAID, "number": [str(i) for i in range(len(SAID))]})
    frame.to_csv(tmp_path / name, sep="\t" if name == "a.tsv" else ",", index=False)
    assert read_cells(tmp_path / name).to_dict("list") == frame.to_dict("list")


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_kind_dialect_columns_that_are_quoted_throughout(tmp_path, quoting):
    frame = pd.DataFrame({"name": ["Left", "Right hemisphere", "NA"], "index": [1, 2, 3]})
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False, quoting=quoting)
    assert read_cells(tmp_path / "a.tsv").to_dict("list") == {"name": frame["name"].tolist(), "index": ["1", "2", "3"]}


def test_kind_dialect_quotes_that_were_written_as_text_stay(tmp_path):
    path = write(tmp_path, 'word\tx\n"said\t1\nshe"\t2\n"yes"\t3\nno\t4\n')
    assert read_cells(path)["word"].tolist() == ['"said', 'she"', '"yes"', "no"]


def test_kind_dialect_rows_keep_their_lines(tmp_path):
    path = write(tmp_path, 'a,b\r\n\r\n"x\r\ny",1\r\nz,2\r\n\r\n', "a.csv")
    table = read_cells(path)
    assert table.index.tolist() == [3, 5] and table["a"].tolist() == ["x\ny", "z"]


def test_line_separators_of_unicode_are_text(tmp_path):
    path = write(tmp_path, "w\tx\na\u2028b\t1\nc\u0085\u2029\t2\n")
    assert read_cells(path)["w"].tolist() == ["a\u2028b", "c\u0085\u2029"]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("word;onset\nja;0,5\n", "a.csv", ["'word;onset'", "semicolons", "with commas"]),
        ("word;onset\nja;0,5\n", "a.tsv", ["semicolons", "with tabs"]),
        ("word\tonset\nyes\t1\n", "a.csv", ["set apart by tabs", "or name it .tsv"]),
        ("word,onset\nyes,1\n", "a.tsv", ["set apart by commas", "or name it .csv"]),
        ("word\tword\na\tb\n", "a.tsv", ["two columns are named 'word'", "rename"]),
        ("a\tb\n1\n", "a.tsv", ["row 2", "fewer columns"]),
        ("a\tb\n\n1\t2\t3\n", "a.tsv", ["row 3", "more columns than the header (2)"]),
        ('a,b\n"x,1\n', "a.csv", ["row 2", "quoted"]),
        ("sep=,\nword,onset\nyes,1\n", "a.csv", ["Excel", "remove that line"]),
        ("# of 2020\nword\tonset\nyes\t1\n", "a.tsv", ["row 2", "'# of 2020' seems to be a line before"]),
        ("word\tonset\nfÃ¼r\t1\ntrÃ¨s\t2\n", "a.tsv", ["line 2", "'Ã¼' is 'ü'", "read as cp1252", ".decode()"]),
        ("word\tonset\nÁ\t1\n".encode().decode("latin-1"), "a.tsv", ["line 2", "is 'Á'", "read as latin-1"]),
        ("", "a.tsv", ["empty", "header"]),
    ],
)
def test_kind_advice_a_table_of_another_dialect_is_refused_with_the_remedy(tmp_path, text, name, expected):
    refused(write(tmp_path, text, name), *expected)


def test_kind_advice_accents_that_look_garbled_beside_others_are_text(tmp_path):
    assert read_cells(write(tmp_path, "word\tx\n«IRMÃ»\t1\né\t2\n"))["word"].tolist() == ["«IRMÃ»", "é"]


def test_kind_advice_names_that_are_set_apart_by_spaces(tmp_path):
    path = write(tmp_path, "word onset\nyes 1\n")
    with pytest.raises(InputError, match="set apart by spaces; save it with tabs"):
        need_column(path, read_cells(path), "word", "columns")


def test_kind_dialect_spaces_after_commas_are_no_part_of_a_quoted_cell(tmp_path):
    path = write(tmp_path, 'onset, word\n0, "yes, sir"\n1, "no"\n', "a.csv")
    assert read_cells(path)["word"].tolist() == ["yes, sir", "no"]


def test_kind_dialect_text_in_utf_16_needs_its_byte_order_mark(tmp_path):
    text = "word\tonset\nfür\t1\n"
    (tmp_path / "a.tsv").write_bytes(text.encode("utf-16"))
    assert read_cells(tmp_path / "a.tsv")["word"].tolist() == ["für"]
    (tmp_path / "a.tsv").write_bytes(text.encode("utf-16-be"))
    refused(tmp_path / "a.tsv", "zero bytes", "byte order mark", "save it as UTF-8")


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), (" -2.5e3 ", -2500), (".5", 0.5), ("1.", 1), ("1,5", None), ("1_0", None), ("inf", None),
     ("1e999", None), ("nan", None), ("", None), ("0x10", None), ("３", None)],
)  # fmt: skip
def test_a_number_is_what_is_written_as_one(text, number):
    found = to_number(text)
    assert np.isnan(found) if number is None else found == number
    assert ("write 1.5" in number_advice(text)) == (text == "1,5")


@pytest.mark.parametrize(
    ("content", "command"),
    [
        ("/annex/objects/MD5E-s12--3e386c5ef0d8d36825a80d02db9a2b46.tsv\n", "datalad get"),
        ("../.git/annex/objects/Xx/Yy/MD5E-s1--00.tsv/MD5E-s1--00.tsv", "datalad get"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "lfs pull --include a.tsv"),
    ],
)
def test_kind_advice_a_pointer_is_told_with_the_command_that_fetches_it(tmp_path, content, command):
    refused(write(tmp_path, content), "not fetched", command)


def test_kind_advice_a_link_without_its_content(tmp_path):
    (tmp_path / "a.tsv").symlink_to("../.git/annex/objects/x/y/KEY/KEY")
    refused(tmp_path / "a.tsv", "not fetched", "datalad get")
    (tmp_path / "b.tsv").symlink_to("elsewhere.tsv")
    refused(tmp_path / "b.tsv", "a link to elsewhere.tsv, which is not there")
    refused(tmp_path / "c.tsv", "no such file")


CELL = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(
    ['"', '""', "\t", "\n", "\r", ",", "n/a", "1"]
)


@settings(max_examples=200)
@given(
    st.binary(max_size=120)
    | st.lists(CELL, max_size=20).map(lambda cells: "".join(cells).encode())
    | st.lists(st.lists(CELL, min_size=2, max_size=2).map("\t".join), max_size=6).map("\n".join).map(str.encode),
    st.sampled_from(["a.tsv", "a.csv"]),
)
def test_any_content_is_a_table_or_refused(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        table = read_cells(path)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert all(isinstance(cell, str) for column in table.columns for cell in table[column])
        assert table.index.is_monotonic_increasing
