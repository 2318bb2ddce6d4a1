"""TextGrids: both text forms, encodings and quoting read back exactly; every fault is one message with its line."""

import codecs
import csv
import difflib
import io
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triphase.core.errors import InputError
from triphase.stimuli.transcripts import read_transcript
from triphase.stimuli.transcripts.textgrids import read_tiers

RELAXED = settings(max_examples=150)


def read_textgrid(path, tier, ignored=(), kept=()):
    words = {"format": "textgrid", "language": "en", "tier": tier, "ignored": ignored, "kept": kept}
    return read_transcript(path, words)[0]


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def long_form(tiers):
    """As Praat's `Save as text file`, from (name, class, entries) with entries (begin, end, label) or (time, label)."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ", "xmax = 9 "]
    lines += ["tiers? <exists> ", f"size = {len(tiers)} ", "item []: "]
    for number, (name, kind, entries) in enumerate(tiers, 1):
        lines += [f"    item [{number}]:", f"        class = {quoted(kind)} ", f"        name = {quoted(name)} "]
        lines += ["        xmin = 0 ", "        xmax = 9 "]
        word = "intervals" if kind == "IntervalTier" else "points"
        lines.append(f"        {word}: size = {len(entries)} ")
        for place, (*times, label) in enumerate(entries, 1):
            lines.append(f"        {word} [{place}]:")
            keys = ("xmin", "xmax") if len(times) == 2 else ("number",)
            lines += [f"            {key} = {time!r} " for key, time in zip(keys, times, strict=True)]
            lines.append(f"            {'text' if len(times) == 2 else 'mark'} = {quoted(label)} ")
    return "\n".join(lines) + "\n"


def short_form(tiers):
    """As Praat's `Save as short text file`."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "9", "<exists>", str(len(tiers))]
    for name, kind, entries in tiers:
        lines += [quoted(kind), quoted(name), "0", "9", str(len(entries))]
        for *times, label in entries:
            lines += [*map(repr, times), quoted(label)]
    return "\n".join(lines) + "\n"


def chronological_form(tiers):
    """As Praat's `Save as chronological text file`: entries of all tiers by time."""
    lines = ['"Praat chronological TextGrid text file"', "0 9   ! Time domain.", f"{len(tiers)}   ! Number of tiers."]
    entries = []
    for number, (name, kind, rows) in enumerate(tiers, 1):
        end = rows[-1][-2] if rows else 0
        lines.append(f"{quoted(kind)} {quoted(name)} 0 {end!r}")
        entries += [(times[0], number, times, label) for *times, label in rows]
    for _, number, times, label in sorted(entries, key=lambda entry: entry[0]):
        lines += [
            "",
            f"! {tiers[number - 1][0].split()[:1]}:",
            " ".join([str(number), *map(repr, times)]),
            quoted(label),
        ]
    return "\n".join(lines) + "\n"


ALL_FORMS = [long_form, short_form, chronological_form]
FORMS = pytest.mark.parametrize("form", ALL_FORMS)
COUNTED = pytest.mark.parametrize("form", [long_form, short_form])
PHONES = ("phone", "IntervalTier", [(0.0, 1.0, "AH0"), (1.0, 2.0, "sp")])
BELLS = ("bells", "TextTier", [(0.5, "ding"), (1.5, "dong")])
ENTRIES = [
    (0.0, 0.5, "{BR}"),
    (0.5, 1.0, "so"),
    (1.0, 1.5, ""),
    (1.5, 2.0, 'the "ship"'),
    (2.0, 2.5, " sp "),
    (2.5, 3.25, "sailed"),
]
WORDS = ("word", "IntervalTier", ENTRIES)


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "story.TextGrid"
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return str(path)


def refused(path, *expected, tier="word", ignored=()):
    with pytest.raises(InputError) as error:
        read_textgrid(path, tier, ignored)
    assert "\n" not in str(error.value)
    for text in (path, *expected):
        assert text in str(error.value), error.value


