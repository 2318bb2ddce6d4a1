"""Word tables: reading, checks that name the row, running text and its offsets, split guard."""

import hashlib
import unicodedata

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triphase.core.artefacts import read_table, write_table
from triphase.core.errors import InputError
from triphase.stimuli.checks import check_duration
from triphase.stimuli.transcripts import read_transcript
from triphase.stimuli.words import (
    build_words,
    check_split,
    running_text,
    same_stories,
    stimulus_hash,
    unique_stimuli,
)

COLUMNS = {"word": "w", "onset": "start", "offset": "end"}


def read_words(path, columns, labels=(), **options):
    words = {"format": "table", "language": "en", "columns": columns, "labels": labels, **options}
    return read_transcript(path, words)[0]


def table(tmp_path, rows, header="w\tstart\tend\tpos\tfrequency", name="story.tsv"):
    path = tmp_path / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def refused(path, *expected, **options):
    with pytest.raises(InputError) as error:
        read_words(path, COLUMNS, **options)
    for text in (path, *expected):
        assert text in str(error.value), error.value


def test_reads_columns_and_labels(tmp_path):
    path = table(tmp_path, ["the\t0.5\t0.7\tDET\t3.5", "null\t0.7\t1.0\t\tn/a", "NA\t1.5\t2\tNN\t-1"])
    labels = [{"name": "class", "column": "pos"}, {"name": "log_frequency", "column": "frequency"}]
    words = read_words(path, COLUMNS, labels)
    assert words["word"].tolist() == ["the", "null", "NA"]
    assert words["onset"].tolist() == [0.5, 0.7, 1.5]
    assert words["offset"].tolist() == [0.7, 1.0, 2.0]
    assert words["class"].isna().tolist() == [False, True, False]
    assert words["log_frequency"].tolist()[::2] == [3.5, -1.0]
    assert words["log_frequency"].isna().tolist() == [False, True, False]


def test_quotes_are_part_of_a_word_in_tsv(tmp_path):
    path = table(tmp_path, ['"said\t0\t1\tVB\t1', "she\t1\t2\tPR\t1"])
    assert read_words(path, COLUMNS)["word"].tolist() == ['"said', "she"]


def test_windows_file_with_byte_order_mark(tmp_path):
    path = tmp_path / "story.csv"
    path.write_bytes("w,start,end\r\n“naïve”,0,1\r\n".encode("utf-8-sig"))
    assert read_words(str(path), COLUMNS)["word"].tolist() == ["“naïve”"]


@pytest.mark.parametrize(
    "rows, expected",
    [
        (["a\t0\t1\tx\t1", "b\t2\t3\tx\t1", "c\t1\t1.5\tx\t1"], ["row 4", "'c'", "onset 1", "sorted"]),
        (["a\t0\t1\tx\t1", "b\t0.9\t2\tx\t1"], ["row 3", "'b'", "onset 0.9", "0 to 1", "overlap"]),
        (["a\t0\t1\tx\t1", "b\t2\t1.5\tx\t1"], ["row 3", "offset 1.5", "end at or after its onset"]),
        (["a\t0\t1\tx\t1", " \t1\t2\tx\t1"], ["row 3", "empty"]),
        (["a\tzero\t1\tx\t1"], ["row 2", "start is 'zero'", "number of seconds"]),
        (["a\t0\tinf\tx\t1"], ["row 2", "end is 'inf'"]),
        (["a\t\t1\tx\t1"], ["row 2", "start is ''"]),
        (["a\t0\t1\tx\t1", "ll\t\t\tx\t1"], ["row 3", "'ll'", "no onset and no offset", "dataset.words.joined"]),
    ],
)
def test_bad_rows_are_named(tmp_path, rows, expected):
    refused(table(tmp_path, rows), *expected)


def test_rounding_is_no_overlap(tmp_path):
    path = table(tmp_path, ["a\t0\t1.0004\tx\t1", "b\t1\t2\tx\t1"])
    assert len(read_words(path, COLUMNS)) == 2


def test_zero_length_word_is_accepted(tmp_path):
    path = table(tmp_path, ["a\t0\t1\tx\t1", "b\t1\t1\tx\t1", "c\t1\t2\tx\t1"])
    assert len(read_words(path, COLUMNS)) == 3


