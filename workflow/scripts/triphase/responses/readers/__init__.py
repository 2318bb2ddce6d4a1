"""Readers of brain responses: images, surfaces, HDF5 and plain arrays behind one interface, a module per kind.

A reader settles once per subject which voxels are read and where they lie: `reader.table`, a DataFrame with roi, x, y
and z (mm) per voxel. `reader.open(paths, run)` looks at the header of one run and gives a `Recording`: its number of
volumes, its TR where the file has one, and `read()`, which loads (time, voxel) float32. Reading is done in slabs, each
cut to the mask at once, so that no more than the masked run is ever in memory.
"""

from collections.abc import Mapping

from triphase.config.readers import READERS
from triphase.core.errors import InputError
from triphase.core.types import Section
from triphase.responses.readers.recording import Recording, ResponseReader
from triphase.sources.manifest import of_run


def open_reader(source: Section, files: Mapping[str, Section], *, brain: str = "template") -> ResponseReader:
    """The reader of a subject's responses, chosen by `source["reader"]`.

    Parameters
    ----------
    source : dict, `dataset.source`: name, reader, space, and the keys of that reader
    files : dict of role to dict of key to {path}: `files` of the subject's manifest
    brain : "template", "gray_matter" or "computed"; which voxels of a NIfTI image are read without a mask or ROIs
    """
    reader = READERS.find(source["reader"], "dataset/source/reader")
    example = response_paths(files, next(iter(files["response" if "response" in files else "response_L"])))
    return reader.function(example, paths_of(files), {**source, "brain": brain})


def open_run(reader: ResponseReader, files: Mapping[str, Section], run: Section) -> Recording:
    """The `Recording` of one run.

    Parameters
    ----------
    reader : what `open_reader` returns
    files : dict, `files` of the subject's manifest
    run : dict with name, stimulus and, for one of several hearings in a file, repeat (from 1); first and last, for the
        rows of a file that holds more than this run; called, what its subject's files call it
    """
    recording = reader.open(response_paths(files, run), run)
    return rows_of(recording, run) if {"first", "last"} & set(run) else recording


def rows_of(recording: Recording, run: Section) -> Recording:
    """The rows of a file from a run's `first` to its `last`, both included; InputError where it has no such rows."""
    first, last = run.get("first", 0), run.get("last", recording.volumes - 1)
    if last >= recording.volumes or first > last:
        raise InputError(
            f"{recording.path}: its rows are 0 to {recording.volumes - 1}, but run {run['name']!r} is rows {first} to "
            f"{last} (dataset/runs, first and last)"
        )
    if recording.other:
        raise InputError(
            f"{recording.path}: run {run['name']!r} is rows {first} to {last} of an array of {recording.volumes} x "
            f'{recording.other}, and nothing says that these are time; set the source\'s `axes` to "time, voxel", or '
            'to "voxel, time" where they are not'
        )
    rows = slice(first, last + 1)
    return recording._replace(
        volumes=last - first + 1, read=lambda: recording.read()[rows].copy(), part=(first, recording.volumes)
    )


def response_paths(files: Mapping[str, Section], run: Section | str) -> list[str]:
    """Paths of one run's responses: one file, or those of the left and right hemisphere.

    Parameters
    ----------
    files : dict with the role response, or the roles response_L and response_R
    run : dict with name and stimulus, or a key of the roles
    """
    roles = ["response"] if "response" in files else ["response_L", "response_R"]
    entries = [files[role][run] if isinstance(run, str) else of_run(files[role], run) for role in roles]
    return [entry["path"] for entry in entries]


def paths_of(files: Mapping[str, Section]) -> dict[str, list[str]]:
    """Paths of each role: dict of role to list of path, each once."""
    return {role: list(dict.fromkeys(entry["path"] for entry in entries.values())) for role, entries in files.items()}
