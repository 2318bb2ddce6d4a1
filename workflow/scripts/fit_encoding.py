"""Banded ridge of one layer of one checkpoint beside the nuisance band, all subjects together; scores and draws."""

import numpy as np
import pandas as pd
import xarray as xr

from triphase.artefacts import open_arrays, read_arrays, read_table, write_arrays
from triphase.devices import device_slot
from triphase.encoding.bands import word_band
from triphase.encoding.bootstrap import bootstrap_draws, bootstrap_sums, cut_blocks, prediction_sums
from triphase.encoding.folds import held_out_segments
from triphase.encoding.permutation import permutation_draws, permutation_test
from triphase.encoding.ridge import fit_bands, weight_grid
from triphase.encoding.scoring import benjamini_hochberg, correlate
from triphase.encoding.subjects import check_layer, region_draws, region_masks
from triphase.job import start


def main(paths, *, layer, rois, alphas, band_weights, permutations, boot_draws, backend, seed):
    """Write per-voxel scores and the bootstrap draws of every subject's regions."""
    shared, words = read_arrays(paths.shared), read_table(paths.words)
    with open_arrays(paths.activations) as stored:
        check_layer(layer, stored)
        picked = stored.sel(layer=layer).load()
    runs, y, tr = shared["run"].values, shared["responses"].values, shared.attrs["tr"]
    heard = pd.DataFrame({"stimulus": picked["stimulus"].values, "index": picked["index"].values})
    times, delays = shared["time_s"].values, shared.attrs["delays_scans"]
    llm = word_band(picked["activations"].values, words, heard, runs, times, tr, delays)
    bands = [llm, shared["nuisance"].values]
    outer = shared["outer"].values
    inner = [masks[(masks > 0).any(1)] for masks in shared["inner"].values]
    predicted, fit = fit_bands(
        bands, y, outer, inner, alphas=np.logspace(*alphas), weights=weight_grid(band_weights), backend=backend
    )

    segments, counts = held_out_segments(outer, runs), shared.attrs["block_counts"]
    groups, scans = shared["stretch_group"].values, shared["block_scans"].values
    joint, split = correlate(predicted, y, segments)
    orders = permutation_draws(counts, groups, permutations, seed)
    _, p, _ = permutation_test(predicted.sum(0), y, segments, orders)
    drawn = bootstrap_draws(np.bincount(shared["block_stretch"].values), groups, boot_draws, seed)
    sums = prediction_sums(predicted.sum(0), y, cut_blocks(segments, shared.attrs["boot_length"]))
    boot, boot_alone = (
        bootstrap_sums(values, shared["response_blocks"].values, scans, drawn)
        for values in (sums, shared["nuisance_blocks"].values)
    )

    subjects, subject = list(dict.fromkeys(shared["subject"].values)), shared["subject"].values
    regions = region_masks(shared["roi"].values, rois)
    draws = np.stack([region_draws(values, subject, regions, subjects) for values in (boot, boot - boot_alone)], axis=2)
    q = np.concatenate([benjamini_hochberg(p[subject == name]) for name in subjects])
    alone = shared["r_nuisance_alone"].values
    dataset = xr.Dataset(
        {
            **{name: ("target", values.astype(np.float32)) for name, values in
               {"r": joint, "r_llm": split[0], "r_nuisance": split[1], "r_nuisance_alone": alone,
                "gain": joint - alone, "p": p, "q": q, "cv_score": fit["cv_score"]}.items()},
            "alpha": (("split", "target"), fit["alpha"]),
            "weight": (("split", "band", "target"), fit["weight"].astype(np.float32)),
            "blocks": (("sum", "block", "target"), sums),
            "boot": (("listener", "region", "measure", "draw"), draws.astype(np.float32)),
        },
        coords={name: shared[name] for name in ("subject", "voxel", "roi", "x", "y", "z")}
        | {"band": ["llm", "nuisance"], "listener": subjects, "region": list(regions), "measure": ["r", "gain"],
           "sum": ["x", "xx", "xy"]},
        attrs={**picked.attrs, "layer": layer, "seed": seed, "blocks": counts, "smallest_p": 1 / (len(orders[0]) + 1),
               "versions": picked.attrs["versions"] | shared.attrs["versions"],
               **{key: shared.attrs[key] for key in ("block_length", "gap", "dataset", "dataset_commit")}},
    )  # fmt: skip
    write_arrays(paths.encoding, dataset)


if __name__ == "__main__":
    with start(snakemake) as job, device_slot(snakemake.resources.gpu):  # noqa: F821
        main(job.paths, **job.params)