def test_missing_columns_list_what_there_is(tmp_path):
    path = table(tmp_path, ["a\t0\t1\tx\t1"])
    refused(path, "'tag'", "labels.class", "'w', 'start', 'end', 'pos'", labels=[{"name": "class", "column": "tag"}])
    with pytest.raises(InputError, match="columns.word"):
        read_words(path, COLUMNS | {"word": "word"})


def test_number_column_with_a_mistake_is_refused(tmp_path):
    rows = [f"w{i}\t{i}\t{i + 0.5}\tx\t{i}" for i in range(30)]
    rows[7] = "w7\t7\t7.5\tx\t4.79,3.79"
    labels = [{"name": "frequency", "column": "frequency"}]
    refused(table(tmp_path, rows), "row 9", "'4.79,3.79'", "column of numbers", labels=labels)


def test_kind_missing_labels_of_numbers_lack_what_programs_write_for_nothing(tmp_path):
    labels = [{"name": "frequency", "column": "frequency"}]
    rows = [f"w{i}\t{i}\t{i + 0.5}\tx\t{'NA' if i % 2 else i}" for i in range(10)]
    found = read_words(table(tmp_path, rows), COLUMNS, labels)["frequency"]
    assert found.tolist()[::2] == [0, 2, 4, 6, 8] and found[1::2].isna().all()
    rows = [f"w{i}\t{i}\t{i + 0.5}\tx\t{i},5" for i in range(10)]
    refused(table(tmp_path, rows), "row 2", "frequency is '0,5'", "write 0.5", labels=labels)


def test_kind_missing_times_say_what_to_do(tmp_path):
    path = table(tmp_path, ["a\t0\t1", "b\t1\tn/a"], "w\tstart\tlength")
    with pytest.raises(InputError, match="row 3: length is 'n/a'; .*leave the row out"):
        read_words(path, {"word": "w", "onset": "start", "duration": "length"})


@pytest.mark.parametrize(
    ("word", "expected"),
    [("New\u00a0York", "New York"), ("a \u3000 b", "a b"), ("be\u00adreit", "bereit"), ("\u200bhi\ufeff", "hi")],
)
def test_kind_text_identity_white_space_and_what_nobody_sees(tmp_path, word, expected):
    assert read_words(table(tmp_path, [f"{word}\t0\t1\tx\t1"]), COLUMNS)["word"].tolist() == [expected]


@pytest.mark.parametrize(("word", "expected"), [("f\ufffdr", "a letter was lost"), ("a\x07", "U+0007")])
def test_kind_text_identity_what_no_text_holds_is_refused(tmp_path, word, expected):
    refused(table(tmp_path, ["a\t0\t1\tx\t1", f"{word}\t1\t2\tx\t1"]), "row 3", expected)


def test_files_that_are_no_tables(tmp_path):
    latin = tmp_path / "latin.tsv"
    latin.write_bytes("w\tstart\tend\ncafé\t0\t1\n".encode("latin-1"))
    refused(str(latin), "UTF-8")
    empty = tmp_path / "empty.tsv"
    empty.write_text("")
    refused(str(empty), "header")
    refused(table(tmp_path, [], name="none.tsv"), "no rows")
    ragged = tmp_path / "ragged.tsv"
    ragged.write_text("w\tstart\tend\na\t0\t1\nb\t1\t2\t3\t4\n")
    refused(str(ragged), "header")
    shifted = tmp_path / "shifted.tsv"
    shifted.write_text("w\tstart\tend\na\t0\t1\tx\nb\t1\t2\tx\n")
    refused(str(shifted), "more columns than the header")
    refused(str(tmp_path / "story.TextGrid"), ".tsv or .csv")


CELLS = st.one_of(st.text(max_size=4), st.floats().map(str), st.sampled_from(["", "NA", '"', "1", "2", "3.5"]))


@settings(max_examples=150)
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=5))
def test_any_text_is_read_or_refused_with_a_message(tmp_path, rows):
    path = table(tmp_path, ["\t".join(row) for row in rows], header="w\tstart\tend")
    try:
        words = read_words(path, COLUMNS)
    except InputError as error:
        assert path in str(error)
    else:
        assert (words["offset"] >= words["onset"]).all() and (words["word"].str.len() > 0).all()


