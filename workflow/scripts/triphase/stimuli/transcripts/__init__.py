"""Transcripts of every format to one form, on the words' clock: a module per format."""

from __future__ import annotations

from pathlib import Path

from triphase.config.transcripts import TRANSCRIPTS
from triphase.core.errors import InputError
from triphase.core.lazy import pd
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.stimuli.checks import check_words
from triphase.stimuli.nonwords import spoken


def read_transcript(path: str | Path, words: Section) -> tuple[pd.DataFrame, float | None]:
    """Read and check the transcript of one stimulus.

    Parameters
    ----------
    path : path of the file
    words : dict, `dataset.words`: `format` and its own keys; `language`; `shift`, seconds added to all times;
        `lowercase`; `overlapping`

    Returns
    -------
    table : word, onset, offset (s) and labels; of annotations also annotator, or speaker. Its `attrs` hold `non_words`,
        how often each label stood there that is no word (see `triphase.stimuli.nonwords`)
    seconds : float or None; where a file of annotations ends on the words' clock

    Raises
    ------
    InputError : names the file and its line, row or interval
    """
    transcript, shift = TRANSCRIPTS.find(words["format"], "dataset/transcript/format"), float(words.get("shift", 0))
    table, seconds = transcript.function(path, words)
    if missing := {"word", "onset", "offset"} - set(table):
        raise InputError(f"{path}: transcript format {transcript.name!r} gives no {' and no '.join(sorted(missing))}")
    non_words: dict[str, int] = {}
    if transcript.unit == "word":
        table, non_words = spoken(table, words)
        if table.empty:
            raise InputError(f"{path}: no row is a word, but {', '.join(non_words)}; give the column of words")
        check_words(table, path, overlapping=words.get("overlapping", False))
    lower = bool(words.get("lowercase"))
    # White space of any kind and length is one space, as a model should read it.
    table = table.assign(word=[" ".join(composed(text.lower() if lower else text).split()) for text in table["word"]])
    table = table.assign(onset=table["onset"] + shift, offset=table["offset"] + shift)
    table.attrs = {"non_words": non_words}
    return table, None if seconds is None else seconds + shift
