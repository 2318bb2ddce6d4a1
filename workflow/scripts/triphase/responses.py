"""Cleaning of brain responses, run by run.

Cleaning never moves or drops a voxel: one that cannot be used is NaN.
"""

import logging

import numpy as np

from triphase.datasets import of_run
from triphase.errors import InputError
from triphase.readers import match_rows, open_responses, read_confounds
from triphase.words import check_duration

log = logging.getLogger(__name__)

TR_TOLERANCE = 0.001


def usable_voxels(values):
    """Which voxels can be used: finite throughout, and not constant.

    Parameters
    ----------
    values : array (time, voxel)

    Returns
    -------
    finite, varying : bool arrays (voxel,)
    """
    finite = np.isfinite(values).all(axis=0)
    varying = np.zeros_like(finite)
    varying[finite] = np.ptp(values[:, finite], axis=0) > 0
    return finite, varying


def cosine_drifts(volumes, tr, high_pass):
    """Discrete cosines slower than `high_pass` (Hz): array (volumes, k), k = 2 volumes tr high_pass rounded down.

    They are handed to `nilearn.signal.clean` as confounds. Its own `filter="cosine"` gives up the whole high-pass, with
    no more than a warning, when any confound correlates above 0.9 with any cosine, as a head that drifts slowly does.
    """
    k = np.arange(1, min(volumes - 1, int(np.floor(2 * volumes * tr * high_pass))) + 1)
    return np.cos(np.pi * (np.arange(volumes)[:, None] + 0.5) * k / volumes)


def clean_run(values, *, tr, detrend, high_pass, standardize, confounds=None):
    """Clean one run with `nilearn.signal.clean`; a voxel that cannot be used comes back as NaN.

    Parameters
    ----------
    values : float array (time, voxel)
    tr : float, s
    detrend : bool, remove the linear trend
    high_pass : float or None, Hz; slower cosines are regressed out together with the confounds
    standardize : bool, to zero mean and unit variance over the run (sample standard deviation)
    confounds : array (time, confound), optional

    Returns
    -------
    cleaned : float32 array (time, voxel)
    counts : dict, number of voxels `nonfinite` and `constant` (also: constant once cleaned)
    """
    from nilearn.signal import clean

    finite, varying = usable_voxels(values)
    usable = finite & varying
    cleaned = np.full(values.shape, np.nan, dtype=np.float32)
    if usable.any():
        signal = values[:, usable].astype(np.float64)
        scale = signal.std(axis=0)
        removed = [] if confounds is None else [confounds]
        if high_pass:
            removed.append(cosine_drifts(len(values), tr, high_pass))
        signal = clean(
            signal,
            detrend=detrend,
            standardize=None,
            confounds=np.hstack(removed) if removed else None,
            filter=False,
            t_r=tr,
        )
        # What is left of a voxel that the confounds explain is rounding error: scaled up it would look like data.
        left = signal.std(axis=0)
        empty = left <= 1e-6 * scale
        if standardize:
            signal = (signal - signal.mean(axis=0)) / np.where(empty, 1, signal.std(axis=0, ddof=1))
        signal[:, empty] = np.nan
        cleaned[:, usable] = signal
    nonfinite = int((~finite).sum())
    return cleaned, {"nonfinite": nonfinite, "constant": int(np.isnan(cleaned[0]).sum()) - nonfinite}


def clean_subject(subject, files, source, runs, words, *, tr, cleaning):
    """Read and clean all runs of a subject.

    Parameters
    ----------
    subject : str
    files : dict, `files` of the subject's manifest
    source : dict, the entry of `dataset.responses.sources`
    runs : list of dict with name and stimulus
    words : DataFrame, the word table of the study
    tr : float, s
    cleaning : dict with detrend, high_pass, confounds (bool) and standardize

    Returns
    -------
    xarray.Dataset
        `responses` (time, voxel) float32, NaN where a voxel is not valid; coordinates run and time_s (time; row i is
        volume i + dropped_volumes, so time_s = (i + dropped_volumes) TR: seconds on the words' clock), roi, x, y, z
        (mm) and valid (voxel). A voxel is valid when it can be used in every run.
    """
    import xarray as xr

    reader = open_responses(source, files)
    dropped = source.get("dropped_volumes", 0)
    parts, names, times, counts = [], [], [], {}
    for run in runs:
        path = of_run(files["response"], run)["path"]
        values, tr_found = reader.read(path)
        if tr_found is not None and abs(tr_found - tr) > TR_TOLERANCE:
            raise InputError(f"{path}: the header's TR is {tr_found:g} s, but dataset.tr is {tr:g} s")
        check_duration(words[words["run"] == run["name"]], f"{run['name']} of {subject}", (len(values) + dropped) * tr)
        cleaned, counts[run["name"]] = clean_run(
            values,
            tr=tr,
            detrend=cleaning["detrend"],
            high_pass=cleaning["high_pass"],
            standardize=cleaning["standardize"],
            confounds=_confounds(files, run, values, dropped, cleaning["confounds"]),
        )
        parts.append(cleaned)
        names.append(np.full(len(values), run["name"]))
        times.append((np.arange(len(values)) + dropped) * tr)
    responses = np.concatenate(parts)
    valid = np.isfinite(responses).all(axis=0)
    responses[:, ~valid] = np.nan
    report(subject, valid, counts)
    table = reader.table
    return xr.Dataset(
        {"responses": (("time", "voxel"), responses, {"units": "standard deviations of the run"})},
        coords={
            "run": ("time", np.concatenate(names)),
            "time_s": ("time", np.concatenate(times), {"units": "s"}),
            "roi": ("voxel", table["roi"].to_numpy(str)),
            **{axis: ("voxel", table[axis].to_numpy(float), {"units": "mm"}) for axis in "xyz"},
            "valid": ("voxel", valid),
        },
        attrs={
            "subject": subject,
            "source": source["name"],
            "tr": tr,
            "dropped_volumes": dropped,
            "cleaning": dict(cleaning),
            "unusable_voxels": counts,
        },
    )


def _confounds(files, run, values, dropped, wanted):
    """The run's confounds; None where none are wanted or given, or there is no voxel to remove them from."""
    entry = of_run(files.get("confounds", {}), run)
    if not wanted or entry is None or not np.logical_and(*usable_voxels(values)).any():
        return None
    return match_rows(read_confounds(entry["path"]), len(values), dropped, entry["path"])


def report(subject, valid, counts):
    """Say in the log how much of a subject can be used."""
    for run, count in counts.items():
        if count["nonfinite"] or count["constant"]:
            log.warning(
                "%s, %s: %d voxels hold a value that is not finite, %d are constant: kept in place as NaN",
                subject, run, count["nonfinite"], count["constant"],
            )  # fmt: skip
    log.log(
        logging.INFO if valid.any() else logging.WARNING, "%s: %d of %d voxels are valid%s", subject, valid.sum(),
        len(valid), "" if valid.any() else "; the subject is left out of what follows",
    )  # fmt: skip