@settings(max_examples=150)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_message(tmp_path, content):
    path = tmp_path / "story.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="story.tsv"):
        read_words(path, COLUMNS)


def test_joined_rows_become_part_of_the_word_before(tmp_path):
    path = table(tmp_path, ["did\t0\t1\tVB\t5", "nt\t\t\tRB\t9", "go\t1\t2\tVB\t4"])
    words = read_words(path, COLUMNS, [{"name": "pos", "column": "pos"}], joined=[{"word": "nt", "adds": "n't"}])
    assert words["word"].tolist() == ["didn't", "go"]
    assert words["offset"].tolist() == [1, 2]
    assert words["pos"].tolist() == ["VB", "VB"]


def test_joined_row_needs_a_word_before(tmp_path):
    refused(table(tmp_path, ["nt\t\t\tRB\t9"]), "row 2", joined=[{"word": "nt", "adds": "n't"}])


def test_corrections_apply_only_to_the_table_they_were_made_for(tmp_path):
    path = table(tmp_path, ["a\t0\t1\tx\t1", "b\t2\t1\tx\t1"])
    entry = {"row": 3, "column": "end", "found": "1", "value": "2.5"}
    assert read_words(path, COLUMNS, corrections=[entry])["offset"].tolist() == [1, 2.5]
    refused(path, "row 3", "'1'", "'1.5'", corrections=[entry | {"found": "1.5"}])
    refused(path, "no row 9", corrections=[entry | {"row": 9}])
    refused(path, "'stop'", corrections=[entry | {"column": "stop"}])


def test_events_have_a_duration(tmp_path):
    columns = {"word": "w", "onset": "onset", "duration": "duration"}
    path = table(tmp_path, ["0.5\t0.2\tthe", "1\t0\tcat"], header="onset\tduration\tw")
    words = read_words(path, columns)
    assert words["onset"].tolist() == [0.5, 1.0] and words["offset"].tolist() == [0.7, 1.0]
    path = table(tmp_path, ["0.5\t0.2\tdid", "n/a\tn/a\tnt"], header="onset\tduration\tw")
    assert read_words(path, columns, joined=[{"word": "nt", "adds": "n't"}])["word"].tolist() == ["didn't"]
    with pytest.raises(InputError, match="row 3.*no onset and no duration"):
        read_words(path, columns)
    path = table(tmp_path, ["0.5\t-0.2\tthe"], header="onset\tduration\tw")
    with pytest.raises(InputError, match="row 2.*end at or after its onset"):
        read_words(path, columns)
    path = table(tmp_path, ["0.5\tn/a\tthe"], header="onset\tduration\tw")
    with pytest.raises(InputError, match="row 2.*duration is 'n/a'"):
        read_words(path, columns)


GRID = """File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n1
"IntervalTier"\n"words"\n0\n2\n3\n0\n0.5\n"sp"\n0.5\n1\n"a"\n1\n2\n"bc"\n"""


def test_every_format_gives_the_same_columns_shifted(tmp_path):
    (tmp_path / "a.TextGrid").write_text(GRID)
    (tmp_path / "a.txt").write_text("[0]a/bc\n[1]\n[2]..\n")
    tsv = table(tmp_path, ["a\t0.5\t1", "bc\t1\t2"], header="w\tstart\tend")
    written = [
        (tsv, {"format": "table", "columns": COLUMNS, "labels": [], "joined": []}),
        (tmp_path / "a.TextGrid", {"format": "textgrid", "tier": 1, "ignored": ["SP"]}),
        (tmp_path / "a.txt", {"format": "annotations", "marker": None, "unknown": [".."]}),
    ]
    for path, words in written:
        read, seconds = read_transcript(path, {"language": "en", **words})
        moved, later = read_transcript(path, {"language": "en", "shift": -1.5, **words})
        assert read["word"].tolist() == ["a", "bc"]
        annotated = words["format"] == "annotations"
        assert read["onset"].tolist() == ([0, 0] if annotated else [0.5, 1])
        assert read["offset"].tolist() == ([1, 1] if annotated else [1, 2])
        assert (moved["onset"] == read["onset"] - 1.5).all() and (moved["offset"] == read["offset"] - 1.5).all()
        assert (seconds, later) == ((3, 1.5) if annotated else (None, None))


