"""Intracranial recordings of a subject, cleaned run by run and cut into windows at lags around every word's onset."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from triphase.config.jobs import CleanResponses
from triphase.core.artefacts import ArraySpec, stream_arrays
from triphase.core.errors import InputError
from triphase.core.types import Section
from triphase.responses.atlas import label_voxels
from triphase.responses.cleaning import usable_voxels
from triphase.responses.onsets import run_onset
from triphase.responses.readers import open_reader, open_run, paths_of
from triphase.responses.subject import called, report
from triphase.stimuli.checks import check_duration

log = logging.getLogger(__name__)

# Width of the window around each lag, s, as in Goldstein et al. (2022).
WINDOW = 0.2
# Samples per second of the course by which the data report checks the clock.
COURSE_RATE = 4.0


def clean_recordings(
    path: str | Path,
    subject: str,
    files: Mapping[str, Section],
    words: pd.DataFrame,
    settings: CleanResponses,
    attributes: Section,
) -> None:
    """Read, clean and cut all runs of a subject into one file, in the form of `subject.clean_subject`.

    A row is a word whose windows all lie in the recording, a voxel one electrode at one lag (s, from the word's onset
    to the middle of the window). `time_s` is the word's index in its run, the clock of `triphase.encoding.word_rows`,
    and `tr` 1. More coordinates: word_s (time), the onset in s; electrode and lag (voxel). More attributes: row
    ("word"), row_seconds (mean distance of words), reach_seconds (what the windows of a word span). Beside them lies
    `course` (course_time, electrode), the cleaned recording at about 4 samples per second, with course_run, course_s,
    and roi and valid of each electrode.

    Parameters and errors as of `clean_subject`
    """
    source = settings.source
    reader = open_reader(source, files, brain=settings.brain)
    if settings.atlas:
        found = {role: entries[0] for role, entries in paths_of(files).items()}
        reader.table["roi"] = label_voxels(reader.table, settings.atlas, settings.rois, found, source["space"])
    lags, width = np.array(source["lags"], float), source.get("window", WINDOW)
    parts = [_open(reader, files, run, words, settings) for run in settings.runs]
    rows = {run["name"]: _rows(words, run, recording, onset, lags, width) for run, recording, onset, _ in parts}
    usable, records, courses = np.ones(len(reader.table), bool), [], []
    shape = sum(len(each) for each in rows.values()), len(usable) * len(lags)
    units = {"units": "standard deviations of the run"}
    with stream_arrays(path, ArraySpec("responses", ("time", "voxel"), shape, attributes=units)) as stream:
        for run, recording, onset, told in parts:
            values, counts = clean_recording(recording.read(), recording.tr, settings.cleaning["high_pass"])
            mine = rows[run["name"]]
            stream.append(windows(values, mine["word_s"].to_numpy() + onset, lags, width, 1 / recording.tr))
            usable &= np.isfinite(values[0])
            courses.append(_course(values, recording.tr, onset, run["name"]))
            records.append(_record(run, recording, mine, told, settings) | counts)
            log.info("%s, %s: %d words, %d electrodes", subject, run["name"], len(mine), len(usable))
        valid = np.repeat(usable, len(lags))
        report(subject, valid, records)
        heard = [mine["word_s"].to_numpy() for mine in rows.values()]
        about = {
            "subject": subject,
            "source": source["name"],
            "space": source["space"],
            "tr": 1.0,
            "row": "word",
            "row_seconds": float(np.mean(np.concatenate([np.diff(np.sort(each)) for each in heard]))),
            "reach_seconds": float(lags.max() - lags.min() + width),
            "lags": lags.tolist(),
            "dropped_volumes": 0,
            "cleaning": dict(settings.cleaning),
            "brain": settings.brain,
            "atlas": settings.atlas["name"] if settings.atlas else None,
            "runs": records,
        }
        frame = _frame(reader.table, rows, lags, usable, courses)
        stream.finish(frame.assign_attrs({**about, **attributes}))


def _open(reader, files, run, words, settings):
    """Run, recording, onset that is applied (s), and the onset that is told."""
    recording = open_run(reader, files, {**run, "called": called(run, settings)})
    told = run_onset(files, run, settings)
    onset = told if settings.events and settings.events["applied"] else 0.0
    end = recording.volumes * recording.tr - onset
    check_duration(words[words["run"] == run["name"]], f"{run['name']} of {settings.subject.get('name', '')}", end)
    return run, recording, onset, told


def _rows(words, run, recording, onset, lags, width):
    """Index and onset (s) of the words of a run whose windows all lie within its recording."""
    heard = words[words["run"] == run["name"]]
    at = heard["onset"].to_numpy(float)
    first, last = at + onset + lags.min() - width / 2, at + onset + lags.max() + width / 2
    inside = (first >= 0) & (last <= recording.volumes * recording.tr) & (at >= run.get("skipped", 0))
    if not inside.any():
        raise InputError(
            f"{recording.path}: no word of run {run['name']!r} has all its windows within the recording of "
            f"{recording.volumes * recording.tr:g} s; check the transcript's clock and dataset/source/lags"
        )
    return pd.DataFrame({"index": heard["index"].to_numpy()[inside], "word_s": at[inside]})


def clean_recording(values: np.ndarray, step: float, high_pass: float | None) -> tuple[np.ndarray, dict[str, int]]:
    """A recording without its trend and slow cosines, z-scored; NaN for an electrode that cannot be used.

    Parameters
    ----------
    values : float array (time, electrode)
    step : s between samples
    high_pass : Hz, or None

    Returns
    -------
    cleaned : float32 array (time, electrode)
    counts : dict, electrodes that are nonfinite and constant
    """
    n = len(values)
    time = (np.arange(n) + 0.5) / n
    slow = 0 if not high_pass else min(n - 3, int(np.floor(2 * n * step * high_pass)))
    columns = [np.ones(n), time, *(np.cos(np.pi * time * k) for k in range(1, slow + 1))]
    basis, _ = np.linalg.qr(np.column_stack(columns))
    finite, varying = usable_voxels(values)
    cleaned = np.full(values.shape, np.nan, np.float32)
    for place in np.flatnonzero(varying):
        course = values[:, place].astype(float)
        left = course - basis @ (basis.T @ course)
        spread = left.std(ddof=1)
        if spread > 1e-6 * np.abs(course).max():
            cleaned[:, place] = (left - left.mean()) / spread
    return cleaned, {"nonfinite": int((~finite).sum()), "constant": int(np.isnan(cleaned[0]).sum() - (~finite).sum())}


def windows(values: np.ndarray, onsets: np.ndarray, lags: np.ndarray, width: float, rate: float) -> np.ndarray:
    """Means of a recording in windows around lags from the onsets of words, z-scored over the words.

    Parameters
    ----------
    values : float array (time, electrode)
    onsets : float array (word,), s from the first sample
    lags : float array (lag,), s, of the middles of the windows
    width : s
    rate : samples per second

    Returns
    -------
    float32 array (word, electrode x lag), the lags of an electrode side by side; NaN where nothing varies
    """
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    length = max(1, round(width * rate))
    starts = np.round((onsets[:, None] + lags - width / 2) * rate).astype(int)
    starts = starts.clip(0, len(values) - length)
    means = (total[starts + length] - total[starts]) / length  # (word, lag, electrode)
    rows = means.transpose(0, 2, 1).reshape(len(onsets), -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = (rows - rows.mean(axis=0)) / rows.std(axis=0, ddof=1)
    rows[:, ~np.isfinite(rows).all(axis=0)] = np.nan
    return rows.astype(np.float32)


def _course(values, step, onset, run):
    """The recording at `COURSE_RATE`, with the start of each sample on the words' clock (s) and its run."""
    together = max(1, round(1 / (COURSE_RATE * step)))
    samples = len(values) // together
    course = values[: samples * together].reshape(samples, together, -1).mean(axis=1)
    return course.astype(np.float32), np.arange(samples) * together * step - onset, np.full(samples, run)


