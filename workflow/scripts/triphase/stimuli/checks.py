"""Whether words and annotations fit each other and the scan that they were heard in."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.lazy import np, pd

# Times are written with three decimals or more, or moved by hand: neighbours may overlap by rounding, seconds.
OVERLAP_TOLERANCE = 0.001
# Annotations are made from a copy of the film: a few seconds at its end may be there or lack.
ANNOTATION_TOLERANCE = 5.0
# What a program writes for a character that it could not read.
LOST = "\ufffd"


def said_at_all(word: str) -> bool:
    """Whether a word has a character that can be seen; white space and marks of layout, as U+200B, have none."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in word)


def is_broken(character: str) -> bool:
    """Whether no text holds a character: what stands for one that was lost, and control signs but white space."""
    return character == LOST or (unicodedata.category(character) == "Cc" and not character.isspace())


def check_words(words: pd.DataFrame, where: str | Path, overlapping: bool = False) -> None:
    """InputError unless words have text, end after they begin and, unless they may overlap, follow each other.

    Parameters
    ----------
    words : DataFrame with word, onset, offset; its index is named as the row
    where : str, for the message
    """
    for row, word in zip(words.index, words["word"], strict=True):
        if broken := next((sign for sign in word if is_broken(sign)), None):
            raise InputError(
                f"{where}, row {row}: {word!r} holds U+{ord(broken):04X}, which stands in no text"
                f"{': a letter was lost when the file was converted' if broken == LOST else ''}; write what was said"
            )
    empty = words.index[[not said_at_all(word) for word in words["word"]]]
    if len(empty):
        raise InputError(
            f"{where}, row {empty[0]}: the word is empty, or n/a, which says the same; remove the row or write the word"
        )
    onset, offset = words["onset"].to_numpy(), words["offset"].to_numpy()

    def refuse(wrong, explanation):
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            more = f" ({int(wrong.sum())} such rows)" if wrong.sum() > 1 else ""
            values = f"onset {onset[i]:g}, offset {offset[i]:g}"
            before = f", the word before it {onset[i - 1]:g} to {offset[i - 1]:g}" if i else ""
            raise InputError(
                f"{where}, row {words.index[i]}: {words['word'].iloc[i]!r} has {values}{before}: {explanation}{more}"
            )

    refuse(offset < onset, "a word must end at or after its onset")
    if overlapping:
        return
    refuse(np.r_[False, np.diff(onset) < 0], "words must be sorted by onset")
    refuse(np.r_[False, offset[:-1] - onset[1:] > OVERLAP_TOLERANCE], "words must not overlap")


def check_duration(words: pd.DataFrame, run: str, scan_end: float) -> None:
    """InputError when a run's transcript does not fit its scan.

    Words may not end after the scan. The file of annotations may end up to `ANNOTATION_TOLERANCE` before or after it:
    rows after its end have no annotation, and annotations after the scan no effect.

    Parameters
    ----------
    words : DataFrame
        The rows of the run; `attrs` may hold unit and, for annotations, seconds (of each stimulus' file, on the words'
        clock).
    run : str
    scan_end : float, s on the words' clock
    """
    if words.attrs.get("unit") == "annotation":
        seconds = words.attrs["seconds"][words["stimulus"].iloc[0]]
        if abs(seconds - scan_end) > ANNOTATION_TOLERANCE:
            raise InputError(
                f"run {run}: its annotations end at {seconds:g} s, but the scan at {scan_end:g} s; they may differ by "
                f"{ANNOTATION_TOLERANCE:g} s: check the run's file, words.shift, tr and dropped_volumes"
            )
        return
    late = words[words["offset"] > scan_end + OVERLAP_TOLERANCE]
    if len(late):
        row = late.iloc[0]
        raise InputError(
            f"run {run}: word {int(row['index']) + 1} ({row['word']!r}) ends at {row['offset']:g} s, but the scan ends "
            f"at {scan_end:g} s; {len(late)} words lie beyond it: check the transcript's clock, dataset.tr and "
            "dropped_volumes"
        )


def last_word(words: pd.DataFrame) -> float:
    """When the last word of a run ends, s."""
    return float(words["offset"].max())


def check_margin(words: pd.DataFrame, where: str, end: float, margin: float) -> None:
    """InputError where a scan, or a sound, goes on far longer than its words: it is hardly theirs.

    Parameters
    ----------
    words : DataFrame, the rows of the run; annotations, which have their own check, and no words pass
    where : what goes on, for the message
    end : s on the words' clock
    margin : s that it may go on, `dataset/margin`
    """
    if words.attrs.get("unit") == "annotation" or not len(words) or end - last_word(words) <= margin:
        return
    raise InputError(
        f"{where}: it ends at {end:g} s, but its last word at {last_word(words):g} s: {end - last_word(words):g} s "
        f"without a word, and {margin:g} s may be; check that file and transcript belong together, dataset.tr, and "
        "whether time is the axis that it should be; if all is right, set dataset/overrides/margin to more"
    )


def check_sound(words: pd.DataFrame, path: str | Path, end: float, margin: float) -> None:
    """InputError where a sound and the words said in it are not of one length.

    Parameters
    ----------
    words : DataFrame, the rows of its stimulus
    path : of the sound
    end : s, where the sound ends; its first sample is time 0 of the words' clock
    margin : s by which it may go on after the last word
    """
    check_margin(words, str(path), end, margin)
    if len(words) and last_word(words) > end + ANNOTATION_TOLERANCE:
        raise InputError(
            f"{path}: the sound ends at {end:g} s, but the last word that is heard in it at {last_word(words):g} s; "
            "check that both are of one stimulus, and the transcript's clock (its shift moves the words alone)"
        )
