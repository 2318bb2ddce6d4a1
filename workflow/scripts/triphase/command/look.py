"""What a folder of a user's own holds: brain data, transcripts, checkpoints, by their names and headers."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from triphase.checkpoints.dimensions import dimensions, read_json_object
from triphase.config.datasets import load_registry
from triphase.config.discovery import find_names
from triphase.core.errors import InputError
from triphase.core.types import Section

WEIGHTS = ("*.safetensors", "*.bin")
DEPTH = 3  # folders below the one that is looked at, in which checkpoints are looked for


@dataclass(frozen=True)
class Brain:
    """Responses: which source of the registry's entry `local` reads them, runs of each subject, seconds of a scan."""

    source: str
    space: str
    subjects: dict[str, list[str]]
    tr: float | None

    @property
    def runs(self) -> list[str]:
        """Runs that every subject has, in their order."""
        each = list(self.subjects.values())
        return [run for run in each[0] if all(run in mine for mine in each)]


@dataclass(frozen=True)
class Transcript:
    """Texts: which transcript of the entry `local` reads them, runs that have none, columns of the first table."""

    name: str
    missing: list[str]
    columns: list[str] | None


@dataclass(frozen=True)
class Checkpoints:
    """Checkpoints of one training run: their folders as a path with {step}, the steps, and the model's depth."""

    path: str
    steps: list[int]
    depth: int | None


@dataclass(frozen=True)
class Findings:
    """All that a folder holds; `unknown` says what its files do not."""

    folder: Path
    brain: Brain | None
    transcript: Transcript | None
    models: list[Checkpoints]
    unknown: list[str] = field(default_factory=list)


def look_at(folder: Path, registry: Path) -> Findings:
    """What is in a folder.

    Parameters
    ----------
    folder : the user's own
    registry : the registry of data sets that ships, whose entry `local` says what is recognised

    Raises
    ------
    InputError : the folder is not there, or holds neither brain data nor checkpoints
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder")
    entry = load_registry(registry)["datasets"]["local"]
    brain, models = _brain(entry, folder), list(_checkpoints(folder))
    if brain is None and not models:
        known = ", ".join(source["path"] for source in entry["sources"])
        raise InputError(
            f"{folder}: no brain data or checkpoints are there; responses are recognised by these paths: {known}; "
            "checkpoints are folders with a number in their name that hold config.json and weights"
        )
    transcript = _transcript(entry, folder, brain.runs) if brain else None
    return Findings(folder, brain, transcript, models, list(_unknown(brain, transcript, models)))


def _brain(entry: Section, folder: Path) -> Brain | None:
    for source in entry["sources"]:
        try:
            names = find_names(source, folder, entry.get("bids")).runs
        except InputError:
            continue
        return Brain(
            source["name"], source["space"], {name: list(runs) for name, runs in names.items()}, _tr(source, folder)
        )
    return None


def _tr(source: Section, folder: Path) -> float | None:
    """Repetition time as the first image's JSON or header says it; None for arrays, which do not."""
    first = next(folder.rglob("*_bold.nii.gz"), None) if source["reader"] == "nifti" else None
    if first is None:
        return None
    beside = first.with_name(f"{first.name.split('.')[0]}.json")
    if beside.is_file():
        said = json.loads(beside.read_text(encoding="utf-8")).get("RepetitionTime")
        if isinstance(said, int | float):
            return float(said)
    import nibabel

    zooms = nibabel.load(first).header.get_zooms()  # type: ignore[attr-defined]
    return round(float(zooms[3]), 4) if len(zooms) > 3 and zooms[3] > 0 else None


def _transcript(entry: Section, folder: Path, runs: list[str]) -> Transcript | None:
    """The transcript that most runs have."""
    best: Transcript | None = None
    for transcript in entry["transcripts"]:
        paths = {run: folder / transcript["path"].replace("{stimulus}", run) for run in runs}
        there = [path for path in paths.values() if path.is_file()]
        missing = [run for run, path in paths.items() if not path.is_file()]
        if there and (best is None or len(missing) < len(best.missing)):
            best = Transcript(transcript["name"], missing, _columns(transcript, there[0]))
    return best


def _columns(transcript: Section, path: Path) -> list[str] | None:
    if transcript["format"] != "table":
        return None
    with open(path, encoding="utf-8-sig") as file:
        return file.readline().rstrip("\n").split("\t")


def _checkpoints(folder: Path) -> Iterator[Checkpoints]:
    """Series of folders that differ in their last number."""
    series: dict[str, list[int]] = {}
    depths: dict[str, int | None] = {}
    for depth in range(1, DEPTH + 1):
        for config in sorted(folder.glob("/".join(["*"] * depth) + "/config.json")):
            if not any(next(config.parent.glob(kind), None) for kind in WEIGHTS):
                continue
            if number := re.search(r"\d+(?=\D*$)", config.parent.name):
                name = f"{config.parent.name[: number.start()]}{{step}}{config.parent.name[number.end() :]}"
                path = str(config.parent.with_name(name))
                series.setdefault(path, []).append(int(number[0]))
                depths.setdefault(path, _depth(config))
    for path, steps in series.items():
        yield Checkpoints(path, sorted(steps), depths[path])


def _depth(config: Path) -> int | None:
    try:
        return dimensions(read_json_object(config)).layers
    except InputError:  # said when the study starts
        return None


def _unknown(brain: Brain | None, transcript: Transcript | None, models: list[Checkpoints]) -> Iterator[str]:
    if brain is None:
        yield "no brain data were recognised: name a data set of the registry (dataset/name)"
    else:
        if brain.tr is None:
            yield "the repetition time is in no file: dataset/overrides/tr"
        if left := sorted({run for runs in brain.subjects.values() for run in runs} - set(brain.runs)):
            names = ", ".join(left)
            yield f"which subjects to take: not all have the runs {names}, which are left out (dataset/subjects)"
        if len(brain.runs) > 1:
            yield f"which runs are to be held out: the last one was taken, {brain.runs[-1]} (dataset/test_runs)"
        if transcript is None:
            yield "no transcript was recognised: stimuli/<run>_words.tsv, stimuli/<run>.TextGrid or stimuli/<run>.txt"
        else:
            if transcript.missing:
                yield f"no transcript of the runs {', '.join(transcript.missing)}"
            if transcript.columns and not {"word", "onset", "offset"} <= set(transcript.columns):
                yield (
                    f"which columns hold word, onset and offset; the table has {', '.join(transcript.columns)} "
                    "(dataset/overrides/transcripts)"
                )
        yield "the language that was heard: en was taken (dataset/overrides/language)"
    if not models:
        yield "no checkpoints of your own were recognised: a public series stands in the file as an example"
    for series in models:
        yield f"how many tokens a step of {series.path} has (models/tokens_per_step)"
