"""Brain responses of a subject: read and cleaned run by run, streamed into one file, and read again."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from triphase.config.jobs import CleanResponses
from triphase.core.artefacts import ArraySpec, open_arrays, stream_arrays
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section
from triphase.responses.atlas import label_voxels
from triphase.responses.checks import Clock, check_length, check_tr
from triphase.responses.cleaning import clean_run, usable_voxels
from triphase.responses.confounds import Rows, motion_summary, run_confounds
from triphase.responses.onsets import run_onset
from triphase.responses.readers import open_reader, open_run, paths_of
from triphase.responses.readers.recording import Recording
from triphase.sources.manifest import of_run

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)


def load_responses(
    path: str | Path, runs: Sequence[str] | None = None, voxels: slice | np.ndarray | None = None
) -> "xr.Dataset":
    """One subject's responses as every later stage reads them, in memory.

    The file keeps what each run holds of a voxel, also of one that another run lacks; here such a voxel is NaN in all.

    Parameters
    ----------
    path : path of a `responses/{subject}.zarr.zip`
    runs : list of str, optional
        Names of the runs to read; without it all. Their order is that of the file. A name that is not there gives no
        row.
    voxels : slice or int array, optional; which voxels to read; without it all

    Returns
    -------
    xarray.Dataset
        As `clean_subject` describes it; `responses` is NaN in every run for a voxel that is not `valid`.
    """
    with open_arrays(path) as data:
        if voxels is not None:
            data = data.isel(voxel=voxels)
        if runs is not None:
            data = data.isel(time=np.flatnonzero(np.isin(data["run"].values, list(runs))))
        data = data.load()
    data["responses"].values[:, ~data["valid"].values] = np.nan
    return data


def cut_volumes(run: Section, dropped: int, tr: float, onset: float = 0.0) -> int:
    """Volumes at the start of a run's file that are left out once they are cleaned with the others.

    They fall into its `overlap` with the run before, into what is `skipped` of it (both in s), or they were begun
    before what is heard began, `onset` s into the scan.
    """
    seconds = max(run.get("overlap", 0.0), onset + run.get("skipped", 0.0), onset)
    return max(0, int(np.ceil(seconds / tr - 1e-6)) - dropped)


@dataclass(frozen=True)
class Part:
    """A run before it is read.

    Attributes
    ----------
    cut : volumes at its start that are cleaned with the others and then left out
    told : s into the scan at which what is heard begins, as the data set's events tell it; None where they do not
    onset : the same where it is applied, else 0: it is time 0 of the words' clock
    tr_remark : what is to be told of a header whose TR was overruled
    """

    run: Section
    recording: Recording
    cut: int
    told: float | None = None
    onset: float = 0.0
    tr_remark: str | None = None


def clean_subject(
    path: str | Path,
    subject: str,
    files: Mapping[str, Section],
    words: pd.DataFrame,
    settings: CleanResponses,
    attributes: Section,
) -> None:
    """Read and clean all runs of a subject, one after the other, into one file.

    The file is a `.zarr.zip` (see `artefacts`), to be read by `load_responses`. It holds `responses` (time, voxel)
    float32, in chunks of 128 x 4,096, so that a run or a block of voxels can be read alone; NaN in the runs where a
    voxel cannot be used. Coordinates: run and time_s (time; row i of a file is volume i + dropped_volumes, so time_s is
    (i + dropped_volumes) TR less the onset of what is heard, seconds on the words' clock), roi, x, y, z (mm; NaN where
    the source has none) and valid (voxel): whether it can be used in every run. Rows within a run's `overlap`, within
    what is `skipped` of it and before an onset that is applied are cleaned and then left out; the time_s of the others
    stays what it was, so that features can be shifted before the cut.

    Attributes: subject, source, space, tr (s), dropped_volumes, cleaning, brain, atlas (name or None), those given, and
    `runs`, a list with a dict per run, in order:

    - run, stimulus: its names
    - volumes: rows in this file; volumes_read: in the data set's file; cut_volumes: those left out
    - sound_onset: s into the scan, as the data set's events tell it, or None; onset_applied: whether time_s counts from
      it
    - tr_found: the TR of the file's header in s, None where it has none; tr_remark, where it was
      overruled: by what
    - nonfinite, constant: voxels with a value that is not finite, and voxels that never change (also: once cleaned)
    - confounds: number of confounds regressed out, expansions included
    - mean_fd, max_fd: framewise displacement after Power et al. (2012), mm; None where the confounds do not tell

    Parameters
    ----------
    path : path of the file to write
    subject : str
    files : dict, `files` of the subject's manifest; with an atlas image also the roles atlas and atlas_table
    words : the word table of the study
    settings : what the resolved config says of the data set, and how it is cleaned
    attributes : more attributes of the file

    Raises
    ------
    InputError : one message per trouble, with the file; nothing is written then
    """
    source, tr = settings.source, settings.tr
    reader = open_reader(source, files, brain=settings.brain)
    missing = source["dropped_volumes"], source.get("dropped_at_end", 0)
    if settings.atlas:
        found = {role: entries[0] for role, entries in paths_of(files).items()}
        reader.table["roi"] = label_voxels(reader.table, settings.atlas, settings.rois, found, source["space"])
    # Whatever the headers tell is checked before the first run is read.
    parts = []
    for run in settings.runs:
        parts.append(_part(reader, files, run, settings))
        _check(parts[-1], subject, words, missing, settings)
    kept = [part.recording.volumes - part.cut for part in parts]
    usable, records = np.ones(len(reader.table), bool), []
    units = {"units": "standard deviations of the run"}
    shape, dims = (sum(kept), len(usable)), ("time", "voxel")
    with stream_arrays(path, ArraySpec("responses", dims, shape, attributes=units)) as stream:
        for part in parts:
            cleaned, record = _clean(part, files, missing, settings)
            stream.append(cleaned)
            usable &= ~np.isnan(cleaned[0])
            records.append(record)
            log.info("%s, %s: %d volumes, %d voxels", subject, part.run["name"], *cleaned.shape)
        report(subject, usable, records)
        about = {
            "subject": subject,
            "source": source["name"],
            "space": source["space"],
            "tr": tr,
            "dropped_volumes": missing[0],
            "cleaning": dict(settings.cleaning),
            "brain": settings.brain,
            "atlas": settings.atlas["name"] if settings.atlas else None,
            "runs": records,
        }
        stream.finish(_frame(reader.table, parts, usable, missing[0], tr).assign_attrs({**about, **attributes}))


def called(run: Section, settings: CleanResponses) -> str:
    """What the subject's own files call a run."""
    return str(settings.subject.get("files", {}).get(run["name"], run["name"]))