@FORMS
@pytest.mark.parametrize("tier", ["word", 3])
def test_words_are_the_labels_that_are_not_ignored(tmp_path, form, tier):
    path = write(tmp_path, form([PHONES, BELLS, WORDS]))
    words = read_textgrid(path, tier, ["br", "SP"])
    assert words["word"].tolist() == ["so", 'the "ship"', "sailed"]
    assert words["onset"].tolist() == [0.5, 1.5, 2.5]
    assert words["offset"].tolist() == [1.0, 2.0, 3.25]
    text = (tmp_path / "story.TextGrid").read_text().splitlines()
    assert all(str(onset) in text[line - 1].split() for line, onset in words["onset"].items())


@FORMS
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "be", "crlf"])
def test_encodings_that_praat_writes(tmp_path, form, encoding):
    text = form([("語", "IntervalTier", [(0.0, 1.0, "川辺"), (1.0, 2.0, "naïve 😀")])])
    raw = {
        "be": codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        "crlf": text.replace("\n", "\r\n").encode(),
    }
    path = write(tmp_path, raw[encoding] if encoding in raw else text.encode(encoding))
    assert read_textgrid(path, "語")["word"].tolist() == ["川辺", "naïve 😀"]


def test_other_writers_layouts_are_read(tmp_path):
    """Exponents, signs, comments, no blanks around `=`, the older header of the short form, labels on two lines."""
    text = long_form([("w", "IntervalTier", [(-0.5, 1e-05, "a"), (1e-05, 1.0, "b\nc")])])
    words = read_textgrid(write(tmp_path, text.replace(" = ", "=")), 1)
    assert words["word"].tolist() == ["a", "b c"] and words["onset"].tolist() == [-0.5, 1e-05]
    text = short_form([("w", "IntervalTier", [(0.0, 1.0, "a")])])
    older = text.replace('File type = "ooTextFile"', '! made "by hand"\nFile type = "ooTextFile short"')
    assert read_textgrid(write(tmp_path, older.replace("Object class = ", "")), "w")["word"].tolist() == ["a"]


def test_words_that_look_like_the_format(tmp_path):
    labels = ["item [1]:", "xmin = 3", '"', '""', "intervals [2]:", "! no", "<exists>", "5", '"IntervalTier"']
    for form in ALL_FORMS:
        entries = [(float(i), i + 1.0, label) for i, label in enumerate(labels)]
        words = read_textgrid(write(tmp_path, form([("w", "IntervalTier", entries)])), "w", kept=["<exists>"])
        assert words["word"].tolist() == labels


@FORMS
def test_a_missing_tier_lists_those_there(tmp_path, form):
    path = write(tmp_path, form([PHONES, BELLS, WORDS]))
    for tier in ("words", 4, 0, -1):
        refused(path, f"no tier {tier!r}", "1 'phone' (intervals), 2 'bells' (points), 3 'word' (intervals)", tier=tier)
    refused(path, "tier 'bells'", "holds points", tier="bells")
    refused(path, "tier 2", "holds points", tier=2)
    refused(write(tmp_path, form([WORDS, WORDS])), "2 tiers are named 'word'", "number")
    refused(write(tmp_path, form([])), "no tier 'word'", "none")


@FORMS
def test_times_that_overlap_or_run_backward_are_named(tmp_path, form):
    def grid(*entries):
        return write(tmp_path, form([("word", "IntervalTier", list(entries))]))

    refused(grid((0.0, 1.0, "a"), (0.9, 2.0, "b")), "interval 2", "'b'", "0.9 to 2 s", "ends, at 1 s", "line ")
    refused(grid((0.0, 1.0, "a"), (2.0, 1.5, "b")), "interval 2", "'b'", "ends before it begins")
    if form is not chronological_form:  # which is sorted as it is written
        refused(grid((2.0, 3.0, "a"), (0.0, 1.0, "b")), "interval 2", "'b'", "begins before")
    assert len(read_textgrid(grid((0.0, 1.0004, "a"), (1.0, 2.0, "b")), "word")) == 2


