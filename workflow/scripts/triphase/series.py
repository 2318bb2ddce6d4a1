"""Draws and maps over the checkpoints of a study, read from the per-checkpoint results."""

import numpy as np
import xarray as xr

from triphase.artefacts import open_arrays
from triphase.errors import InputError
from triphase.tasks import item_scores
from triphase.trajectories import item_draws


def alignment_series(table, files):
    """Bootstrap draws of the headline alignment, for every subject and region.

    Parameters
    ----------
    table : DataFrame
        The tidy table, with its `alignment` rows.
    files : dict of (model, checkpoint, layer) to the path of an encoding result

    Returns
    -------
    list of dict with model, checkpoint, step, tokens, subject, roi, measure, value, boot (float32 array of draws)
    """
    rows = []
    headline = table[table["measure"] == "alignment"]
    for key, group in headline.groupby(["model", "checkpoint", "layer"], sort=False):
        with open_arrays(files[key]) as result:
            boot = result["boot"].sel(measure="gain").load()
        for entry in group.to_dict("records"):
            draws = boot.sel(listener=entry["subject"], region=entry["roi"]).values
            rows.append(_row(entry, entry["subject"], entry["roi"], "alignment", entry["value"], draws))
    return rows


def leave_out(excluded, series, *lists):
    """The series without excluded checkpoints, and what belongs to the rest in lists that run along with it.

    Parameters
    ----------
    excluded : set of (model, checkpoint)
    series : list of dict with model and checkpoint
    lists : lists as long as `series`

    Raises
    ------
    InputError : nothing is left of a model
    """
    kept = [(entry["model"], entry["checkpoint"]) not in excluded for entry in series]
    rest = {entry["model"] for entry, keep in zip(series, kept, strict=True) if keep}
    if gone := [entry["model"] for entry in series if entry["model"] not in rest]:
        raise InputError(
            f"integrity: no checkpoint of {gone[0]!r} is left; see integrity.parquet, take the model out of `models`, "
            "or set `integrity: warn`"
        )
    return [[item for item, keep in zip(items, kept, strict=True) if keep] for items in (series, *lists)]


def task_series(series, items, adherence, n_draws, seed):
    """Bootstrap draws of every task measure, items drawn alike at every checkpoint of every model.

    Parameters
    ----------
    series : list of dict
    items : list of DataFrame
        Per-item tables, in the order of `series`.
    adherence : list of dict
        The config's adherence entries.
    """
    scores = [item_scores(table, adherence).groupby("measure") for table in items]
    rows = []
    for entry, grouped in zip(series, scores, strict=True):
        for measure, group in grouped:
            values = group.sort_values("item")["score"].to_numpy(float)
            rows.append(_row(entry, "", "", measure, values.mean(), item_draws(values[None], n_draws, seed)[0]))
    return rows


def gain_maps(series, files, layers, coordinates):
    """Gain per voxel over one model's checkpoints, each subject at its headline layer.

    Returns
    -------
    xarray.Dataset with `gain` (checkpoint, target), NaN for a subject without a headline layer; coordinates
    subject, roi, x, y, z (target), checkpoint, tokens (checkpoint)
    """
    model = series[0]["model"]
    subject = coordinates["subject"].values
    gain = np.full((len(series), len(subject)), np.nan, dtype=np.float32)
    for row, entry in enumerate(series):
        for layer in {layer for (of, _), layer in layers.items() if of == model}:
            mine = np.isin(subject, [name for name in set(subject) if layers.get((model, name)) == layer])
            with open_arrays(files[model, entry["checkpoint"], layer]) as result:
                gain[row, mine] = result["gain"].values[mine]
    return xr.Dataset(
        {"gain": (("checkpoint", "target"), gain)},
        coords={name: ("target", coordinates[name].values) for name in ("subject", "roi", "x", "y", "z")}
        | {
            "checkpoint": [entry["checkpoint"] for entry in series],
            "tokens": ("checkpoint", [entry["tokens"] for entry in series]),
        },
        attrs={"model": model},
    )


def _row(entry, subject, roi, measure, value, boot):
    keys = {key: entry[key] for key in ("model", "checkpoint", "step", "tokens")}
    return keys | {"subject": subject, "roi": roi, "measure": measure, "value": float(value), "boot": boot}
