"""Transcripts of every format to one form, on the words' clock."""

from triphase.stimuli.annotations import read_annotations
from triphase.stimuli.textgrids import read_textgrid
from triphase.stimuli.words import read_words, spaced


def read_transcript(path, words, corrections=()):
    """Read the transcript of one stimulus.

    Parameters
    ----------
    path : path of the file
    words : dict
        How it is written, as `dataset.words` says: `format` "table" (columns, labels, joined), "textgrid" (tier,
        ignored) or "annotations" (marker, unknown); `language`; `shift`, seconds added to all times; `lowercase`.
    corrections : list of dict, those of a table

    Returns
    -------
    table : DataFrame
        word, onset, offset (s) and labels; of annotations also annotator, or speaker
    seconds : float or None
        Where a file of annotations ends on the words' clock.

    Raises
    ------
    InputError : names the file and its line, row or interval
    """
    shift, seconds = float(words.get("shift") or 0), None
    match words.get("format", "table"):
        case "textgrid":
            table = read_textgrid(path, words["tier"], words.get("ignored") or ())
        case "annotations":
            marker, unknown = words.get("marker"), words.get("unknown") or ()
            table, seconds = read_annotations(path, marker=marker, unknown=unknown, spaced=spaced(words["language"]))
            seconds += shift
        case _:
            table = read_words(
                path,
                words["columns"],
                words.get("labels") or (),
                corrections=corrections,
                joined=words.get("joined") or (),
            )
    if words.get("lowercase"):
        table = table.assign(word=table["word"].str.lower())
    return table.assign(onset=table["onset"] + shift, offset=table["offset"] + shift), seconds