def test_capitals_of_an_aligner_become_small(tmp_path):
    path = table(tmp_path, ["SO\t0\t1", "ÉTÉ\t1\t2"], header="w\tstart\tend")
    words = {"format": "table", "columns": COLUMNS, "language": "fr"}
    assert read_transcript(path, words)[0]["word"].tolist() == ["SO", "ÉTÉ"]
    assert read_transcript(path, words | {"lowercase": True})[0]["word"].tolist() == ["so", "été"]


@pytest.mark.parametrize(
    "words, language, text",
    [
        (["Alice", "isn't", "😀", "naïve"], "en", "Alice isn't 😀 naïve"),
        (["アリス", "は", "川辺"], "ja", "アリスは川辺"),
        (["爱丽丝", "在"], "zh-Hant", "爱丽丝在"),
    ],
)
def test_running_text_and_offsets(words, language, text):
    joined, spans = running_text(words, language)
    assert joined == text
    assert [joined[a:b] for a, b in spans] == words


def test_annotations_are_lines_of_the_running_text():
    joined, spans = running_text(["二人は待つ。", "a b"], "ja", "annotation")
    assert joined == "二人は待つ。\na b"
    assert [joined[a:b] for a, b in spans] == ["二人は待つ。", "a b"]


def test_hash_is_of_what_is_said():
    assert stimulus_hash(["a", "b"]) == hashlib.sha256(b"a\nb").hexdigest()
    assert stimulus_hash(["ab"]) != stimulus_hash(["a", "b"])
    assert stimulus_hash(["A,", "b!"]) == stimulus_hash(["a", "b"]) != stimulus_hash(["a", "c"])
    assert stimulus_hash(["?"]) != stimulus_hash(["!"])


def story(words, start=0.0):
    onset = [start + i for i in range(len(words))]
    return pd.DataFrame({"word": words, "onset": onset, "offset": [t + 0.5 for t in onset], "pos": "x"})


RUNS = [
    {"name": "run-1", "stimulus": "one", "test": True},
    {"name": "run-2", "stimulus": "two", "test": False},
    {"name": "run-3", "stimulus": "one", "test": True},
]


def test_build_words_repeats_a_repeated_stimulus():
    tables = {"one": story(["a", "bc"]), "two": story(["d", "e", "f"])}
    words, texts, hashes = build_words(tables, RUNS)
    assert words["run"].tolist() == ["run-1"] * 2 + ["run-2"] * 3 + ["run-3"] * 2
    assert words["index"].tolist() == [0, 1, 0, 1, 2, 0, 1]
    assert texts == {"one": "a bc", "two": "d e f"}
    assert set(hashes) == {"one", "two"}
    for row in words.itertuples():
        assert texts[row.stimulus][row.char_start : row.char_end] == row.word
    once = unique_stimuli(words)
    assert once["run"].tolist() == ["run-1"] * 2 + ["run-2"] * 3


def film(*texts):
    """One annotator more in each second."""
    rows = [(text, float(i), annotator + 1) for i, row in enumerate(texts) for annotator, text in enumerate(row)]
    frame = pd.DataFrame(rows, columns=["word", "onset", "annotator"])
    return frame.assign(offset=frame["onset"] + 1)


def test_annotations_are_stimuli_by_content():
    tables = {"one": film(["x y", "z"], [], ["x y"]), "two": film(["x y", "z"])}
    words, texts, hashes = build_words(tables, RUNS, "ja", "annotation")
    assert words.columns.tolist() == [
        "stimulus", "run", "index", "word", "onset", "offset", "char_start", "char_end", "annotator", "language",
    ]  # fmt: skip
    assert texts["one"] == "x y\nz\nx y" and (words["language"] == "ja").all()
    for row in words.itertuples():
        assert texts[row.stimulus][row.char_start : row.char_end] == row.word
    assert len(unique_stimuli(words)) == 5
    check_split(RUNS, hashes)
    _, _, same = build_words({"one": tables["one"], "two": tables["one"]}, RUNS, "ja", "annotation")
    with pytest.raises(InputError, match="run-1 is a test run and run-2 is not"):
        check_split(RUNS, same)


