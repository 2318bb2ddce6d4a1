"""Draws and maps over the checkpoints of a study, read from the per-checkpoint results."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.artefacts import open_arrays
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section
from triphase.encoding.analyses import CHOICES, OF_FITS, STEP0, fitted_analyses
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT, COLUMNS, item_draws
from triphase.tasks.measures import item_scores

# What a drawn row takes over from the tidy row it belongs to.
KEYS = ["model", "checkpoint", "step", "tokens", "layer", "subject", "roi", "measure", "target", *CHOICES, "main", "n"]


def alignment_series(table: pd.DataFrame, files: Mapping[tuple[str, str, int], str]) -> Entries:
    """Bootstrap draws of the headline alignment and its sensitivity analyses, for every subject and region.

    Where a model's series begins with step 0, one of these is r minus that of its own first checkpoint at the same
    layer (`reference` step 0): what training added, whatever an untrained network predicts.

    Parameters
    ----------
    table : DataFrame
        The tidy table, with its rows of alignment.
    files : dict of (model, checkpoint, layer) to the path of an encoding result

    Returns
    -------
    list of dict with the keys of a tidy row, value and boot (n_draws,)
    """
    rows, starts = [], {}
    keys = ["model", "checkpoint", "layer", "subject", "roi"]
    r = Selection("r").rows(table).set_index(keys)["value"].to_dict()
    aligned = table[table["measure"] == ALIGNMENT]
    first = {entry.model: entry.checkpoint for entry in aligned[aligned["step"] == 0].itertuples()}
    for (model, checkpoint, layer), group in aligned.groupby(keys[:3], sort=False):
        boot, start = _draws(files[model, checkpoint, layer]), None
        if model in first:
            origin = model, first[model], layer
            if origin not in starts:
                starts[origin] = _draws(files[origin])["boot_r"]
            start = starts[origin]
        analyses = fitted_analyses(*(boot[key].values for key in OF_FITS))
        for entry in group.to_dict("records"):
            of, where = (entry["subject"], entry["roi"]), {"listener": entry["subject"], "region": entry["roi"]}
            (own,) = fitted_analyses(*([entry[key] if pd.notna(entry[key]) else ""] for key in OF_FITS))
            place = analyses.index(own)
            freedom = float(boot["freedom"])
            rows.append(drawn_row(entry, entry["value"], boot["boot_gain"].sel(where)[place].values, freedom))
            if entry["main"] and start is not None:
                value = r[model, checkpoint, layer, *of] - r[model, first[model], layer, *of]
                change = boot["boot_r"].sel(where).values - start.sel(where).values
                rows.append(
                    drawn_row(entry | {"nuisance": None, "reference": STEP0, "main": False}, value, change, freedom)
                )
    return rows


def step0_rows(drawn: Entries) -> pd.DataFrame:
    """Tidy rows of the alignment over step 0, with errors, from what `alignment_series` gives."""
    rows = [{**row, "se": row["boot"].std(ddof=1)} for row in drawn if row["reference"] == STEP0]
    return pd.DataFrame(rows, columns=COLUMNS)


def _draws(path: str) -> xr.Dataset:
    with open_arrays(path) as result:
        return result[["boot_r", "boot_gain", "freedom"]].load()


def leave_out(excluded: set[tuple[str, str]], series: Entries, *lists: list[Any]) -> list[list[Any]]:
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


def task_series(series: Entries, items: list[pd.DataFrame], adherence: Entries, n_draws: int, seed: int) -> Entries:
    """Bootstrap draws of every task measure, items drawn alike at every checkpoint of every model.

    Parameters
    ----------
    series : list of dict
    items : list of DataFrame
        Per-item tables, in the order of `series`.
    adherence : list of dict
        The config's adherence entries.

    Raises
    ------
    InputError : checkpoints of a model were asked through different chat templates
    """
    _check_templates(series, items)
    scores = [item_scores(table, adherence).groupby(["measure", "target"]) for table in items]
    rows = []
    for entry, grouped in zip(series, scores, strict=True):
        for (measure, target), group in grouped:
            values = group.sort_values("item")["score"].to_numpy(float)
            own = entry | {"measure": measure, "target": target, "main": True}
            rows.append(drawn_row(own, values.mean(), item_draws(values[None], n_draws, seed)[0], len(values) - 1))
    return rows


def _check_templates(series: Entries, items: list[pd.DataFrame]) -> None:
    """One curve is asked in one way: another template would look like a change of the model."""
    first: dict[str, tuple[str, str]] = {}
    for entry, table in zip(series, items, strict=True):
        name, template = entry["checkpoint"], table.attrs.get("chat_template_hash", "")
        other, expected = first.setdefault(entry["model"], (name, template))
        if template != expected:
            raise InputError(
                f"models/{entry['model']}/chat_template: {name} has another chat template than {other}, so that their "
                "answers cannot be compared; leave one of them out of `checkpoints`, or chat_template out of the model"
            )


def draws_dataset(drawn: Entries, study: str, seed: int) -> xr.Dataset:
    """The content of bootstrap.zarr.zip: draws and values of the tidy rows that have some, with the rows' keys.

    Returns
    -------
    xarray.Dataset with boot (series, draw), value and freedom (series), the draws' degrees of freedom; coordinates of
    the series: keys of a tidy row, empty text for null
    """
    text = ["model", "checkpoint", "subject", "roi", "measure", "target", *CHOICES[:-1]]
    coords = {key: np.array(["" if pd.isna(row.get(key)) else row[key] for row in drawn], dtype=str) for key in text}
    coords |= {key: np.array([bool(row.get(key)) for row in drawn]) for key in ("normalised", "main")}
    coords |= {key: np.array([row[key] for row in drawn], dtype=np.int64) for key in ("step", "tokens")}
    return xr.Dataset(
        {
            "boot": (("series", "draw"), np.stack([row["boot"] for row in drawn])),
            "value": ("series", np.array([row["value"] for row in drawn])),
            "freedom": ("series", np.array([row["freedom"] for row in drawn], float)),
        },
        coords={key: ("series", values) for key, values in coords.items()},
        attrs={"study": study, "seed": seed},
    )


def gain_maps(
    series: Entries,
    files: Mapping[tuple[str, str, int], str],
    layers: Mapping[tuple[str, str], int],
    coordinates: xr.Dataset,
) -> xr.Dataset:
    """Gain per voxel over one model's checkpoints, each subject at its headline layer, and the q of its r.

    Returns
    -------
    xarray.Dataset with `gain` and `q` (checkpoint, target), NaN for a subject without a headline layer; `q` is of r > 0
    (Benjamini and Hochberg over the voxels of a fit). Coordinates subject, roi, x, y, z (target), checkpoint, tokens
    (checkpoint)
    """
    model = series[0]["model"]
    subject = coordinates["subject"].values
    gain, q = np.full((2, len(series), len(subject)), np.nan, dtype=np.float32)
    for row, entry in enumerate(series):
        for layer in {layer for (of, _), layer in layers.items() if of == model}:
            mine = np.isin(subject, [name for name in set(subject) if layers.get((model, name)) == layer])
            with open_arrays(files[model, entry["checkpoint"], layer]) as result:
                gain[row, mine] = result["gain"].values[0, mine]
                q[row, mine] = result["q"].values[mine]
    return xr.Dataset(
        {"gain": (("checkpoint", "target"), gain), "q": (("checkpoint", "target"), q)},
        coords={name: ("target", coordinates[name].values) for name in ("subject", "roi", "x", "y", "z")}
        | {
            "checkpoint": [entry["checkpoint"] for entry in series],
            "tokens": ("checkpoint", [entry["tokens"] for entry in series]),
        },
        attrs={"model": model},
    )


def drawn_row(entry: Section, value: float, boot: np.ndarray, freedom: float) -> Section:
    """A series of draws with the keys of the tidy row that it belongs to."""
    return {key: entry.get(key) for key in KEYS} | {"value": float(value), "boot": boot, "freedom": freedom}