@COUNTED
def test_a_file_cut_anywhere_is_refused(tmp_path, form):
    text = form([PHONES, WORDS])
    for end in range(0, len(text.rstrip()) - 1, 7):
        refused(write(tmp_path, text[:end]))
    refused(write(tmp_path, text[: text.rindex("2.5")]), "cut short", "interval 6 of 6 of tier 2 ('word')")


def test_a_chronological_file_cut_anywhere_is_refused(tmp_path):
    text = chronological_form([WORDS])
    for end in range(0, len(text.rstrip()) - 1, 7):
        refused(write(tmp_path, text[:end]))
    cut = text[: text.rindex("!")]
    refused(write(tmp_path, cut), "ends at 2.5 s, but the tier at 3.25 s", "cut short")
    refused(write(tmp_path, text + '3 1 2 "a"'), f"line {text.count(chr(10)) + 1}", "of tier 3; the file has 1")


def test_an_overlap_in_another_tier_is_no_matter(tmp_path):
    """The phones of ds003020's test story overlap; its words do not."""
    phones = ("phone", "IntervalTier", [(0.0, 1.0, "S"), (0.5, 2.0, "OW")])
    for form in ALL_FORMS:
        assert len(read_textgrid(write(tmp_path, form([phones, WORDS])), 2)) == 3


@pytest.mark.parametrize(
    "change, at, expected",
    [
        (
            ("xmax = 3.25", "xmax = late"),
            "sailed",
            ["end of interval 6 of 6 of tier 2 ('word') is 'sailed'", "a number"],
        ),
        (("xmax = 3.25", "xmax = 1e999"), "xmax = 1e999", ["finite"]),
        (('"sailed"', "sailed"), None, ["cut short", "label of interval 6 of 6"]),
        (('"sailed"', '"sai"led"'), "sai", ["not doubled"]),
        (('"sailed"', '"sailed'), "sailed", ["does not close"]),
        (("intervals: size = 6", "intervals: size = 5"), "xmin = 2.5", ["2.5 follows the last tier"]),
        (("intervals: size = 6", "intervals: size = 7"), None, ["cut short", "interval 7 of 7"]),
        (("intervals: size = 6", "intervals: size = 5.5"), "size = 5.5", ["a count"]),
        (('class = "IntervalTier"', 'class = "PitchTier"'), "PitchTier", ["'PitchTier'", "IntervalTier or TextTier"]),
        (("tiers? <exists>", "tiers? 2"), "tiers? 2", ["a flag"]),
        (("tiers? <exists>", "tiers? <absent>"), None, ["no tier 'word'", "none"]),
        (('"TextGrid"', '"Sound"'), None, ["not a Praat TextGrid"]),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, change, at, expected):
    text = long_form([PHONES, WORDS])
    assert change[0] in text
    text = text.replace(*change)
    line = [f"line {text[: text.index(at)].count(chr(10)) + 1}:"] if at else []
    refused(write(tmp_path, text), *line, *expected)


def test_wrong_encodings_and_other_files(tmp_path):
    text = long_form([("word", "IntervalTier", [(0.0, 1.0, "naïve")])])
    refused(write(tmp_path, text.encode("latin-1")), "line 18", "not UTF-8", "UTF-16")
    refused(write(tmp_path, text.encode("utf-16")[:-1]), "not UTF-16")
    refused(write(tmp_path, text.replace("ï", "i").encode("utf-16-le")), "byte order mark", "save it as UTF-8")
    refused(write(tmp_path, b"ooBinaryFile\x08TextGrid"), "not a Praat TextGrid", "Save as text file")
    refused(write(tmp_path, ""), "not a Praat TextGrid")


def test_a_tier_of_silence_has_no_words(tmp_path):
    path = write(tmp_path, long_form([("word", "IntervalTier", [(0.0, 1.0, "sp"), (1.0, 2.0, " ")])]))
    refused(path, "no word", "2 intervals", ignored=["sp"])


LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(lambda text: text.replace("\r", ""))


@RELAXED
@given(
    times=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8, unique=True).map(sorted),
    labels=st.lists(LABELS, min_size=8, max_size=8),
    names=st.tuples(LABELS, LABELS),
    form=st.sampled_from(ALL_FORMS),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_is_read_back(tmp_path, times, labels, names, form, encoding):
    intervals = [(a, b, label) for a, b, label in zip(times, times[1:], labels, strict=False)]
    points = list(zip(times, labels, strict=False))
    text = form([(names[0], "IntervalTier", intervals), (names[1], "TextTier", points)])
    first, second = read_tiers(write(tmp_path, text, encoding))
    assert [first.name, second.name] == list(names)
    assert [entry[1:] for entry in first.entries] == intervals
    assert [(begin, label) for _, begin, _, label in second.entries] == points


@RELAXED
@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
)
def test_any_bytes_are_refused_with_a_message(tmp_path, content):
    refused(write(tmp_path, content))


