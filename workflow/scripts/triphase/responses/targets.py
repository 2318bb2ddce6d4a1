"""Subjects as one target matrix, checks of what they heard, and summaries over their regions."""

import logging
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from triphase.core.artefacts import open_arrays
from triphase.core.batches import slices
from triphase.core.errors import InputError
from triphase.core.types import Entries
from triphase.responses.regions import STORED_VOXELS
from triphase.responses.starts import TOLERANCE, steps_from

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)

# Targets of a batch, at least, where there are as many.
FEWEST_TARGETS = 1024
# Share of a run's scans that a subject may have more than another.
SHORTER = 0.05


class Cohort:
    """All subjects' valid voxels as one matrix of targets, which is read in batches and never held whole.

    Subjects are fitted together on the scans that all of them have: runs may end a few volumes apart.

    Parameters
    ----------
    responses : list of path
        One file per subject, as stored by `clean_responses`; a voxel that is not valid may hold values in some runs.

    Attributes
    ----------
    runs, times : arrays (n_scans,); run and acquisition (s) of every scan
    targets : DataFrame with subject, voxel, roi, x, y, z; one row per target
    attrs : dict, of the first subject

    Raises
    ------
    InputError
        Subjects differ in runs, or by more than 5 % of a run's scans, or no subject has a valid voxel.
    """

    def __init__(self, responses: Sequence[str]):
        self._open = ExitStack()
        with ExitStack() as opening:
            self._datasets = [opening.enter_context(open_arrays(path)) for path in responses]
            check_different(self._datasets)
            self._rows, self._valid = common_scans(self._datasets), []
            first = self._datasets[0].isel(time=self._rows[0])
            self.runs, self.times, self.attrs = first["run"].values, first["time_s"].values, first.attrs
            tables = []
            for dataset in self._datasets:
                valid = np.flatnonzero(dataset["valid"].values)
                columns = {name: dataset[name].values[valid] for name in ("roi", "x", "y", "z")}
                tables.append(pd.DataFrame({"subject": dataset.attrs["subject"], "voxel": valid, **columns}))
                self._valid.append(valid)
            self.targets = pd.concat(tables, ignore_index=True)
            if self.targets.empty:
                raise InputError("responses: no subject has a voxel that varies; see the logs of clean_responses")
            self._open = opening.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open.close()

    def batches(self) -> Iterator[np.ndarray]:
        """Yield float32 arrays (n_scans, n_batch_targets), in the order of `targets`.

        Subjects of few voxels come together: a fit of ten costs as much as one of a thousand.
        """
        waiting, number = [], 0
        for part in self._parts():
            waiting.append(part)
            number += part.shape[1]
            if number >= FEWEST_TARGETS:
                yield np.concatenate(waiting, axis=1)
                waiting, number = [], 0
        if waiting:
            yield np.concatenate(waiting, axis=1)

    def _parts(self):
        for dataset, rows, valid in zip(self._datasets, self._rows, self._valid, strict=True):
            voxels = dataset.sizes["voxel"]
            for chunk in slices(voxels, STORED_VOXELS):
                # A whole column of chunks at a time; what is not valid is left out afterwards.
                mine = valid[(valid >= chunk.start) & (valid < chunk.stop)] - chunk.start
                if len(mine):
                    stored = dataset["responses"][:, chunk].values
                    yield np.ascontiguousarray(stored[np.ix_(rows, mine)], dtype=np.float32)


def check_different(datasets: Sequence["xr.Dataset"]) -> None:
    """InputError where two subjects have a file of responses of the same content, by its checksum."""
    owners: dict[str, str] = {}
    for data in datasets:
        keys = data.attrs.get("keys", {})
        for key in {key for role in keys if role.startswith("response") for key in keys[role]}:
            owner = owners.setdefault(key, data.attrs["subject"])
            if owner != data.attrs["subject"]:
                raise InputError(
                    f"dataset/subjects: {owner!r} and {data.attrs['subject']!r} have the same responses "
                    f"({key} is of both); leave one of them out, or put its files right"
                )


def common_scans(datasets: Sequence["xr.Dataset"]) -> list[np.ndarray]:
    """Rows of each subject's responses at the scans that all subjects have.

    Parameters
    ----------
    datasets : list of xarray.Dataset with coordinates run and time_s (time)

    Returns
    -------
    list of int arrays (n_scans,)

    Raises
    ------
    InputError
        A subject lacks a run, or more than 5 % of a run's scans, or its scans lie beside those of the first.
    """
    scans = _numbered(datasets)
    common = set.intersection(*map(set, scans))
    left = Counter(run for run, _ in common)
    for data, own in zip(datasets, scans, strict=True):
        for run, number in Counter(run for run, _ in own).items():
            if left[run] < (1 - SHORTER) * number:
                others = [d.attrs["subject"] for d, s in zip(datasets, scans, strict=True) if not set(s) >= set(own)]
                raise InputError(
                    f"dataset/subjects: {data.attrs['subject']!r} has {number} scans of run {str(run)!r}, but only "
                    f"{left[run]} of them are there for {', '.join(map(repr, others))} as well; subjects of one study "
                    "must share their runs: choose dataset/runs or dataset/subjects so that they do"
                )
    if len(common) < max(map(len, scans)):
        log.info("%d of %d scans are there for all subjects", len(common), max(map(len, scans)))
    return [np.flatnonzero([scan in common for scan in own]) for own in scans]


