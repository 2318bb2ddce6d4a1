"""Rules between keys of one data set of the registry; each raises InputError with key, value and remedy."""

import string
from collections.abc import Iterable
from typing import NoReturn

from triphase.config.bids import ENDS
from triphase.config.formats import Format
from triphase.config.modality import modality_of
from triphase.config.places import Mistakes
from triphase.config.readers import READERS
from triphase.config.transcripts import TRANSCRIPTS
from triphase.config.validation import problems_of, require_known
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section

# Nuisance features that need no label, and columns that the words table has of its own.
BUILT_IN = ("word_rate", "word_length", "zipf_frequency", "position", "envelope")
WORD_COLUMNS = (
    "stimulus",
    "run",
    "index",
    "word",
    "onset",
    "offset",
    "char_start",
    "char_end",
    "language",
    "speaker",
    "annotator",
)


def check_entry(entry: Section, where: str) -> None:
    """Check one data set; `where` is its place in the file or the config, as text."""
    runs = None if entry["runs"] is None else [run["name"] for run in entry["runs"]]
    for subject in entry["subjects"] or []:
        if "runs" in subject:
            known = runs or []
            require_known(f"{where}/subjects/{subject['name']}/runs", subject["runs"], known, "is not a run; there are")
        _check_files(f"{where}/subjects/{subject['name']}/files", subject, runs)
    _check_roots(where, entry)
    for run in entry["runs"] or []:
        if run.get("last", run.get("first", 0)) < run.get("first", 0):
            raise InputError(f"{where}/runs/{run['name']}/last: {run['last']} must not be before first, {run['first']}")
    stimuli = sorted({run.get("stimulus", run["name"]) for run in entry["runs"] or []})
    for transcript in entry["transcripts"]:
        _check_transcript(f"{where}/transcripts/{transcript['name']}", transcript, stimuli)
    for source in entry["sources"]:
        _check_source(f"{where}/sources/{source['name']}", source, entry["subjects"])
    if audio := entry.get("audio"):
        check_template(f"{where}/audio/path", audio["path"], ["stimulus", "run"])
    if events := entry.get("events"):
        for key, template in {"path": events["path"], **events.get("where", {})}.items():
            check_template(f"{where}/events/{key}", template, ["subject", "id", "run", "stimulus"])
        names = [subject["name"] for subject in entry["subjects"] or []]
        require_known(f"{where}/events/subjects", events.get("subjects", []), names, "is not a subject; there are")
        if events["applied"] and "subjects" in events:
            raise InputError(
                f"{where}/events/subjects: onsets that are applied are needed of every subject; leave the key out, and "
                "those without events out of the entry"
            )


def _check_files(where: str, subject: Section, runs: list[str] | None) -> None:
    """The files of a subject's runs are named by run, or as many as it has runs."""
    heard = subject.get("runs", runs or [])
    files = subject.get("files", {})
    if runs is None and files:
        raise InputError(f"{where}: the entry names no runs that they could be of; name its runs")
    if isinstance(files, list) and len(files) != len(heard):
        raise InputError(
            f"{where}: {len(files)} files for {len(heard)} runs; list one for each run, in their order, or name the "
            "run of each"
        )
    if isinstance(files, dict):
        require_known(where, files, heard, "is not a run of this subject; there are")


def _check_roots(where: str, entry: Section) -> None:
    """Further roots are a data set or a folder, and every file of the entry lies in a root that there is."""
    more = entry.get("roots", [])
    for root in more:
        if root["name"] in ("dataset", "local_data"):
            raise InputError(f"{where}/roots: {root['name']!r} is a root of every entry; give another name")
        if ("folder" in root) == ("url" in root):
            raise InputError(f"{where}/roots/{root['name']}: give either url (and version) or folder")
    known = ["dataset", "local_data", *(root["name"] for root in more)]
    parts = {f"{where}/{key}/{part['name']}": part for key in ("transcripts", "sources") for part in entry[key]}
    parts |= {f"{where}/{key}": entry[key] for key in ("audio", "events") if entry.get(key)}
    for place, part in parts.items():
        require_known(f"{place}/root", [part["root"]], known, "is not a root; there are")


def _check_keys(where: str, entry: Section, base: str, declared: Format) -> None:
    """Mistakes unless an entry has the keys that its reader or format declares, beside those of all entries."""
    from triphase.config.schema import registries

    place = tuple(where.split("/"))
    if problems := problems_of(entry, registries.declared_section(getattr(registries, base), declared), place):
        raise Mistakes(problems)
    if trouble := declared.check(entry):
        raise InputError(f"{where}/{trouble}")
    if declared.suffixes and not entry["path"].lower().endswith(("*", "}", *map(str.lower, declared.suffixes))):
        ends = " or ".join(declared.suffixes)
        raise InputError(f"{where}/path: {entry['path']!r} must end in {ends} to be read as {declared.name!r}")


def _check_transcript(where: str, transcript: Section, stimuli: list[str]) -> None:
    declared = TRANSCRIPTS.find(transcript["format"], f"{where}/format")
    _check_keys(where, transcript, "Transcript", declared)
    for key, template in {"path": transcript["path"], **transcript.get("where", {})}.items():
        check_template(f"{where}/{key if key == 'path' else f'where/{key}'}", template, ["stimulus"])
    for label in transcript.get("labels", []):
        if label["name"] in (*BUILT_IN, *WORD_COLUMNS):
            raise InputError(
                f"{where}/labels: {label['name']!r} is taken; a label must not be named "
                f"{', '.join((*BUILT_IN, *WORD_COLUMNS))}"
            )
    corrected = [correction["stimulus"] for correction in transcript.get("corrections", [])]
    if stimuli:
        require_known(f"{where}/corrections", corrected, stimuli, "is not a stimulus of the runs; there are")