GRID = [form([PHONES, BELLS, WORDS]) for form in ALL_FORMS]
PIECES = st.sampled_from(['"', '""', "\n", "<exists>", "9e9", "-1", "1e400", "\ufeff", "!", " = ", "\x00", "３"])


@settings(RELAXED, max_examples=300)
@given(
    text=st.sampled_from(GRID),
    edits=st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 40), PIECES), min_size=1, max_size=4),
    tier=st.sampled_from(["word", 3, "bells"]),
)
def test_a_damaged_file_is_read_or_refused_with_a_message(tmp_path, text, edits, tier):
    for at, length, piece in edits:
        text = text[:at] + piece + text[at + length :]
    path = write(tmp_path, text)
    try:
        words = read_textgrid(path, tier, ["sp"])
    except InputError as error:
        assert path in str(error) and "\n" not in str(error)
    else:
        assert (words["word"] != "").all() and (words["offset"] >= words["onset"]).all()


@settings(RELAXED, max_examples=200)
@given(text=st.sampled_from(GRID), at=st.integers(0, 1000), byte=st.integers(0, 255), wide=st.booleans())
def test_a_damaged_byte_is_read_or_refused_with_a_message(tmp_path, text, at, byte, wide):
    raw = bytearray(text.encode("utf-16" if wide else "utf-8"))
    raw[at % len(raw)] = byte
    path = write(tmp_path, bytes(raw))
    try:
        read_textgrid(path, "word")
    except InputError as error:
        assert path in str(error)


@pytest.fixture(scope="module")
def alice(real_data):
    return next((real_data / "alice").glob("*.TextGrid"))


def test_alice_has_2127_words(alice):
    words = read_textgrid(alice, "word", ["sp"])
    assert len(words) == 2127
    assert words["word"].tolist()[:6] == ["Alice", "was", "beginning", "to", "get", "very"]
    assert words["onset"].iloc[0] == pytest.approx(20.05891632653599)


def test_alice_agrees_with_the_table_of_ds002322(alice, real_data, tmp_path):
    """The table's words are the TextGrid's, up to contractions that it splits; their times are close."""
    subprocess.run(
        ["git", "clone", "-q", "--bare", str(real_data / "openneuro/ds002322.bundle"), str(tmp_path / "ds")], check=True
    )
    shown = subprocess.run(
        ["git", "-C", str(tmp_path / "ds"), "show", "HEAD:code/annotations.tsv"], capture_output=True, check=True
    )
    rows = list(csv.DictReader(io.StringIO(shown.stdout.decode()), delimiter="\t", quoting=csv.QUOTE_NONE))
    words = read_textgrid(alice, "word", ["sp"])
    ours, theirs = words["word"].str.lower().tolist(), [row["Words"].lower() for row in rows]
    same = difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    pairs = [(block.a + i, rows[block.b + i]) for block in same for i in range(block.size)]
    onsets = [(words["onset"].iloc[i], float(row["Word Onset"])) for i, row in pairs if row["Word Onset"].strip()]
    apart = np.abs(np.diff(onsets, axis=1))
    assert len(apart) > 2050
    assert np.median(apart) < 0.05 and np.percentile(apart, 99) < 0.2 and apart.max() < 1