def _part(reader, files, run, settings):
    """A run whose headers were looked at, with its onset."""
    recording = open_run(reader, files, {**run, "called": called(run, settings)})
    told = run_onset(files, run, settings)
    onset = told if settings.events and settings.events["applied"] else 0.0
    cut = cut_volumes(run, settings.source["dropped_volumes"], settings.tr, onset)
    return Part(run, recording, cut, told, onset, check_tr(recording, settings.tr, settings.header_tr != "ignore"))


def _check(part, subject, words, missing, settings):
    run, recording = part.run, part.recording
    clock, axes = Clock(settings.tr, sum(missing), part.onset), settings.source.get("axes")
    mine = words[words["run"] == run["name"]]
    check_length(recording, mine, f"{run['name']} of {subject}", clock, settings.margin, axes)
    if part.cut >= recording.volumes:
        raise InputError(
            f"{recording.path}: {recording.volumes} volumes, and all lie in what is left out at the start of run "
            f"{run['name']}: overlap {run.get('overlap', 0):g} s, skipped {run.get('skipped', 0):g} s (dataset.runs), "
            f"onset {part.onset:g} s (dataset.events)"
        )


def _clean(part, files, missing, settings):
    """One run, read and cleaned, and its record."""
    recording, cleaning = part.recording, settings.cleaning
    values = recording.read()
    entry, confounds, motion = of_run(files.get("confounds", {}), part.run), None, {}
    if entry is not None:
        rows = Rows(recording.volumes, missing, recording.part)
        motion = motion_summary(entry["path"], rows)
        # Without a voxel to remove them from, confounds need not be right.
        if cleaning["confounds"] and usable_voxels(values)[1].any():
            confounds = run_confounds(entry["path"], rows, cleaning)
    steps = {"tr": settings.tr, "high_pass": cleaning["high_pass"], "confounds": confounds}
    cleaned, counts = clean_run(values, **steps, cut=part.cut, where=recording.path)
    return cleaned, {
        "run": part.run["name"],
        "stimulus": part.run["stimulus"],
        "volumes": len(cleaned),
        "volumes_read": recording.volumes,
        "cut_volumes": part.cut,
        "sound_onset": part.told,
        "onset_applied": bool(settings.events and settings.events["applied"]),
        "tr_found": recording.tr,
        **({"tr_remark": part.tr_remark} if part.tr_remark else {}),
        **counts,
        "confounds": 0 if confounds is None else confounds.shape[1],
        "mean_fd": motion.get("mean_fd"),
        "max_fd": motion.get("max_fd"),
    }


def _frame(table, parts, usable, dropped, tr):
    """All that goes beside the responses."""
    import xarray as xr

    names = [np.full(part.recording.volumes - part.cut, part.run["name"]) for part in parts]
    times = [(np.arange(part.cut, part.recording.volumes) + dropped) * tr - part.onset for part in parts]
    return xr.Dataset(
        coords={
            "run": ("time", np.concatenate(names)),
            "time_s": ("time", np.concatenate(times), {"units": "s"}),
            "roi": ("voxel", table["roi"].to_numpy(str)),
            **{axis: ("voxel", table[axis].to_numpy(float), {"units": "mm"}) for axis in "xyz"},
            "valid": ("voxel", usable),
        }
    )


def report(subject: str, valid: np.ndarray, records: Entries) -> None:
    """Say in the log how much of a subject can be used."""
    for record in records:
        if record["nonfinite"] or record["constant"]:
            log.warning(
                "%s, %s: %d voxels hold a value that is not finite, %d are constant: kept in place as NaN",
                subject,
                record["run"],
                record["nonfinite"],
                record["constant"],
            )
    log.log(
        logging.INFO if valid.any() else logging.WARNING,
        "%s: %d of %d voxels are valid%s",
        subject,
        valid.sum(),
        len(valid),
        "" if valid.any() else "; the subject is left out of what follows",
    )