def _record(run, recording, mine, told, settings):
    return {
        "run": run["name"],
        "stimulus": run["stimulus"],
        "volumes": len(mine),
        "volumes_read": recording.volumes,
        "cut_volumes": 0,
        "sound_onset": told,
        "onset_applied": bool(settings.events and settings.events["applied"]),
        "tr_found": None,
        "confounds": 0,
        "mean_fd": None,
        "max_fd": None,
    }


def _frame(table, rows, lags, usable, courses):
    """All that goes beside the responses."""
    import xarray as xr

    each = len(lags)
    names = [np.full(len(mine), run) for run, mine in rows.items()]
    return xr.Dataset(
        {"course": (("course_time", "electrode"), np.concatenate([course for course, *_ in courses]))},
        coords={
            "run": ("time", np.concatenate(names)),
            "time_s": ("time", np.concatenate([mine["index"].to_numpy(float) for mine in rows.values()])),
            "word_s": ("time", np.concatenate([mine["word_s"].to_numpy() for mine in rows.values()]), {"units": "s"}),
            "roi": ("voxel", np.repeat(table["roi"].to_numpy(str), each)),
            **{axis: ("voxel", np.repeat(table[axis].to_numpy(float), each), {"units": "mm"}) for axis in "xyz"},
            "electrode_name": ("voxel", np.repeat(table["electrode"].to_numpy(str), each)),
            "lag": ("voxel", np.tile(lags, len(table)), {"units": "s"}),
            "valid": ("voxel", np.repeat(usable, each)),
            "course_run": ("course_time", np.concatenate([run for *_, run in courses])),
            "course_s": ("course_time", np.concatenate([seconds for _, seconds, _ in courses]), {"units": "s"}),
            "course_roi": ("electrode", table["roi"].to_numpy(str)),
            "course_valid": ("electrode", usable),
        },
    )
