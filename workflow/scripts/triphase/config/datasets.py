"""The registry of data sets: what the name of a data set stands for, and the part of it that a study chose.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import copy
from collections.abc import Mapping
from pathlib import Path

from triphase.config.bids import Found, natural
from triphase.config.dataset_rules import check_entry, check_told_apart
from triphase.config.discovery import find_names
from triphase.config.merging import merged
from triphase.config.modality import modality_of
from triphase.config.places import Collected, Mistakes, Sources
from triphase.config.readers import READERS
from triphase.config.transcripts import TRANSCRIPTS
from triphase.config.validation import problems_of, read_checked, require_known
from triphase.core.errors import InputError
from triphase.core.messages import listed
from triphase.core.types import Entries, Section

# Seconds that a scan may go on after its last word, where the entry says nothing else; [ours]. Credits of a film or a
# rest at the end of a run are shorter, a file of another run or with its axes swapped is longer.
MARGIN = 180.0
NO_FILES = "has no images in the folder; there are"


def load_registry(path: str | Path) -> Section:
    """Read and check a registry of data sets.

    Parameters
    ----------
    path : path of a YAML file with `datasets` and, optionally, `atlases`

    Returns
    -------
    dict with datasets and atlases: dict of name to entry

    Raises
    ------
    InputError : the file, the entry, the key and its value
    """
    from triphase.config.schema.registries import Datasets

    content = read_checked(path, Datasets, key="dataset/registry")
    collected = Collected(Sources([Path(path)]))
    for entry in content["datasets"]:
        collected.value(check_entry, entry, f"datasets/{entry['name']}")
    for atlas in content.get("atlases", []):
        needed = {"image": ("url", "version", "image", "table"), "coordinates": ("set", "radius")}[atlas["kind"]]
        if missing := [key for key in needed if key not in atlas]:
            message = f"atlases/{atlas['name']}: kind {atlas['kind']!r} needs {', '.join(missing)}"
            collected.problems.append((("atlases", atlas["name"]), message))
    collected.refuse()
    return {key: {entry["name"]: entry for entry in content.get(key, [])} for key in ("datasets", "atlases")}


def resolve_dataset(
    selection: Section, registry: Section, *, study: str, local_data: str | Path | None = None
) -> Section:
    """The data set of a study: the registry's entry with the study's overrides, cut down to what the study chose.

    Parameters
    ----------
    selection : dict, `dataset` of the study's config
    registry : what `load_registry` returns
    study : str, name of the study
    local_data : folder of the user's own files, searched where the entry names no subjects or runs

    Returns
    -------
    dict
        name, title, url, version, license, citation, language, local_data_hint, tr, header_tr, margin, simulate, roots,
        audio, as the registry has them; `events`, the tables of onsets, or None; `unverified`, lines that say what
        could not be; `unread`, files of the user's own folder that look like responses and are none of the study;
        `subjects` (name, id, and files by run) and `runs` (name, stimulus, group, test, repeat, overlap, skipped,
        first, last) of the study; `left_out`, names of runs that were
        not chosen away but that not every subject has; `words`, the chosen transcript, and
        `source`, the chosen source of responses with the path template of each role of its `files`, each with its
        defaults; `brain`; `atlas`, or None; `rois`, the regions of the atlas or of the source, with language
        and sensory.

    Raises
    ------
    InputError : the study's key, its value and what there is
    """
    require_known("dataset/name", [selection["name"]], list(registry["datasets"]), "is not in the registry; there are")
    entry = merged(registry["datasets"][selection["name"]], selection["overrides"])
    if selection["overrides"]:
        from triphase.config.schema.registries import RegisteredDataset

        if problems := problems_of(entry, RegisteredDataset, ("dataset", "overrides")):
            raise Mistakes(problems)
        check_entry(entry, "dataset/overrides")
    source = dict(
        _chosen(entry["sources"], selection["source"], "dataset/source", "is not among the sources; there are")
    )
    what = "is not a transcript; there are"
    words = _chosen(entry["transcripts"], selection["transcript"], "dataset/transcript", what)
    written = TRANSCRIPTS[words["format"]]
    given = {"language": entry["language"], "shift": 0.0, "labels": [], **copy.deepcopy(words)}
    words = given | {"unit": written.unit}
    atlas = _atlas(selection["atlas"], registry["atlases"], source)
    regions = atlas["regions"] if atlas else source.pop("regions", [])
    source.pop("regions", None)
    found = None
    if entry["subjects"] is None or entry["runs"] is None or source.get("layout"):
        if entry["subjects"] and entry["runs"]:
            _check_tr(entry)
        found = find_names(source, local_data, entry.get("bids"))
        source = _filled(source, found.templates)
    subjects, runs, left_out = _subjects_and_runs(entry, selection, source, found)
    kept = ("name", "title", "license", "citation", "language", "tr")
    resolved = {
        **{key: entry[key] for key in kept},
        **{key: entry.get(key) for key in ("local_data_hint", "simulate", "audio")},
        "roots": entry.get("roots", []),
        "header_tr": entry.get("header_tr", "check"),
        "margin": entry.get("margin", MARGIN),
        "events": _events(entry.get("events"), words, source),
        "unverified": _unverified(entry, words, source),
        "url": (entry["url"] or "").replace("{study}", study) or None,
        "version": entry["version"],
        "subjects": subjects,
        "runs": runs,
        "left_out": left_out,
        "unread": list(found.unread) if found else [],
        "found": list(found.told) if found else [],
        "words": words,
        "source": _with_files(source),
        "brain": selection["brain"],
        "atlas": atlas,
        "rois": [{"language": False, "sensory": False, **region} for region in regions],
    }
    _check_resolved(resolved, study)
    return resolved


def _chosen(entries: Entries, name: str | None, where: str, what: str) -> Section:
    if name is None:
        return entries[0]
    names = [entry["name"] for entry in entries]
    require_known(where, [name], names, what)
    return entries[names.index(name)]


def _events(events: Section | None, words: Section, source: Section) -> Section | None:
    """The tables of onsets; None where they are only told, and lie where the study reads nothing else."""
    if events is None or not (events["applied"] or events["root"] in (words["root"], source["root"])):
        return None
    return {"column": "onset", "where": {}, **events}


def _unverified(entry: Section, words: Section, source: Section) -> list[str]:
    """What the registry says of the entry, the transcript and the source that nobody could verify."""
    told = {
        entry["name"]: entry,
        f"transcripts/{words['name']}": words,
        f"sources/{source['name']}": source,
    }
    return [f"{where}: not verified: {part['unverified']}" for where, part in told.items() if part.get("unverified")]


def _atlas(name: str | None, atlases: Section, source: Section) -> Section | None:
    if name is None:
        return None
    require_known("dataset/atlas", [name], list(atlases), "is not in the registry; there are")
    if source["space"] != "mni":
        raise InputError(
            f"dataset/atlas: {name!r} is in MNI space, but the source {source['name']!r} is in space "
            f"{source['space']!r}; choose a source in MNI space, or null"
        )
    atlas: Section = copy.deepcopy(atlases[name])
    return atlas


def _check_tr(dataset: Section) -> None:
    if dataset["tr"] is None:
        raise InputError(f"dataset/overrides: {dataset['name']!r} has no tr in the registry; set tr, in seconds")


def _filled(source: Section, templates: Mapping[str, str]) -> Section:
    """A source whose templates have what was found of its images, {image} and {grid}, put in."""
    filled = dict(source)
    for key in ("path", "confounds", *READERS[source["reader"]].files):
        for name, text in templates.items():
            place = f"{{{name}}}" if text else f"{{{name}}}_"  # images on their own grid have no entity of it
            filled[key] = filled[key].replace(place, text) if filled.get(key) else filled.get(key)
    return filled


def _with_files(source: Section) -> Section:
    """A source with `files`, the path template of each role, instead of a key per role; {hemi} makes two of one."""
    reader = READERS[source["reader"]]
    files: dict[str, str] = {}
    for key in ("path", "confounds", *reader.files):
        role, template = "response" if key == "path" else key, source.get(key)
        if template and "{hemi}" in template:
            files |= {f"{role}_{side}": template.replace("{hemi}", side) for side in "LR"}
        elif template:
            files[role] = template
    others = {key: value for key, value in source.items() if key not in ("path", "confounds", *reader.files)}
    return {**others, "files": files}


def _subjects_and_runs(
    entry: Section, selection: Section, source: Section, found: Found | None
) -> tuple[Entries, Entries, list[str]]:
    subjects, runs = entry["subjects"], entry["runs"]
    if found:
        subjects = subjects or [{"name": name, "runs": heard} for name, heard in found.runs.items()]
        if runs is None:
            every = sorted({name for heard in found.runs.values() for name in heard}, key=natural)
            runs = [{"name": name} for name in every]
            subjects = [{"runs": found.runs.get(subject["name"], every), **subject} for subject in subjects]
        if found.files:
            require_known("dataset/overrides/subjects", [s["name"] for s in subjects], found.files, NO_FILES)
            subjects = [{"files": found.files[subject["name"]], **subject} for subject in subjects]
    known = [subject["name"] for subject in subjects]
    served = [name for name in known if name in source.get("subjects", known)]
    chosen = served if selection["subjects"] is None else selection["subjects"]
    require_known("dataset/subjects", chosen, known, f"is not a subject of {entry['name']}; there are")
    what = f"has no responses of source {source['name']!r}; those who have"
    require_known("dataset/subjects", chosen, served, what)
    there = [run["name"] for run in runs]
    for subject in entry["subjects"] or []:
        require_known(f"subjects/{subject['name']}/runs", subject.get("runs", []), there, "is not a run; there are")
    subjects = [_with_called(subject, there) for subject in subjects if subject["name"] in chosen]
    heard = {s["name"]: [name for name in there if name in s.get("runs", there)] for s in subjects}
    wanted = there if selection["runs"] is None else selection["runs"]
    require_known("dataset/runs", wanted, there, f"is not a run of {entry['name']}; there are")
    if selection["runs"] is not None and selection["subjects"] is None:
        heard = {name: runs for name, runs in heard.items() if set(wanted) <= set(runs)}
        subjects = [subject for subject in subjects if subject["name"] in heard]
        if not subjects:
            raise InputError(
                f"dataset/runs: no subject of {entry['name']} has all of {listed(wanted, 5)}; choose runs that some "
                "heard together"
            )
    elif selection["runs"] is not None:
        for subject, names in heard.items():
            require_known("dataset/runs", wanted, names, f"is not a run of subject {subject!r}; there are")
    common = [name for name in there if name in wanted and all(name in names for names in heard.values())]
    if not common:
        raise InputError(
            f"dataset/subjects: {listed(chosen, 8)} have no run in common; choose others, or dataset/runs, which takes "
            "all subjects that have them"
        )
    tests = selection["test_runs"]
    require_known("dataset/test_runs", tests or [], common, "is not among the study's runs; there are")
    described = []
    for run in runs:
        if run["name"] in common:
            test = run.get("test", False) if tests is None else run["name"] in tests
            described.append({"stimulus": run["name"], **run, "test": test})
    left_out = [name for name in wanted if name not in common and any(name in names for names in heard.values())]
    return [{key: value for key, value in s.items() if key != "runs"} for s in subjects], described, left_out


def _with_called(subject: Section, runs: list[str]) -> Section:
    """A subject whose `files`, if it has any, are a dict of run to what `{run}` stands for in its paths."""
    if not isinstance(files := subject.get("files"), list):
        return subject
    return {
        **subject,
        "files": dict(zip([run for run in runs if run in subject.get("runs", runs)], files, strict=True)),
    }


def _check_resolved(dataset: Section, study: str) -> None:
    roots = {dataset["words"]["root"], dataset["source"]["root"], (dataset["events"] or {}).get("root")}
    for key in ("url", "version") if "dataset" in roots else ():
        if dataset[key] is None:
            raise InputError(f"dataset/overrides/{key}: {dataset['name']!r} has none in the registry; set it")
    if modality_of(dataset["source"]).by_word:
        if dataset["tr"] is not None:
            raise InputError(
                f"dataset/overrides/tr: {dataset['tr']:g} s, but the rows of {dataset['source']['name']!r} are words; "
                "set it to null"
            )
        dataset["tr"] = 1.0  # a row per word
    else:
        _check_tr(dataset)
    here = f"results/{study}/demo/dataset"
    if dataset["simulate"] and dataset["url"] != here:
        raise InputError(
            f"dataset/overrides/url: {dataset['url']!r} must be {here}, where dataset/simulate makes the data set"
        )
    check_told_apart(dataset)
    stimuli = sorted({run["stimulus"] for run in dataset["runs"]})
    told = [dataset["words"]["path"], *dataset["words"].get("where", {}).values()]
    if len(stimuli) > 1 and not any("{stimulus}" in template for template in told):
        raise InputError(
            f"dataset/transcript: {dataset['words']['path']!r} is one file for {len(stimuli)} stimuli; it must hold "
            "{stimulus}, or `where` must say which rows are whose"
        )
    sound = dataset["audio"]
    if sound and len(stimuli) > 1 and not any(field in sound["path"] for field in ("{stimulus}", "{run}")):
        raise InputError(
            f"dataset/overrides/audio/path: {sound['path']!r} is one file for {len(stimuli)} stimuli; it must hold "
            "{stimulus}, or audio must be null"
        )