def test_table_lacking_a_label_of_another_gets_it_as_missing():
    tables = {"one": story(["a"]), "two": story(["d"]).assign(topic="garden")}
    words, _, _ = build_words(tables, RUNS)
    assert words["topic"].isna().tolist() == [True, False, True]


def test_split_guard_compares_content_not_names():
    hashes = {"one": "h1", "two": "h2"}
    check_split(RUNS, hashes)
    with pytest.raises(InputError, match="run-1 is a test run and run-2 is not"):
        check_split(RUNS, {"one": "same", "two": "same"})
    with pytest.raises(InputError, match="run-1 is a test run and run-3 is not"):
        check_split([*RUNS[:2], RUNS[2] | {"test": False}], hashes)


TALE = (
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or "
    "twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it, “and "
    "what is the use of a book,” thought Alice “without pictures or conversations?” So she was considering in her own "
    "mind, whether the pleasure of making a daisy-chain would be worth the trouble of getting up and picking them."
)
OTHER = (
    "There was nothing so very remarkable in that; nor did she think it so very much out of the way to hear the Rabbit "
    "say to itself, “Oh dear! Oh dear! I shall be late!” (when she thought it over afterwards, it occurred to her that "
    "she ought to have wondered at this, but at the time it all seemed quite natural)."
)


@pytest.mark.parametrize(
    "copy",
    [
        unicodedata.normalize("NFD", TALE.upper()).replace(" ", "  "),
        "".join(character for character in TALE if character.isalnum() or character == " "),
        TALE.replace("-", " - ").replace(",", " ,").replace("ing", " ing"),
        TALE.replace("was", "is").replace("had", "has"),
        TALE.replace("tired", "ti\u00adred\ufe0f"),
        TALE[: len(TALE) // 2],
        OTHER + " " + TALE,
        TALE + " the end",
    ],
    ids=["capitals", "punctuation", "tokens", "words", "unseen", "half", "among others", "longer"],
)
def test_kind_text_identity_a_copy_of_the_test_story_is_no_other_story(copy):
    stories = same_stories({"one": TALE, "else": OTHER[::-1], "two": copy})
    assert stories == {"one": "one", "else": "else", "two": "one"}
    with pytest.raises(InputError, match=r"run-1 is a test run and run-2 is not.*\(one, two; at least 25%"):
        check_split(RUNS, stories)


def test_kind_text_identity_stories_that_differ_are_told_apart():
    assert same_stories({"one": TALE, "two": OTHER}) == {"one": "one", "two": "two"}
    assert same_stories({"one": "a b", "two": "a c", "three": "A, b!"}) == {"one": "one", "two": "two", "three": "one"}
    # Two parts are one story once a third holds both.
    texts = {"one": TALE, "two": OTHER, "both": OTHER + TALE, "two again": OTHER}
    assert set(same_stories(texts).values()) == {"one"}


def test_transcript_longer_than_the_scan():
    words, _, _ = build_words({"two": story(["d", "e", "f"])}, RUNS[1:2])
    check_duration(words, "run-2", 2.5)
    with pytest.raises(InputError) as error:
        check_duration(words, "run-2", 2.0)
    for text in ("run-2", "word 3 ('f')", "2.5 s", "ends at 2 s", "1 words"):
        assert text in str(error.value)


def test_annotations_may_differ_from_the_scan_by_some_seconds(tmp_path):
    words, _, _ = build_words({"two": film(["a"], ["b"])}, RUNS[1:2], "en", "annotation")
    write_table(tmp_path / "words.parquet", words, unit="annotation", seconds={"two": 300.0})
    rows = read_table(tmp_path / "words.parquet")
    rows = rows[rows["run"] == "run-2"]
    for scan_end in (295.0, 300.0, 305.0):
        check_duration(rows, "run-2", scan_end)
    for scan_end in (294.0, 306.0):
        with pytest.raises(InputError, match=f"run-2.*end at 300 s.*scan at {scan_end:g} s.*by 5 s"):
            check_duration(rows, "run-2", scan_end)
