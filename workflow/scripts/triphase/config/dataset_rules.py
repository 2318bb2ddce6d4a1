"""Rules between keys of one data set of the registry; each raises InputError with key, value and remedy."""

import string

from triphase.config.validation import require_known
from triphase.core.errors import InputError

# Nuisance features that need no label, and columns that the words table has of its own.
BUILT_IN = ("word_rate", "word_length", "position", "envelope")
WORD_COLUMNS = (
    "stimulus", "run", "index", "word", "onset", "offset", "char_start", "char_end", "language", "speaker", "annotator",
)  # fmt: skip
TEMPLATES = ("path", "confounds", "mask", "rois", "roi_table", "reference")
NEEDED = {"table": ("columns",), "textgrid": ("tier",), "annotations": ()}
OWN = {
    "table": ("columns", "labels", "joined", "corrections"),
    "textgrid": ("tier", "ignored"),
    "annotations": ("marker", "unknown"),
}


def check_entry(entry, where):
    """Check one data set; `where` names it in messages."""
    subjects = None if entry["subjects"] is None else [subject["name"] for subject in entry["subjects"]]
    runs = None if entry["runs"] is None else [run["name"] for run in entry["runs"]]
    for subject in entry["subjects"] or []:
        if "runs" in subject:
            known = runs or []
            require_known(f"{where}/subjects/{subject['name']}/runs", subject["runs"], known, "is not a run; there are")
    stimuli = sorted({run.get("stimulus", run["name"]) for run in entry["runs"] or []})
    for transcript in entry["transcripts"]:
        _check_transcript(f"{where}/transcripts/{transcript['name']}", transcript, stimuli)
    for source in entry["sources"]:
        _check_source(f"{where}/sources/{source['name']}", source, entry["subjects"], subjects)
    if audio := entry.get("audio"):
        check_template(f"{where}/audio/path", audio["path"], ["stimulus", "run"])
    check_template(f"{where}/events", entry.get("events"), ["subject", "id", "run", "stimulus"])


def _check_transcript(where, transcript, stimuli):
    kind = transcript["format"]
    for key in NEEDED[kind]:
        if key not in transcript:
            raise InputError(f"{where}: format {kind!r} needs the key {key!r}")
    others = {key for keys in OWN.values() for key in keys} - set(OWN[kind])
    for key in sorted(others & set(transcript)):
        raise InputError(f"{where}/{key}: format {kind!r} has no such key; it has {', '.join(OWN[kind])}")
    if kind == "table" and ("offset" in transcript["columns"]) == ("duration" in transcript["columns"]):
        raise InputError(f"{where}/columns: give either offset or duration")
    check_template(f"{where}/path", transcript["path"], ["stimulus"])
    for label in transcript.get("labels", []):
        if label["name"] in (*BUILT_IN, *WORD_COLUMNS):
            raise InputError(
                f"{where}/labels: {label['name']!r} is taken; a label must not be named "
                f"{', '.join((*BUILT_IN, *WORD_COLUMNS))}"
            )
    corrected = [correction["stimulus"] for correction in transcript.get("corrections", [])]
    if stimuli:
        require_known(f"{where}/corrections", corrected, stimuli, "is not a stimulus of the runs; there are")


def _check_source(where, source, subjects, names):
    if names is not None:
        require_known(f"{where}/subjects", source.get("subjects", []), names, "is not a subject; there are")
    served = [s for s in subjects or [] if s["name"] in source.get("subjects", names)]
    for key in TEMPLATES:
        allowed = ["subject", "id", "run", "stimulus"] + (["hemi"] if source["reader"] == "gifti" else [])
        used = check_template(f"{where}/{key}", source.get(key), allowed)
        without = [subject["name"] for subject in served if "id" not in subject]
        if "id" in used and without:
            raise InputError(f"{where}/{key}: {source[key]!r} uses {{id}}, but the subject {without[0]!r} has no id")
    if source["reader"] == "text" and "columns" not in source:
        raise InputError(f"{where}: reader 'text' needs the key 'columns', the region of each column")
    if source["reader"] == "hdf5" and "key" not in source:
        raise InputError(f"{where}: reader 'hdf5' needs the key 'key', the data set inside the files")
    regions = [region["name"] for region in source.get("regions", [])]
    if "columns" in source:
        require_known(f"{where}/regions", regions, source["columns"], "is not among its columns; there are")
    elif regions and not source.get("rois") and source["reader"] not in ("gifti", "cifti"):
        raise InputError(f"{where}/regions: the source has no label image (rois), so it has no regions; use an atlas")


def check_template(where, template, allowed):
    """Placeholders of a path template; InputError when one is unknown or the template is broken."""
    try:
        used = {field for _, field, _, _ in string.Formatter().parse(template or "") if field is not None}
    except ValueError as error:
        raise InputError(f"{where}: {template!r} is not a path template ({error})") from None
    known = [f"{{{name}}}" for name in allowed]
    require_known(f"{where}: {template!r}", [f"{{{name}}}" for name in sorted(used)], known, "is unknown; it may use")
    return used
