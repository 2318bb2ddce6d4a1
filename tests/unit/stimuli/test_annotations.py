"""Annotations second by second: English and Japanese, faults with their line, round trip, fuzz."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triphase.core.errors import InputError
from triphase.core.texts import composed
from triphase.stimuli.transcripts import read_transcript

RELAXED = settings(max_examples=200)
MARKER, UNKNOWN = "メイン#", ["不明", "..", "."]
STORY = [
    "[00:00:00]ペニーは\u3000廊下で待つ。/二人は部屋を出る。/不明",
    "[00:00:01]ペニーは\u3000廊下で待つ。/..",
    "[00:00:02]",
    "[00:00:03]/理由は不明だ。[笑]/\u3000",
]
SPEECH = [
    "[00:00:00]メイン#Penny:Hi.\u3000Come in: it's open./Leonard:不明",
    "[00:00:01]メイン#",
    "[00:00:02]メイン#at 10:30/ :Leave / Penny : Bye ",
    "[00:00:03]サブ#no/メイン#Howard:What?メイン#other",
    "[00:00:04]メイン#..",
]


def read_annotations(path, spaced=True, unknown=(), **options):
    words = {"format": "annotations", "language": "en" if spaced else "ja", "unknown": unknown}
    return read_transcript(path, words | options)


def write(tmp_path, lines, encoding="utf-8", end="\n"):
    path = tmp_path / "film.txt"
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return str(path)


def refused(path, *expected, **options):
    with pytest.raises(InputError) as error:
        read_annotations(path, **options)
    for text in (path, *expected):
        assert text in str(error.value), error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("encoding, end", [("utf-8", "\n"), ("utf-8-sig", "\r\n"), ("utf-8", "\r")])
def test_one_row_per_second_and_annotator_with_text(tmp_path, encoding, end):
    table, seconds = read_annotations(write(tmp_path, STORY, encoding, end), unknown=UNKNOWN, spaced=False)
    assert seconds == 4
    assert table["word"].tolist() == [
        "ペニーは廊下で待つ。", "二人は部屋を出る。", "ペニーは廊下で待つ。", "理由は不明だ。[笑]",
    ]  # fmt: skip
    assert table["annotator"].tolist() == [1, 2, 1, 2]
    assert table["onset"].tolist() == [0, 0, 1, 3] and table["offset"].tolist() == [1, 1, 2, 4]
    assert table.index.tolist() == [1, 1, 2, 4]


def test_speech_has_speakers(tmp_path):
    table, seconds = read_annotations(write(tmp_path, SPEECH), marker=MARKER, unknown=UNKNOWN, spaced=True)
    assert seconds == 5
    said = list(zip(table["onset"], table["speaker"].fillna(""), table["word"], strict=True))
    assert said == [
        (0, "Penny", "Hi. Come in: it's open."), (2, "", "at 10:30"), (2, "", "Leave"), (2, "Penny", "Bye"),
        (3, "Howard", "What?"),
    ]  # fmt: skip
    assert "annotator" not in table


def test_ideographic_space_is_a_space_only_where_words_have_them(tmp_path):
    path = write(tmp_path, ["[0]a\u3000b"])
    assert read_annotations(path, spaced=True)[0]["word"].tolist() == ["a b"]
    assert read_annotations(path, spaced=False)[0]["word"].tolist() == ["ab"]


def test_marks_of_nothing_alone_are_nothing(tmp_path):
    path = write(tmp_path, ["[0]不明 不明/..../. ./不明な点/Hm..."])
    assert read_annotations(path, unknown=UNKNOWN)[0]["word"].tolist() == ["不明な点", "Hm..."]
    assert len(read_annotations(path)[0]) == 5


def test_blank_lines_at_the_end_are_no_seconds(tmp_path):
    assert read_annotations(write(tmp_path, [*STORY, "", " \u3000", ""]))[1] == 4


@pytest.mark.parametrize(
    "lines, expected, options",
    [
        ([*STORY, "no bracket here", "[5]a"], ["line 5", "no ']'", "'no bracket here'"], {}),
        ([STORY[0], "", STORY[1]], ["line 2", "no ']'"], {}),
        ([*SPEECH, "[00:00:05]Penny:Hi"], ["line 6", "no 'メイン#'", "words.marker"], {"marker": MARKER}),
        (["メイン#a]b"], ["line 1", "no 'メイン#'"], {"marker": MARKER}),
        (["[0]", "[1]不明/.."], ["none of its 2 lines"], {"unknown": UNKNOWN}),
        (["", " "], ["empty"], {}),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, lines, expected, options):
    refused(write(tmp_path, lines), *expected, **options)


def test_wrong_encodings(tmp_path):
    refused(write(tmp_path, ["[0]a", STORY[0]], "cp932"), "line 2", "not UTF-8")
    refused(write(tmp_path, STORY, "utf-16-le"), "line 1", "not UTF-8")


# Words are composed as they are read.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="]/:"), max_size=6).map(composed)
FRAME = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="]"), max_size=5)


@RELAXED
@given(
    rows=st.lists(st.tuples(FRAME, st.lists(TEXT, min_size=1, max_size=3)), min_size=1, max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_what_was_written_is_read_back(tmp_path, rows, encoding):
    expected = [(i, k + 1, text) for i, (_, texts) in enumerate(rows) for k, text in enumerate(texts) if text]
    path = write(tmp_path, [f"[{frame}]" + "/".join(texts) for frame, texts in rows], encoding)
    if not expected:
        refused(path, f"none of its {len(rows)} lines")
        return
    table, seconds = read_annotations(path)
    assert list(zip(table["onset"], table["annotator"], table["word"], strict=True)) == expected
    assert seconds == len(rows)


@RELAXED
@given(
    rows=st.lists(st.lists(st.tuples(TEXT.filter(bool), TEXT.filter(bool)), max_size=3), min_size=1, max_size=6),
)
def test_speech_is_read_back(tmp_path, rows):
    rows = [[(name, text) for name, text in row if not name[-1].isdigit()] for row in rows]
    path = write(tmp_path, ["[x]" + MARKER + "/".join(f"{name}:{text}" for name, text in row) for row in rows])
    expected = [(i, name, text) for i, row in enumerate(rows) for name, text in row]
    if not expected:
        refused(path, "none of", marker=MARKER)
        return
    table, _ = read_annotations(path, marker=MARKER)
    assert list(zip(table["onset"], table["speaker"], table["word"], strict=True)) == expected


CONTENT = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")),
    st.lists(st.sampled_from([*STORY, *SPEECH, "\n", "]", "/", "#", ":", "\x00", "\u2028", "不"]), max_size=12).map(
        lambda parts: "".join(parts).encode()
    ),
)


@settings(RELAXED, max_examples=400)
@given(content=CONTENT, marker=st.sampled_from([None, MARKER]), spaced=st.booleans())
def test_any_bytes_are_read_or_refused_with_a_message(tmp_path, content, marker, spaced):
    path = tmp_path / "film.txt"
    path.write_bytes(content)
    try:
        table, seconds = read_annotations(str(path), marker=marker, unknown=UNKNOWN, spaced=spaced)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert len(table) and (table["word"].str.strip() == table["word"]).all() and (table["word"] != "").all()
        assert not table["word"].str.contains("\n").any() and table["offset"].max() <= seconds
