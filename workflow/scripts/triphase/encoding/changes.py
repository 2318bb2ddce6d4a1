"""Where alignment changes between two checkpoints: one layer's differences of r, and the study's table of them."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.errors import InputError
from triphase.core.types import Entries
from triphase.encoding.deletions import Resampling
from triphase.responses.targets import region_masks
from triphase.stats.bootstrap import freedom
from triphase.stats.multiple_tests import benjamini_hochberg
from triphase.stats.paired import PairedDraws, compare, swap_draws

FOUND = ["difference", "se", "low", "high", "p"]
COLUMNS = [
    "study",
    "model",
    "checkpoint",
    "step",
    "tokens",
    "reference",
    "reference_checkpoint",
    "layer",
    "subject",
    "roi",
    "measure",
    "value",
    "se",
    "low",
    "high",
    "p",
    "q",
    "n",
]
# Differences of one of these are tested together: all checkpoints and regions.
FAMILY = ["model", "measure", "reference", "subject", "layer"]


def paired_draws(resampling: Resampling, permutations: int, seed: int) -> PairedDraws:
    """Draws that every pair of checkpoints shares: those of the fits, and swaps of the same blocks."""
    sizes, groups = resampling.design.block_sizes, resampling.design.groups
    return PairedDraws(
        scans=resampling.design.block_scans,
        counts=resampling.counts,
        signs=swap_draws(sizes, groups, permutations, seed),
        freedom=freedom(sizes, groups),
        training=resampling.weights,
    )


def layer_changes(
    ours: xr.Dataset, theirs: xr.Dataset, shared: xr.Dataset, draws: PairedDraws, rois: Entries
) -> xr.Dataset:
    """Differences of r, ours minus theirs, in one layer of two checkpoints.

    Parameters
    ----------
    ours, theirs : xarray.Dataset
        From `fit_encoding`, with `blocks` and `seam`, and `training` for draws that have it.
    shared : xarray.Dataset
        From `prepare_encoding`.
    draws : PairedDraws
        From `paired_draws`.
    rois : list of dict
        The config's ROIs.

    Returns
    -------
    xarray.Dataset with difference, se, low, high, p and q (target), q by Benjamini-Hochberg over a subject's voxels;
    region_difference, region_se, region_low, region_high and region_p (listener, region), of the mean over voxels;
    n_voxels (listener, region)

    Raises
    ------
    InputError
        The two are not of the same voxels and blocks.
    """
    same = ours["blocks"].shape == theirs["blocks"].shape and all(
        np.array_equal(ours[name].values, theirs[name].values) for name in ("subject", "voxel")
    )
    if not same or ours.sizes["block"] != shared.sizes["block"]:
        raise InputError(
            f"encoding: layer {ours.attrs['layer']} of {ours.attrs['revision']!r} and {theirs.attrs['revision']!r} "
            "were fitted to other voxels or blocks; fit them again with the same encoding/shared.zarr.zip"
        )
    subject, regions = ours["subject"].values, region_masks(ours["roi"].values, rois)
    subjects = list(dict.fromkeys(subject))
    masks = np.array([[mask & (subject == name) for mask in regions.values()] for name in subjects])
    voxels, means = compare(
        ours["blocks"].values,
        theirs["blocks"].values,
        shared["response_blocks"].values,
        (ours["seam"].values + theirs["seam"].values) / 2,
        masks.reshape(-1, len(subject)),
        draws,
        ours["training"].values - theirs["training"].values if draws.training is not None else None,
    )
    known, q = np.isfinite(voxels["p"]), np.empty(len(subject))
    for name in subjects:
        q[subject == name] = benjamini_hochberg(voxels["p"][subject == name])
    shape = masks.shape[:2]
    values: dict[str, Any] = {name: ("target", voxels[name].astype(np.float32)) for name in FOUND}
    values |= {f"region_{name}": (("listener", "region"), means[name].reshape(shape)) for name in FOUND}
    return xr.Dataset(
        values | {"q": ("target", q.astype(np.float32)), "n_voxels": (("listener", "region"), (masks & known).sum(2))},
        coords={name: ours[name] for name in ("subject", "voxel", "roi", "x", "y", "z")}
        | {"listener": subjects, "region": list(regions), "layer": ours.attrs["layer"]},
    )


def change_rows(changes: xr.Dataset, roles: list[str]) -> pd.DataFrame:
    """Rows of the regions' differences, as measure r_change, for each role that the reference plays.

    Parameters
    ----------
    changes : xarray.Dataset
        From `layer_changes`, joined over layers.

    Returns
    -------
    DataFrame with layer, subject, roi, measure, reference (the role), value, se, low, high, p, n (voxels)
    """
    regional = changes[[*(f"region_{name}" for name in FOUND), "n_voxels"]]
    table = regional.to_dataframe().reset_index().rename(columns=lambda name: name.removeprefix("region_"))
    table = table.rename(columns={"listener": "subject", "region": "roi", "difference": "value", "n_voxels": "n"})
    table = table[table["n"] > 0]
    return pd.concat([table.assign(measure="r_change", reference=role) for role in roles], ignore_index=True)


def study_changes(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """All pairs' rows with q, Benjamini-Hochberg over the checkpoints and regions of each of `FAMILY`, in `COLUMNS`."""
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    table = table.assign(q=np.nan).reindex(columns=COLUMNS)
    for _, rows in table.groupby(FAMILY).groups.items():
        table.loc[rows, "q"] = benjamini_hochberg(table.loc[rows, "p"].to_numpy(float))
    text = ["study", "model", "checkpoint", "reference", "reference_checkpoint", "subject", "roi", "measure"]
    kinds = dict.fromkeys(text, "string") | dict.fromkeys(["step", "tokens", "layer", "n"], "Int64")
    return table.astype(kinds | dict.fromkeys(["value", "se", "low", "high", "p", "q"], "float64"))
