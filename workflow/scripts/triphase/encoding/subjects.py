"""Subjects as one target matrix, checks of what they heard, and summaries over their regions."""

import numpy as np
import xarray as xr

from triphase.errors import InputError


def stack_subjects(responses):
    """Join subjects who heard the same runs into one target matrix, without invalid voxels.

    Parameters
    ----------
    responses : list of xarray.Dataset
        One per subject, as stored by `clean_responses`; a voxel that is not valid may hold values in some runs.

    Returns
    -------
    xarray.Dataset with `responses` (time, target); coordinates run, time_s (time), subject, voxel, roi, x, y, z
    (target)

    Raises
    ------
    InputError
        Subjects differ in runs or in the number of scans, or no subject has a valid voxel.
    """
    first, parts = responses[0], []
    for dataset in responses:
        same = dataset.sizes["time"] == first.sizes["time"] and (dataset["run"].values == first["run"].values).all()
        if not same:
            raise InputError(
                f"dataset/subjects: {dataset.attrs['subject']!r} has other runs or run lengths than "
                f"{first.attrs['subject']!r}; subjects of one study must share their runs"
            )
        valid = np.flatnonzero(dataset["valid"].values)
        part = dataset[["responses"]].isel(voxel=valid).rename(voxel="target").drop_vars("valid")
        parts.append(
            part.assign_coords(voxel=("target", valid), subject=("target", [dataset.attrs["subject"]] * len(valid)))
        )
    if not sum(part.sizes["target"] for part in parts):
        raise InputError("responses: no subject has a voxel that varies; see the logs of clean_responses")
    return xr.concat(parts, dim="target", combine_attrs="override", join="override")


def check_layer(layer, activations):
    """Raise InputError when a checkpoint's activations have no such layer."""
    there = activations["layer"].values
    if layer not in there:
        raise InputError(
            f"models: layer {layer} of {activations.attrs['repository']!r} does not exist; "
            f"it has 0 (embedding) to {there.max()}"
        )


def check_regions(roi_of_target, rois):
    """Raise InputError when no subject has a valid voxel in a region of the config: its name is wrong, or its data."""
    there = sorted({str(roi) for roi in roi_of_target})
    missing = [roi["name"] for roi in rois if roi["name"] not in there]
    if missing:
        raise InputError(
            f"dataset/rois: {missing} have no valid voxel in any subject; regions of the responses: {', '.join(there)}"
        )


def check_lengths(runs, delays, tr):
    """Raise InputError when a run is too short for its delays."""
    for run in dict.fromkeys(runs):
        scans = int((runs == run).sum())
        if scans < 10 * (max(delays) + 1):
            raise InputError(
                f"dataset/runs: {str(run)!r} has {scans} scans of {tr} s, too short for delays up to {max(delays)} "
                f"scans: at least {10 * (max(delays) + 1)} are needed"
            )


def region_masks(roi_of_target, rois):
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


def region_draws(draws, subjects, regions, subject_names):
    """Average draws over the voxels of each subject and region.

    Parameters
    ----------
    draws : float array (n_draws, n_targets)
    subjects : str array (n_targets,)
    regions : dict of name to bool array (n_targets,)

    Returns
    -------
    float32 array (n_subjects, n_regions, n_draws), NaN where a subject has no voxel in a region
    """
    averages = np.full((len(subject_names), len(regions), len(draws)), np.nan, dtype=np.float32)
    for i, subject in enumerate(subject_names):
        for j, mask in enumerate(regions.values()):
            picked = mask & (subjects == subject)
            if picked.any():
                averages[i, j] = draws[:, picked].mean(1)
    return averages