def _numbered(datasets):
    """Run and number of every scan, one list for each subject: the same number is the same moment of what is heard.

    InputError where subjects have other times within a TR, as by onsets of their own that are no whole scans.
    """
    first, tr = datasets[0].attrs["subject"], datasets[0].attrs["tr"]
    begin: dict[str, float] = {}
    scans = []
    for data in datasets:
        runs, times = data["run"].values, data["time_s"].values
        numbers = np.zeros(len(runs), int)
        for run in dict.fromkeys(runs.tolist()):
            mine = runs == run
            start = begin.setdefault(run, float(times[mine][0]))
            numbers[mine], apart = steps_from(times[mine], start, tr)
            if apart > TOLERANCE * tr:
                raise InputError(
                    f"dataset/events: scans of run {run!r} of {data.attrs['subject']!r} are {apart:.3g} s beside those "
                    f"of {first!r}, counted from what is heard; onsets that differ by part of a scan ({tr:g} s) are "
                    f"taken as one up to {TOLERANCE * tr:g} s, and a study has the same scans for all: study these "
                    "subjects one by one (dataset/subjects), or set events/applied to false and dropped_volumes to "
                    "whole scans"
                )
            if apart > 1e-3:
                about = data.attrs["subject"], run, apart, first
                log.warning("%s, run %s: scans are %.3g s beside those of %s, which count", *about)
        scans.append(list(zip(runs.tolist(), numbers.tolist(), strict=True)))
    return scans


def check_layer(layer: int, activations: "xr.Dataset") -> None:
    """Raise InputError when a checkpoint's activations have no such layer."""
    there = activations["layer"].values
    if layer not in there:
        raise InputError(
            f"models: layer {layer} of {activations.attrs['repository']!r} does not exist; "
            f"it has 0 (embedding) to {there.max()}"
        )


def check_regions(roi_of_target: Iterable[str], rois: Entries) -> None:
    """Raise InputError when no subject has a valid voxel in a region of the config: its name is wrong, or its data."""
    there = sorted({str(roi) for roi in roi_of_target})
    missing = [roi["name"] for roi in rois if roi["name"] not in there]
    if missing:
        raise InputError(
            f"dataset/rois: {missing} have no valid voxel in any subject; regions of the responses: {', '.join(there)}"
        )


def check_lengths(runs: np.ndarray, delays: Sequence[int], tr: float) -> None:
    """Raise InputError when a run is too short for its delays."""
    for run in dict.fromkeys(runs):
        scans = int((runs == run).sum())
        if scans < 10 * (max(delays) + 1):
            raise InputError(
                f"dataset/runs: {str(run)!r} has {scans} scans of {tr} s, too short for delays up to {max(delays)} "
                f"scans: at least {10 * (max(delays) + 1)} are needed"
            )


def region_masks(roi_of_target: np.ndarray, rois: Entries) -> dict[str, np.ndarray]:
    """Targets of each summary region: every ROI of the config, `language` (their union where so marked) and `all`.

    Parameters
    ----------
    roi_of_target : str array (n_targets,)
    rois : list of dict with name and language

    Returns
    -------
    dict of name to bool array (n_targets,)
    """
    masks = {roi["name"]: roi_of_target == roi["name"] for roi in rois}
    masks["language"] = np.isin(roi_of_target, [roi["name"] for roi in rois if roi.get("language")])
    masks["all"] = np.ones(len(roi_of_target), bool)
    return masks


def check_scored(subjects: pd.Series, scores: np.ndarray, of: str) -> None:
    """InputError when all voxels of a subject are without a score.

    Parameters
    ----------
    subjects : (n_targets,)
    scores : float array (n_targets,)
    of : what was scored, for the message
    """
    lost = pd.Series(np.isnan(scores)).groupby(subjects.to_numpy()).all()
    if lost.any():
        names = ", ".join(map(str, lost.index[lost]))
        raise InputError(
            f"dataset/subjects: of {names} no voxel has a score of {of}: each is constant or not finite in the runs "
            "that train or those that are held out; look at the data report, and leave the subject or the run out"
        )


class RegionMeans:
    """Draws averaged over the voxels of each subject and region, collected over batches of voxels.

    Parameters
    ----------
    subject : str array (n_targets,)
    regions : dict of name to bool array (n_targets,)
    """

    def __init__(self, subject: np.ndarray, regions: Mapping[str, np.ndarray]):
        self.subjects, self.regions = list(dict.fromkeys(subject)), list(regions)
        names = np.array(self.subjects)[:, None] == subject
        self._masks = (names[:, None] & np.stack(list(regions.values()))).reshape(-1, len(subject))
        self._sums: dict[Hashable, np.ndarray] = {}
        self._counts: dict[Hashable, np.ndarray] = {}

    def add(self, measure: Hashable, batch: slice, draws: np.ndarray) -> None:
        """Add draws (n_draws, n_batch_targets) of a slice of the targets; a voxel that has a NaN there is left out."""
        known = np.isfinite(draws).all(0)
        inside = (self._masks[:, batch] & known).T.astype(np.float32)
        draws = draws if known.all() else np.where(known, draws, 0)
        self._sums[measure] = self._sums.get(measure, 0.0) + (draws @ inside).astype(np.float64)
        self._counts[measure] = self._counts.get(measure, 0) + inside.sum(0)

    def means(self) -> tuple[list[Any], np.ndarray]:
        """Measures, and float32 array (n_subjects, n_regions, n_measures, n_draws), NaN without a voxel."""
        shape = len(self.subjects), len(self.regions), -1
        parts = [
            (total / np.where(self._counts[name], self._counts[name], np.nan)).T.reshape(shape)
            for name, total in self._sums.items()
        ]
        return list(self._sums), np.stack(parts, axis=2).astype(np.float32)
