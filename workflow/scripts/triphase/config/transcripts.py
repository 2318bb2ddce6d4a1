"""The registry of formats of transcripts. A format is one file, here in `stimuli/transcripts` or a user's own."""

from dataclasses import dataclass

from triphase.config.formats import Format
from triphase.core.registry import Registry


@dataclass(frozen=True, eq=False)
class TranscriptFormat(Format):
    """A format of transcripts; its `function` is called once per stimulus as function(path, words).

    path : path of the file
    words : dict, `dataset.words`: language and the format's own keys

    It returns a DataFrame with word (text), onset, offset (s, of the file's own clock) and labels, indexed by the row
    or line of the file, and the length of the stimulus (s) where the file tells it, else None.

    Attributes
    ----------
    unit : "word", or "annotation" where rows are texts of several words, which may overlap
    """

    unit: str = "word"


TRANSCRIPTS = Registry("transcript format", TranscriptFormat, package="triphase.stimuli.transcripts")
