"""Cleaning of brain responses, run by run.

Cleaning never moves or drops a voxel: one that cannot be used is NaN.
"""

import logging

import numpy as np

from triphase.artefacts import open_arrays
from triphase.datasets import of_run
from triphase.errors import InputError
from triphase.readers import match_rows, open_responses, read_confounds
from triphase.words import check_duration

log = logging.getLogger(__name__)

TR_TOLERANCE = 0.001
# Voxels cleaned at a time: cleaning makes several copies in double precision.
BLOCK_VOXELS = 20_000
# A perfect fit leaves less than this of a value in single precision.
ROUNDING = 1e-6


def load_responses(path, runs=None, voxels=None):
    """One subject's responses as every later stage reads them, in memory.

    The file keeps what each run holds of a voxel, also of one that another run lacks; here such a voxel is NaN in all.

    Parameters
    ----------
    path : path of a `responses/{subject}.zarr.zip`
    runs : list of str, optional
        Names of the runs to read; without it all. Their order is that of the file. A name that is not there gives no
        row.
    voxels : slice or int array, optional
        Which voxels to read; without it all.

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


def clean_run(values, *, tr, detrend, high_pass, standardize, confounds=None, where="run"):
    """Clean one run with `nilearn.signal.clean`; a voxel that cannot be used comes back as NaN.

    Parameters
    ----------
    values : float array (time, voxel)
    tr : float, s
    detrend : bool, remove the linear trend
    high_pass : float or None, Hz; slower cosines are regressed out together with the confounds
    standardize : bool, to zero mean and unit variance over the run (sample standard deviation)
    confounds : array (time, confound), optional
    where : str, name of the run in messages

    Returns
    -------
    cleaned : float32 array (time, voxel)
    counts : dict, number of voxels `nonfinite` and `constant` (also: constant once cleaned)

    Raises
    ------
    InputError : as many regressors as volumes, so that nothing of a response would be left
    """
    finite, varying = usable_voxels(values)
    removed = [] if confounds is None else [confounds]
    if high_pass:
        removed.append(cosine_drifts(len(values), tr, high_pass))
    regressors = np.hstack(removed) if removed else None
    count = 0 if regressors is None else regressors.shape[1]
    if count + 2 >= len(values):
        raise InputError(
            f"{where}: {len(values)} volumes are too few for {count} confounds and drifts; lower responses.high_pass, "
            "set responses.confounds to false, or leave the run out"
        )
    cleaned = np.full(values.shape, np.nan, dtype=np.float32)
    usable = np.flatnonzero(finite & varying)
    for start in range(0, len(usable), BLOCK_VOXELS):
        block = usable[start : start + BLOCK_VOXELS]
        cleaned[:, block] = _clean_block(values[:, block].astype(np.float64), tr, detrend, standardize, regressors)
    nonfinite = int((~finite).sum())
    return cleaned, {"nonfinite": nonfinite, "constant": int(np.isnan(cleaned[0]).sum()) - nonfinite}


def _clean_block(values, tr, detrend, standardize, regressors):
    from nilearn.signal import clean

    size = np.abs(values).max(axis=0)
    left = clean(values, detrend=detrend, standardize=None, confounds=regressors, filter=False, t_r=tr)
    # What is left of a voxel that the confounds explain is rounding error: scaled up it would look like data.
    spread = left.std(axis=0, ddof=1)
    empty = spread <= ROUNDING * size
    if standardize:
        left = (left - left.mean(axis=0)) / np.where(empty, 1, spread)
    left[:, empty] = np.nan
    return left


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
            where=path,
        )
        parts.append(cleaned)
        names.append(np.full(len(values), run["name"]))
        times.append((np.arange(len(values)) + dropped) * tr)
    responses = np.concatenate(parts)
    valid = np.isfinite(responses).all(axis=0)
    responses[:, ~valid] = np.nan
    report(subject, valid, counts)
    table = reader.table
    units = "standard deviations of the run" if cleaning["standardize"] else "as in the file"
    return xr.Dataset(
        {"responses": (("time", "voxel"), responses, {"units": units})},
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
