"""What was found in a data set: subjects, runs, voxels, motion, ceilings, and whether words and scans share a clock."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from triphase.core.artefacts import finite_or_none, open_arrays
from triphase.core.messages import listed
from triphase.core.types import Entries, Section
from triphase.responses.ceiling import GROUP, standardized
from triphase.responses.motion import MUCH_MOTION
from triphase.responses.regions import region_means, voxel_batches
from triphase.responses.run_timing import Expected, check_runs, misfits
from triphase.responses.starts import rows_before
from triphase.responses.subject import load_responses
from triphase.responses.targets import region_masks
from triphase.responses.timing import LAGS, LONG_SILENCE, check_timing, judge

# Of runs or subjects that a remark names.
MOST_NAMES = 8


def describe_subject(path: str | Path, manifest: Section) -> dict[str, Any]:
    """Facts of one subject's file.

    Parameters
    ----------
    path : path of a `responses/{subject}.zarr.zip`
    manifest : dict, the subject's manifest

    Returns
    -------
    dict with voxels, valid, volumes, seconds, bytes (of the data set's files) and runs (the records of `clean_subject`,
    with start and end, s on the words' clock)
    """
    with open_arrays(path) as data:
        valid, run, tr = data["valid"].values, data["run"].values, data.attrs["tr"]
        by_word = data.attrs.get("row") == "word"
        times = data["word_s" if by_word else "time_s"].values
        tr = data.attrs.get("row_seconds", tr)
        records = [dict(record) for record in data.attrs["runs"]]
    for record in records:
        mine = times[run == record["run"]]
        record |= {"start": float(mine[0]), "end": float(mine[-1] + tr)}
    files = {file["path"]: file.get("bytes") for role in manifest["files"].values() for file in role.values()}
    return {
        "voxels": len(valid),
        "valid": int(valid.sum()),
        "volumes": len(run),
        "seconds": len(run) * tr,
        "files": len(files),
        "bytes": sum(size or 0 for size in files.values()),
        "runs": records,
    }


def subject_series(path: str | Path, rois: Entries) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[str]]:
    """Mean time courses of a subject's regions, read one run and a few voxels at a time.

    Returns
    -------
    series : dict of run to float array (time, region), NaN where a region has no valid voxel
    times : dict of run to float array (time,), s
    names : list of region; those of the config, then `language` and `all`
    """
    with open_arrays(path) as data:
        if data.attrs.get("row") == "word":
            return _recorded_series(data, rois)
        masks = region_masks(data["roi"].values, rois)
        run, seconds = data["run"].values, data["time_s"].values
    series, times = {}, {}
    for name in dict.fromkeys(map(str, run)):
        times[name] = seconds[run == name]
        parts = (
            (voxels, {name: load_responses(path, runs=[name], voxels=voxels)["responses"].values})
            for voxels in voxel_batches(len(masks["all"]), len(times[name]))
        )
        series[name] = region_means(parts, masks)[0][name]
    return series, times, list(masks)


def _recorded_series(data, rois):
    """The same of a recording that was cut word by word: its continuous course, by which its clock is checked."""
    masks = region_masks(data["course_roi"].values, rois)
    valid, run, seconds = data["course_valid"].values, data["course_run"].values, data["course_s"].values
    series, times = {}, {}
    for name in dict.fromkeys(map(str, run)):
        times[name], values = seconds[run == name], data["course"].values[run == name]
        chosen = [values[:, mask & valid] for mask in masks.values()]
        means = [part.mean(axis=1) if part.shape[1] else np.full(len(part), np.nan) for part in chosen]
        series[name] = np.stack(means, axis=1)
    return series, times, list(masks)


def describe_runs(words: pd.DataFrame, runs: Entries, subjects: Mapping[str, Section]) -> list[dict[str, Any]]:
    """Facts of every run of the study: what is heard, when, and how many subjects have it.

    Parameters
    ----------
    words : DataFrame, the word (or annotation) table
    runs : list of dict with name, stimulus and test
    subjects : dict of subject to `describe_subject`
    """
    described = []
    for run in runs:
        heard = words[words["run"] == run["name"]]
        records = [r for subject in subjects.values() for r in subject["runs"] if r["run"] == run["name"]]
        first, last = (heard["onset"].min(), heard["offset"].max()) if len(heard) else (np.nan, np.nan)
        described.append(
            {
                "run": run["name"],
                "stimulus": run["stimulus"],
                "test": bool(run.get("test")),
                "subjects": len(records),
                "volumes": sorted({record["volumes"] for record in records}),
                "onsets": sorted({r["sound_onset"] for r in records if r.get("sound_onset") is not None}),
                "events": len(heard),
                "first": finite_or_none(first),
                "last": finite_or_none(last),
                "rate": finite_or_none(len(heard) / (last - first)) if len(heard) and last > first else None,
            }
        )
    return described


def compare_lengths(described: Entries, subjects: Mapping[str, Section], sounds: Mapping[str, float]) -> None:
    """Add to every run what it has beside its words: `silence`, `scan_end` and `sound_end` (s on the words' clock).

    Parameters
    ----------
    described : what `describe_runs` returns
    subjects : dict of subject to `describe_subject`
    sounds : dict of stimulus to s, where its sound ends; empty where none is read
    """
    for entry in described:
        ends = [r["end"] for subject in subjects.values() for r in subject["runs"] if r["run"] == entry["run"]]
        entry["scan_end"], entry["sound_end"] = max(ends, default=None), sounds.get(entry["stimulus"])
        known = entry["last"] is not None and ends
        entry["silence"] = entry["scan_end"] - entry["last"] if known else None


def remarks(subjects: Mapping[str, Section], runs: Entries, unread: Sequence[str] = ()) -> list[str]:
    """What else a user should know of files: lengths that differ, headers that were overruled, what was not read.

    Parameters
    ----------
    subjects : dict of subject to `describe_subject`
    runs : what `describe_runs` returns, after `compare_lengths`
    unread : files of the user's own folder that look like responses and are none of the study, each with the reason
    """
    noted = []
    silent = [f"{run['run']} ({run['silence']:.0f} s)" for run in runs if (run["silence"] or 0) > LONG_SILENCE]
    if silent:
        noted.append(f"The scan goes on for long after the last word: {listed(silent, MOST_NAMES)}.")
    sounds = [
        f"{run['run']} (sound {run['sound_end']:.0f} s, scan {run['scan_end']:.0f} s)"
        for run in runs
        if run["sound_end"] and run["scan_end"] and abs(run["sound_end"] - run["scan_end"]) > LONG_SILENCE
    ]
    if sounds:
        noted.append(f"Sound and scan differ in length: {listed(sounds, MOST_NAMES)}.")
    overruled = [
        f"{name} {record['run']} ({record['tr_remark']})"
        for name, facts in subjects.items()
        for record in facts["runs"]
        if record.get("tr_remark")
    ]
    if overruled:
        noted.append(f"Headers with another TR than the study's: {listed(overruled, MOST_NAMES)}.")
    if unread:
        noted.append(f"Files of the folder that were not read: {listed(unread, MOST_NAMES)}.")
    return noted


def decisive_regions(rois: Entries) -> list[str]:
    """The regions whose lag decides: sensory ones, else those of language, else the mean of all voxels."""
    for kind in ("sensory", "language"):
        if chosen := [roi["name"] for roi in rois if roi.get(kind)]:
            return chosen
    return ["all"]


def on_one_clock(
    series: Mapping[str, Mapping[str, np.ndarray]], clocks: Mapping[str, Mapping[str, np.ndarray]]
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Series of all subjects, each run from the row on that all of them have, and as long as the shortest.

    Subjects may begin apart, as where the onset of what is heard is their own, and runs end a few volumes apart.

    Parameters
    ----------
    series : dict of subject to dict of run to float array (time, region)
    clocks : dict of subject to dict of run to float array (time,), s on the words' clock

    Returns
    -------
    series : as given, cut
    times : dict of run to float array (time,), s; of the subject that begins last
    """
    cut: dict[str, dict[str, np.ndarray]] = {subject: {} for subject in series}
    times: dict[str, np.ndarray] = {}
    for run in dict.fromkeys(name for by_run in clocks.values() for name in by_run):
        mine = {subject: clock[run] for subject, clock in clocks.items() if run in clock}
        step = float(np.median(np.diff(next(iter(mine.values())))))
        before = rows_before({subject: float(clock[0]) for subject, clock in mine.items()}, step, f"run {run}")
        length = min(len(clock) - before[subject] for subject, clock in mine.items())
        last = min(mine, key=lambda subject: before[subject])
        times[run] = mine[last][before[last] :][:length]
        for subject, rows in before.items():
            cut[subject][run] = series[subject][run][rows:][:length]
    return cut, times


def group_series(series: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Mean over subjects of standardised time courses: dict of run to float array (time, region).

    Parameters
    ----------
    series : dict of subject to dict of run to float array (time, region)
    """
    means = {}
    for run in dict.fromkeys(name for by_run in series.values() for name in by_run):
        there = [by_run[run] for by_run in series.values() if run in by_run]
        # Scans of one run may end a few volumes apart.
        length = min(map(len, there))
        values = np.stack([standardized(each[:length]) for each in there])
        known = np.isfinite(values).all(axis=1, keepdims=True)
        counts = known.sum(axis=0)
        mean = np.where(known, values, 0).sum(axis=0) / np.maximum(counts, 1)
        means[run] = np.where(counts > 0, mean, np.nan)
    return means


def describe_timing(
    words: pd.DataFrame,
    series: Mapping[str, Mapping[str, np.ndarray]],
    times: Mapping[str, np.ndarray],
    names: Sequence[str],
    rois: Entries,
    expected: Expected,
    seed: int,
) -> dict[str, Any]:
    """The alignment check of the group and of every subject.

    Parameters
    ----------
    words : DataFrame
    series : dict of subject to dict of run to float array (time, region)
    times : dict of run to float array (time,), s
    names : list of region
    rois : list of dict, the config's
    expected : what the responses should look like
    seed : int

    Returns
    -------
    dict with lags (s), decisive (list of region), plausible (bool, or None where nothing can be told), reason, `group`
    (list of dict per region: raw and convolved, each lag, r, p and curve; plausible and reason), and `subjects` (list
    of dict per subject and region: lag, r and curve of the rate that is judged, raw_lag), and `runs`, as `check_runs`
    """
    middle = (words["onset"] + words["offset"]) / 2
    events = {str(run): middle[words["run"] == run].to_numpy(float) for run in words["run"].unique()}
    tr, kind = expected.tr, "raw" if expected.response is None else "convolved"
    regions, decisive = [*(roi["name"] for roi in rois), "all"], decisive_regions(rois)
    empty = {"lags": LAGS.tolist(), "decisive": decisive, "plausible": None, "group": [], "subjects": []}
    empty |= {"runs": [], "window": [expected.earliest, expected.latest]}
    if not series:
        return empty | {"reason": "no subject has a valid voxel"}
    wanted = [names.index(region) for region in regions]
    chosen = {s: {run: values[:, wanted] for run, values in by_run.items()} for s, by_run in series.items()}
    found = check_timing(events, group_series(chosen), times, tr, seed)
    if found is None:
        return empty | {"reason": "no run has enough scans between its first and its last word"}
    group = []
    for place, region in enumerate(regions):
        entry = {"roi": region}
        for name, values in found.items():
            entry[name] = {key: finite_or_none(values[key][place]) for key in ("lag", "r", "p")}
            entry[name]["curve"] = [finite_or_none(value) for value in values["curve"][:, place]]
        judged = found[kind]
        window = (expected.earliest, expected.latest)
        entry["plausible"], entry["reason"] = judge(judged["lag"][place], judged["p"][place], tr, window)
        group.append(entry)
    each = []
    for subject, by_run in chosen.items():
        mine = check_timing(events, by_run, times, tr) or {}
        for place, region in enumerate(regions):
            curve = mine[kind]["curve"][:, place]
            entry = {"subject": subject, "roi": region, "raw_lag": finite_or_none(mine["raw"]["lag"][place])}
            entry |= {key: finite_or_none(mine[kind][key][place]) for key in ("lag", "r")}
            each.append(entry | {"curve": [finite_or_none(value) for value in curve]})
    plausible, reason = overall(group, decisive)
    columns = [regions.index(region) for region in decisive]
    courses = {run: standardized(values[:, columns]).mean(axis=1) for run, values in group_series(chosen).items()}
    stimuli = dict(zip(words["run"].astype(str), words["stimulus"].astype(str), strict=True))
    runs = check_runs(events, stimuli, courses, times, expected)
    if wrong := misfits(runs):
        plausible, reason = False, wrong
    return empty | {"plausible": plausible, "reason": reason, "group": group, "subjects": each, "runs": runs}


def overall(group: Entries, decisive: Sequence[str]) -> tuple[bool | None, str]:
    """Whether the clocks agree, by the decisive regions: one implausible peak says no, one plausible peak alone yes."""
    judged = [entry for entry in group if entry["roi"] in decisive]
    wrong = [f"{entry['roi']}: {entry['reason']}" for entry in judged if entry["plausible"] is False]
    if wrong:
        return False, "; ".join(wrong)
    right = [entry["roi"] for entry in judged if entry["plausible"]]
    if right:
        silent = len(judged) - len(right)
        rest = f"; {silent} without a peak above chance" if silent else ""
        return True, f"peak within one TR of the expected lag in {len(right)} of {len(judged)} deciding regions{rest}"
    return None, "no deciding region follows the rate above chance; the clocks could not be checked"


def findings(
    subjects: Mapping[str, Section],
    runs: Entries,
    timing: Section,
    ceilings: Entries,
    unit: str,
    left_out: Sequence[str] = (),
) -> list[str]:
    """What a user should know before going on: list of str, most important first.

    `left_out` : names of runs that are not in the study because not every subject has them; the others as described
    """
    noted = []
    if timing["plausible"] is not True:
        kind = "not plausible" if timing["plausible"] is False else "not decided"
        noted.append(f"Lag between {unit} rate and response: {kind} ({timing['reason']}).")
    empty = [name for name, facts in subjects.items() if not facts["valid"]]
    if empty:
        noted.append(f"No valid voxel, left out of all that follows: {listed(empty, MOST_NAMES)}.")
    partly = [
        f"{n} ({f['voxels'] - f['valid']} of {f['voxels']})"
        for n, f in subjects.items()
        if 0 < f["valid"] < f["voxels"]
    ]
    if partly:
        noted.append(f"Voxels left out because a value is not finite or never changes: {listed(partly, MOST_NAMES)}.")
    wanted = {run["run"] for run in runs}
    absent = [
        f"{n} ({listed(sorted(wanted - {r['run'] for r in f['runs']}), MOST_NAMES)})"
        for n, f in subjects.items()
        if wanted - {r["run"] for r in f["runs"]}
    ]
    if absent:
        noted.append(f"Runs that are missing: {listed(absent, MOST_NAMES)}.")
    if left_out:
        noted.append(f"Runs left out because not every subject has them: {listed(left_out, MOST_NAMES)}.")
    uneven = [
        f"{run['run']} ({' or '.join(map(str, run['volumes']))} volumes)" for run in runs if len(run["volumes"]) > 1
    ]
    if uneven:
        noted.append(f"Subjects differ in the length of a run: {listed(uneven, MOST_NAMES)}.")
    moved = [
        f"{n} {r['run']} ({r['mean_fd']:.2f} mm)"
        for n, f in subjects.items()
        for r in f["runs"]
        if (r.get("mean_fd") or 0) > MUCH_MOTION
    ]
    if moved:
        noted.append(f"Mean framewise displacement above {MUCH_MOTION} mm: {listed(moved, MOST_NAMES)}.")
    if all(row["ceiling"] is None for row in ceilings):
        noted.append("No ceiling is known: no stimulus was repeated, and fewer than two subjects can be compared.")
    silent = [run["run"] for run in runs if not run["events"]]
    if silent:
        noted.append(f"No {unit} in: {listed(silent, MOST_NAMES)}.")
    return noted


def ceilings_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the region table for JSON: list of dict, None where a value is unknown; the group's first."""
    ordered = table.sort_values("subject", key=lambda names: names != GROUP, kind="stable")
    numbers = ("ceiling", "low", "high")
    return [
        {**row, **{key: finite_or_none(row[key]) for key in numbers}, "n_voxels": int(row["n_voxels"])}  # type: ignore[dict-item]
        for row in ordered.to_dict("records")
    ]
