"""Labels of transcripts that are no words: silence, noise, what an aligner did not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from triphase.core.lazy import pd
from triphase.core.messages import listed
from triphase.core.texts import composed
from triphase.core.types import Section

# What aligners (MFA, Kaldi, HTK, P2FA, WebMAUS) write between words, and marks of sentences; [ours].
CODES = ("sil", "!sil", "sp", "spn", "nsn", "sentence_start", "sentence_end", "!enter", "!exit")
# Labels in these are remarks of an aligner or annotator: <unk>, <p:>, [laughter], {BR}; [ours].
BRACKETS = {"<": ">", "[": "]", "{": "}"}
# Of labels that a remark names.
MOST_LABELS = 12


def bare(label: str) -> str:
    """A label without white space, braces and case around it."""
    return composed(label).strip().strip("{}").strip().casefold()


def is_word(label: str, words: Section) -> bool:
    """Whether a label of a transcript is a word that was said.

    Parameters
    ----------
    label : text of an interval or a row
    words : dict, `dataset.words`: `ignored`, more labels that are no words, and `kept`, labels that are words although
        they stand in `CODES` or in brackets; case and enclosing braces mean nothing in either
    """
    text = bare(label)
    if text in {bare(kept) for kept in words.get("kept", ())}:
        return True
    bracketed = len(label) > 1 and BRACKETS.get(label.strip()[:1]) == label.strip()[-1:]
    return not (not text or bracketed or text in CODES or text in {bare(other) for other in words.get("ignored", ())})


def spoken(table: pd.DataFrame, words: Section) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows of a transcript that are words, and how often each other label stood there; empty ones are left in.

    Parameters
    ----------
    table : DataFrame with word
    words : as in `is_word`
    """
    labels = {label: not label.strip() or is_word(label, words) for label in dict.fromkeys(table["word"])}
    keep = table["word"].map(labels).to_numpy(bool)
    left = Counter(table["word"][~keep].tolist())
    return table[keep], {label: left[label] for label in sorted(left, key=lambda label: (-left[label], label))}


def left_out(counts: Mapping[str, Mapping[str, int]]) -> str | None:
    """A remark on the labels that were taken for no words in some stimuli, with their counts; None without any.

    `counts` : dict of stimulus to what `spoken` counted there
    """
    total: Counter[str] = Counter()
    for each in counts.values():
        total.update(each)
    if not total:
        return None
    named = listed([f"{label} ({number})" for label, number in total.most_common()], MOST_LABELS)
    return (
        f"Labels of the transcripts that are no words, and were left out (the transcript's `kept` keeps one): {named}."
    )
