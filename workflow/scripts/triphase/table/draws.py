"""Draws and maps over the checkpoints of a study, read from the per-checkpoint results."""

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.artefacts import open_arrays
from triphase.core.errors import InputError
from triphase.table.tidy import ALIGNMENT, COLUMNS, GAIN, item_draws
from triphase.tasks.measures import item_scores

OVER_STEP0 = f"{ALIGNMENT}_over_step0"


def alignment_series(table, files):
    """Bootstrap draws of the headline alignment and its sensitivity analyses, for every subject and region.

    Where a model's series begins with step 0, `alignment_over_step0` is r minus that of its own first checkpoint at the
    same layer: what training added, whatever an untrained network predicts.

    Parameters
    ----------
    table : DataFrame
        The tidy table, with its `alignment…` rows.
    files : dict of (model, checkpoint, layer) to the path of an encoding result

    Returns
    -------
    list of dict with model, checkpoint, step, tokens, layer, subject, roi, measure, value, n, boot (float32 array of
    draws)
    """
    rows, starts = [], {}
    keys = ["model", "checkpoint", "layer", "subject", "roi"]
    r = table[table["measure"] == "r"].set_index(keys)["value"].to_dict()
    aligned = table[table["measure"].str.startswith(ALIGNMENT, na=False)]
    first = {entry.model: entry.checkpoint for entry in aligned[aligned["step"] == 0].itertuples()}
    for (model, checkpoint, layer), group in aligned.groupby(keys[:3], sort=False):
        boot, start = _draws(files[model, checkpoint, layer]), None
        if model in first:
            origin = model, first[model], layer
            if origin not in starts:
                starts[origin] = _draws(files[origin])
            start = starts[origin].sel(measure="r")
        for entry in group.to_dict("records"):
            of, where = (entry["subject"], entry["roi"]), {"listener": entry["subject"], "region": entry["roi"]}
            draws = boot.sel(where)
            name = entry["measure"].replace(ALIGNMENT, GAIN, 1)
            rows.append(_row(entry, *of, entry["measure"], entry["value"], draws.sel(measure=name).values))
            if name == GAIN and start is not None:
                value = r[model, checkpoint, layer, *of] - r[model, first[model], layer, *of]
                change = draws.sel(measure="r").values - start.sel(where).values
                rows.append(_row(entry, *of, OVER_STEP0, value, change))
    return rows


def step0_rows(drawn):
    """Tidy rows of `alignment_over_step0`, with errors, from what `alignment_series` gives."""
    rows = [{**row, "se": row["boot"].std(ddof=1)} for row in drawn if row["measure"] == OVER_STEP0]
    return pd.DataFrame(rows, columns=COLUMNS)


def _draws(path):
    with open_arrays(path) as result:
        return result["boot"].load()


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
    keys = {key: entry.get(key) for key in ("model", "checkpoint", "step", "tokens", "layer", "n")}
    return keys | {"subject": subject, "roi": roi, "measure": measure, "value": float(value), "boot": boot}
