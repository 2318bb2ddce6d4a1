"""Labels of aligners that are no words, trigraphs of Praat, and one idea of what is missing."""

import unicodedata

import pytest

from triphase.core.errors import InputError
from triphase.stimuli.nonwords import is_word, left_out
from triphase.stimuli.transcripts import read_transcript
from triphase.stimuli.trigraphs import decoded

GRID = """File type = "ooTextFile"
Object class = "TextGrid"
0
{n}
<exists>
1
"IntervalTier"
"words"
0
{n}
{n}
"""
TABLE = {"format": "table", "language": "en", "columns": {"word": "word", "onset": "onset", "offset": "offset"}}


def grid(tmp_path, labels):
    text = GRID.format(n=len(labels))
    for i, label in enumerate(labels):
        quoted = label.replace('"', '""')
        text += f'{i}\n{i + 1}\n"{quoted}"\n'
    (tmp_path / "a.TextGrid").write_text(text, encoding="utf-8")
    return tmp_path / "a.TextGrid"


def textgrid(path, **options):
    return read_transcript(path, {"format": "textgrid", "language": "en", "tier": 1, **options})[0]


def table(tmp_path, words, name="a.tsv"):
    separator = "," if name.endswith("csv") else "\t"
    rows = [separator.join([word, str(i), str(i + 0.5)]) for i, word in enumerate(words)]
    (tmp_path / name).write_text("\n".join([separator.join(["word", "onset", "offset"]), *rows]), encoding="utf-8")
    return tmp_path / name


LABELS = ["sil", "so", "<unk>", "spn", "SP", "{BR}", "[laughter]", "<p:>", "it", "nsn", "<unk>"]


def test_kind_labels_of_aligners_are_no_words_and_are_counted(tmp_path):
    counts = {"<unk>": 2, "<p:>": 1, "SP": 1, "[laughter]": 1, "nsn": 1, "sil": 1, "spn": 1, "{BR}": 1}
    for read in (textgrid(grid(tmp_path, LABELS)), read_transcript(table(tmp_path, LABELS), TABLE)[0]):
        assert read["word"].tolist() == ["so", "it"]
        assert read.attrs["non_words"] == counts
    remark = left_out({"one": counts, "two": {"<unk>": 3}})
    assert "<unk> (5)" in remark and "`kept`" in remark
    assert left_out({"one": {}}) is None


def test_kind_labels_can_be_kept_or_added(tmp_path):
    path = grid(tmp_path, ["sil", "so", "uh", "<unk>"])
    assert textgrid(path, kept=["SIL"], ignored=["uh"])["word"].tolist() == ["sil", "so"]
    assert is_word("<", {}) and is_word("[x", {}) and not is_word(" {sp} ", {})
    with pytest.raises(InputError, match="no word"):
        textgrid(grid(tmp_path, ["sil", ""]))
    with pytest.raises(InputError, match="no row is a word, but spn"):
        read_transcript(table(tmp_path, ["spn"]), TABLE)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ('f\\u"r', "für"),
        ("Stra\\sse", "Straße"),
        ("\\e'te\\'a", "éte'"),
        ("sm\\o/rebr\\o/d", "smørebrød"),
        ("\\Ao \\ae \\c, \\n~ \\s<", "Å æ ç ñ š"),
        ("\\all\\ga \\Om\\s2", "αlγ Ως"),
        ('\\"lHello\\"r', "“Hello”"),
        ("and\\bsor", "and\\or"),
        ("plain", "plain"),
    ],
)
def test_kind_labels_trigraphs_of_praat_are_decoded(tmp_path, label, text):
    assert decoded(label) == text
    assert textgrid(grid(tmp_path, [label]))["word"].tolist() == [text]


def test_kind_labels_a_backslash_that_is_no_trigraph_is_refused(tmp_path):
    for label in ("a\\zz", "a\\", "a\\x"):
        with pytest.raises(InputError, match="line .*Convert to Unicode"):
            textgrid(grid(tmp_path, ["a", label]))


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_kind_missing_n_a_is_no_word(tmp_path, name):
    assert read_transcript(table(tmp_path, ["null", "NA", "None"], name), TABLE)[0]["word"].tolist()[0] == "null"
    with pytest.raises(InputError, match="row 3: the word is empty, or n/a"):
        read_transcript(table(tmp_path, ["once", "n/a"], name), TABLE)


@pytest.mark.parametrize("word", ["\u200b", "\ufeff", "\u200e \u2060"])
def test_kind_missing_a_word_that_cannot_be_seen_is_none(tmp_path, word):
    with pytest.raises(InputError, match="row 3: the word is empty"):
        read_transcript(table(tmp_path, ["once", word]), TABLE)


def test_kind_dialect_suffixes_in_capitals(tmp_path):
    assert read_transcript(table(tmp_path, ["once"], "A.TSV"), TABLE)[0]["word"].tolist() == ["once"]


def test_kind_text_identity_words_are_composed_in_every_format(tmp_path):
    apart = unicodedata.normalize("NFD", "über")
    (tmp_path / "a.txt").write_text(f"[0]{apart}\n", encoding="utf-8")
    annotations = read_transcript(tmp_path / "a.txt", {"format": "annotations", "language": "de"})[0]
    for read in (textgrid(grid(tmp_path, [apart])), read_transcript(table(tmp_path, [apart]), TABLE)[0], annotations):
        assert read["word"].tolist() == ["über"]
    named = {**TABLE, "columns": {"word": "Wört", "onset": "onset", "offset": "offset"}}
    path = table(tmp_path, ["a"])
    path.write_text(path.read_text().replace("word", unicodedata.normalize("NFD", "Wört")))
    assert read_transcript(path, named)[0]["word"].tolist() == ["a"]


def test_kind_advice_tables_without_a_header_and_decimal_commas(tmp_path):
    (tmp_path / "a.csv").write_text("I,i,0.12,0.2\nwent,went,0.2,0.4\n")
    with pytest.raises(InputError, match="no column 'word'.*seems to have no header"):
        read_transcript(tmp_path / "a.csv", TABLE)
    (tmp_path / "a.tsv").write_text("word\tonset\toffset\nja\t0,5\t1,0\n")
    with pytest.raises(InputError, match="row 2: onset is '0,5'.*decimal comma: write 0.5"):
        read_transcript(tmp_path / "a.tsv", TABLE)