def _check_source(where: str, source: Section, subjects: Entries | None) -> None:
    reader = READERS.find(source["reader"], f"{where}/reader")
    _check_keys(where, source, "Source", reader)
    if source.get("layout") and (source["reader"] not in ENDS or source["root"] != "local_data"):
        raise InputError(f"{where}/layout: bids is for root local_data and the readers {', '.join(ENDS)}")
    if modality_of(source).by_word and source["reader"] != "fif" and "lags" not in reader.keys():
        raise InputError(f"{where}/modality: 'ecog' needs a reader of recordings, such as fif, and not {reader.name!r}")
    names = None if subjects is None else [subject["name"] for subject in subjects]
    if names is not None:
        require_known(f"{where}/subjects", source.get("subjects", []), names, "is not a subject; there are")
    served = [s for s in subjects or [] if s["name"] in source.get("subjects", names or [])]
    for key in ("path", "confounds", *reader.files):
        allowed = ["subject", "id", "run", "stimulus"] + (["hemi"] if reader.hemispheres else [])
        allowed += ["image", "grid"] if source.get("layout") else []
        used = check_template(f"{where}/{key}", source.get(key), allowed)
        without = [subject["name"] for subject in served if "id" not in subject]
        if "id" in used and without:
            raise InputError(f"{where}/{key}: {source[key]!r} uses {{id}}, but the subject {without[0]!r} has no id")
    for key in reader.templates:
        check_template(f"{where}/{key}", source.get(key), ["run", "stimulus"])
    regions = [region["name"] for region in source.get("regions", [])]
    if "columns" in source:
        require_known(f"{where}/regions", regions, source["columns"], "is not among its columns; there are")
    elif regions and not source.get("rois") and not reader.names_regions:
        raise InputError(f"{where}/regions: the source has no label image (rois), so it has no regions; use an atlas")


def check_told_apart(dataset: Section) -> None:
    """InputError where the paths of a study do not tell apart what it lists as different.

    Two runs of a subject, or two subjects, that have one file would have the same responses: what is held out would
    have been trained on, and repeats would agree perfectly. One file may hold several runs under a key each, as rows of
    its own, or as hearings of one stimulus.

    Parameters
    ----------
    dataset : dict, as `triphase.config.datasets.resolve_dataset` returns it
    """
    source = dataset["source"]
    inside = [source[key] for key in READERS[source["reader"]].templates if source.get(key)]
    for role, template in source["files"].items():
        kind = role.partition("_")[0]
        if kind not in ("response", "confounds"):
            continue
        seen: dict[tuple[str, ...], list[tuple[str, Section]]] = {}
        for subject in dataset["subjects"]:
            for run in dataset["runs"]:
                names = {**subject, "run": subject.get("files", {}).get(run["name"], run["name"])}
                names |= {"subject": subject["name"], "stimulus": run["stimulus"]}
                held = [*inside, str(run.get("repeat"))] if kind == "response" else []
                place = tuple(text.format(**names) for text in (template, *held))
                others = seen.setdefault(place, [])
                for other, heard in others:
                    if not (other == subject["name"] and _apart(heard, run)):
                        _refuse_same(kind, template, (other, heard["name"]), (subject["name"], run["name"]))
                others.append((subject["name"], run))


def _apart(one: Section, other: Section) -> bool:
    """Whether two runs are rows of one file of which none is in both."""
    rows = sorted((run.get("first", 0), run.get("last", float("inf"))) for run in (one, other))
    return bool(rows[0][1] < rows[1][0])


def _refuse_same(kind: str, template: str, one: tuple[str, str], other: tuple[str, str]) -> NoReturn:
    """InputError for two runs, or two subjects, with one file; each is (subject, run)."""
    key = "path" if kind == "response" else kind
    if one[0] != other[0]:
        raise InputError(
            f"dataset/source/{key}: {template!r} gives the subjects {one[0]!r} and {other[0]!r} the same file; it must "
            "hold {subject} or {id}, and the ids must differ"
        )
    what, remedy = "confounds", "or be null"
    if kind == "response":
        what = "responses"
        remedy = "or, where a file holds several, the source's key must, or the runs need `first` and `last`, or "
        remedy += "`repeat` (hearings of one stimulus under repeats_key)"
    raise InputError(
        f"dataset/source/{key}: {template!r} gives the runs {one[1]!r} and {other[1]!r} of {one[0]!r} the same {what}; "
        f"it must hold {{run}} (or {{stimulus}}, where each is heard once), {remedy}"
    )


def check_template(where: str, template: str | None, allowed: Iterable[str]) -> set[str]:
    """Placeholders of a path template; InputError when one is unknown or the template is broken."""
    try:
        used = {field for _, field, _, _ in string.Formatter().parse(template or "") if field is not None}
    except ValueError as error:
        raise InputError(f"{where}: {template!r} is not a path template ({error})") from None
    known = [f"{{{name}}}" for name in allowed]
    require_known(f"{where}: {template!r}", [f"{{{name}}}" for name in sorted(used)], known, "is unknown; it may use")
    return used
