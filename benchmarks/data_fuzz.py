"""Readers of tables, masks and labels under arbitrary input: what is not read ends in an InputError naming its file."""

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reporting import figure

from triphase.core.errors import InputError
from triphase.core.tables import read_cells
from triphase.responses.confounds import read_confounds
from triphase.responses.readers.gifti import GiftiReader
from triphase.responses.readers.images import inside_of, read_volume, whole_labels
from triphase.responses.readers.recording import read_label_table
from triphase.stimuli.transcripts import read_transcript

EXAMPLES = 10_000
CELL = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    ['"', '""', "n/a", "NA", "null", "1", "0,5", "-2.5e3", "nan", "1e999", "<unk>", 'f\\u"r', "\\", ",", "\u2028"]
)  # fmt: skip
HEADERS = st.sampled_from(["word\tonset\toffset", "index\tname", "trans_x\tcsf_derivative1", "word;onset", "1\t2"])
ROWS = st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=6)
WORDS = {"language": "en", "columns": {"word": "word", "onset": "onset", "offset": "offset"}, "tier": 1}
NUMBERS = st.floats(width=32) | st.integers(-3, 300) | st.sampled_from([np.nan, np.inf, 0, 0.5, 1, 1e30])
TYPES = st.sampled_from(
    [np.float32, np.float64, np.int16, np.uint8, np.complex64, [("R", "u1"), ("G", "u1"), ("B", "u1")]]
)


@st.composite
def table(draw):
    """Bytes of a table, or any."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=150))
    separator = draw(st.sampled_from(["\t", "\t", ","]))
    lines = [draw(HEADERS).replace("\t", separator), *(separator.join(row) for row in draw(ROWS))]
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines).encode()


@st.composite
def textgrid(draw):
    """Bytes of a TextGrid in Praat's short form with arbitrary labels, in places damaged."""
    labels = draw(st.lists(CELL, min_size=1, max_size=5))
    rows = "".join('{}\n{}\n"{}"\n'.format(i, i + 1, label.replace('"', '""')) for i, label in enumerate(labels))
    head = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n0\n{0}\n<exists>\n1\n"IntervalTier"\n"w"\n0\n{0}\n{0}\n'
    )
    text = head.format(len(labels)) + rows
    at = draw(st.integers(0, len(text)))
    return (text if draw(st.booleans()) else text[:at] + draw(CELL) + text[at + draw(st.integers(0, 9)) :]).encode()


@st.composite
def volume(draw):
    """Bytes of a mask or label image, in places damaged."""
    kind, values = draw(TYPES), draw(st.lists(NUMBERS, min_size=8, max_size=8))
    with np.errstate(all="ignore"):
        array = np.zeros(8, kind) if isinstance(kind, list) else np.array(values).astype(kind)
    image = nib.Nifti1Image(array.reshape(2, 2, 2), np.diag([draw(st.sampled_from([2.0, -2.0])), 2, 2, 1]))
    return _damaged(draw, image.to_bytes())


@st.composite
def surface(draw):
    """Bytes of a label surface with a table of names, in places damaged."""
    values = np.array(draw(st.lists(NUMBERS, min_size=3, max_size=3)), np.float32)
    image = nib.gifti.GiftiImage(darrays=[nib.gifti.GiftiDataArray(values)])
    for key in draw(st.lists(st.integers(-1, 3), max_size=3, unique=True)):
        label = nib.gifti.GiftiLabel(key=key)
        label.label = draw(st.sampled_from(["", "NA", "STG", "über"]))
        image.labeltable.labels.append(label)
    return _damaged(draw, image.to_bytes())


def _damaged(draw, raw):
    raw = bytearray(raw)
    for at in draw(st.lists(st.integers(0, len(raw) - 1), max_size=2)):
        raw[at] = draw(st.integers(0, 255))
    return bytes(raw)


def _labels(path):
    values, _ = read_volume(path)
    inside_of(values, path), whole_labels(values, path)


def _surface(path):
    bold = path.with_name("bold.func.gii")
    if not bold.is_file():
        nib.save(nib.gifti.GiftiImage(darrays=[nib.gifti.GiftiDataArray(np.zeros(3, np.float32))] * 2), bold)
    for role in ("mask", "rois"):
        try:
            GiftiReader([str(bold)], {role: [str(path)]}, {"space": "none"})
        except InputError as error:
            _named(error, path)


READERS = {
    "tables (.tsv)": (table(), "a.tsv", read_cells),
    "tables (.csv)": (table(), "a.csv", read_cells),
    "word tables": (table(), "a.tsv", lambda path: read_transcript(path, {**WORDS, "format": "table"})),
    "TextGrids": (textgrid(), "a.TextGrid", lambda path: read_transcript(path, {**WORDS, "format": "textgrid"})),
    "annotations": (table(), "a.txt", lambda path: read_transcript(path, {**WORDS, "format": "annotations"})),
    "confounds": (table(), "a.tsv", read_confounds),
    "label tables": (table(), "a.tsv", read_label_table),
    "mask and label images": (volume(), "a.nii", _labels),
    "mask and label surfaces": (surface(), "a.label.gii", _surface),
}


def _named(error, path):
    if path.name not in str(error) or "\n" in str(error):
        raise AssertionError(f"a message that does not name its file in one line: {error}")


def trouble_of(content, read, path, examples):
    """What arbitrary content ended in, if in no InputError of one line with the name of the file; and inputs seen."""
    seen = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(content)
    def each(raw):
        nonlocal seen
        seen += 1
        path.write_bytes(raw)
        try:
            read(path)
        except InputError as error:
            _named(error, path)

    try:
        each()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200], seen
    return "none", seen


def fuzz_figures(examples=EXAMPLES):
    """A figure for each reader: errors that are not documented, of how many inputs."""
    figures = []
    for what, (content, name, read) in READERS.items():
        with tempfile.TemporaryDirectory() as folder:
            trouble, seen = trouble_of(content, read, Path(folder) / name, examples)
        figures.append(figure(f"reading {what}: undocumented errors", trouble, "none", trouble == "none", inputs=seen))
    return figures
