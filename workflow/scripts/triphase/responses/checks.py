"""Whether a run's file is plausible: its repetition time, and its length beside what was heard in it."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from triphase.core.content import unfetched
from triphase.core.errors import InputError, one_line
from triphase.core.tables import read_text
from triphase.responses.readers.recording import Recording
from triphase.stimuli.checks import ANNOTATION_TOLERANCE, OVERLAP_TOLERANCE, check_duration, check_margin, last_word

TR_TOLERANCE = 0.001
# Of fewer words nobody can tell how long a run is.
FEWEST_WORDS = 20


def sidecar(path: str | Path) -> tuple[Path, float] | None:
    """The JSON file beside a response (BIDS) and its RepetitionTime, s; None where there is none that tells one.

    Raises
    ------
    InputError : it is no JSON, or its RepetitionTime no number
    """
    stem = Path(path)
    while stem.suffix in (".gz", ".nii", ".gii", ".func", ".dtseries"):
        stem = stem.with_suffix("")
        beside = stem.with_name(stem.name + ".json")
        # A link whose content was not fetched says nothing.
        if not beside.is_file() or beside == Path(path) or unfetched(beside):
            continue
        try:
            content = json.loads(read_text(beside))
        except ValueError as error:
            raise InputError(f"{beside}: not JSON ({one_line(error)}); get the file again, or remove it") from None
        seconds = content.get("RepetitionTime") if isinstance(content, dict) else None
        if seconds is None:
            continue
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < float("inf"):
            raise InputError(
                f"{beside}: RepetitionTime is {seconds!r}; it must be a number of seconds; correct the file"
            )
        return beside, float(seconds)
    return None


def _in_milliseconds(one: float, other: float) -> str:
    """A remark where of two times one is a thousandth of the other."""
    large, small = max(one, other), min(one, other)
    return f" (is {large:g} in milliseconds?)" if abs(large / small - 1000) < 1 else ""


def check_tr(recording: Recording, tr: float, believed: bool = True) -> str | None:
    """Compare a file's repetition time with that of the study.

    Where a header disagrees, the JSON beside the file decides: fMRIPrep 23.2.0 wrote 1 s into every header, earlier
    ones milliseconds as seconds.

    Parameters
    ----------
    recording : one run
    tr : `dataset/tr`, s
    believed : whether headers count; false where `dataset/header_tr` is ignore

    Returns
    -------
    str or None : what a reader of the report should know, where a header was overruled

    Raises
    ------
    InputError : the JSON says another TR, or the header does and nothing overrules it
    """
    told = sidecar(recording.path)
    if told and abs(told[1] - tr) > TR_TOLERANCE:
        raise InputError(
            f"{told[0]}: RepetitionTime is {told[1]:g} s, but dataset.tr is {tr:g} s{_in_milliseconds(told[1], tr)}; "
            "set dataset/overrides/tr to the one that is right, or correct the file"
        )
    header = recording.tr
    if header is None or abs(header - tr) <= TR_TOLERANCE:
        return None
    if told:
        return f"{header:g} s in the header, overruled by {told[0].name}"
    if not believed:
        return f"{header:g} s in the header, overruled by dataset/header_tr"
    raise InputError(
        f"{recording.path}: the header's TR is {header:g} s, but dataset.tr is {tr:g} s{_in_milliseconds(header, tr)}; "
        "set dataset/overrides/tr if the header is right. Where it is wrong (fMRIPrep 23.2.0 wrote 1 s into all, "
        "earlier ones milliseconds), put the JSON file with RepetitionTime beside it, or set "
        "dataset/overrides/header_tr to ignore"
    )


@dataclass(frozen=True)
class Clock:
    """How volumes of a run lie in time.

    tr : s; missing : volumes of the scan that the file lacks; onset : s into the scan at which the words' clock begins
    """

    tr: float
    missing: int
    onset: float = 0.0

    def end(self, volumes: int) -> float:
        """When a scan of so many volumes in its file ends, s on the words' clock."""
        return (volumes + self.missing) * self.tr - self.onset


def check_length(
    recording: Recording, words: pd.DataFrame, run: str, clock: Clock, margin: float, axes: str | None = None
) -> None:
    """InputError unless a run is as long as what was heard in it, and its axes are the right way round.

    Parameters
    ----------
    recording : one run
    words : the rows of the run
    run : its name, for messages
    clock : how its volumes lie in time
    margin : s by which a scan may go on after the last word, `dataset/margin`
    axes : the source's `axes`, where it says them
    """
    if recording.other and not axes and len(words):
        _check_axes(recording, words, clock, margin)
    end = clock.end(recording.volumes)
    check_duration(words, run, end)
    check_margin(words, f"{recording.path}: run {run}", end, margin)


def _check_axes(recording, words, clock, margin):
    """Whether the axis that lies where time is meant to is as long as the words; else whether the other one is."""
    last, beyond = last_word(words), (-OVERLAP_TOLERANCE, margin)
    if words.attrs.get("unit") == "annotation":
        last = words.attrs["seconds"][words["stimulus"].iloc[0]]
        beyond = -ANNOTATION_TOLERANCE, ANNOTATION_TOLERANCE
    ends = clock.end(recording.volumes), clock.end(recording.other)
    fits = [beyond[0] <= end - last <= beyond[1] for end in ends]
    if not fits[1] or (fits[0] and len(words) < FEWEST_WORDS and ends[0] != ends[1]):
        return
    also = "both could be, so that nobody can tell" if fits[0] else "only the second is as long as the words"
    remedy = '"time, voxel" or "voxel, time", as it is' if fits[0] else '"voxel, time"'
    raise InputError(
        f"{recording.path}: an array of {recording.volumes} x {recording.other}; with time as its first axis the "
        f"scan ends at {ends[0]:g} s, as its second at {ends[1]:g} s, and what was heard at {last:g} s: {also}; set "
        f"the source's `axes` to {remedy}"
    )
