"""Banded ridge of one layer of one checkpoint beside the nuisance bands, all subjects together; scores and draws."""

import numpy as np
import pandas as pd

from triphase.core.artefacts import open_arrays, read_table, write_arrays
from triphase.core.devices import device_slot
from triphase.core.job import start
from triphase.encoding.bands import word_scans
from triphase.encoding.design import read_design
from triphase.encoding.fitting import fit_layer
from triphase.responses.targets import check_layer

COORDINATES = ("subject", "voxel", "roi", "x", "y", "z")
ATTRIBUTES = ("block_length", "boot_length", "gap", "dataset", "dataset_commit")


def main(paths, *, layer, rois, alphas, seed, **settings):
    """Read one layer and write what `fit_layer` finds; `settings` are its keyword arguments."""
    words = read_table(paths.words)
    with open_arrays(paths.activations) as stored:
        check_layer(layer, stored)
        picked = stored.sel(layer=layer).load()
    heard = pd.DataFrame({"stimulus": picked["stimulus"].values, "index": picked["index"].values})
    with open_arrays(paths.shared) as shared:
        design, targets = read_design(shared), pd.DataFrame({name: shared[name].values for name in COORDINATES})
        features, rows = word_scans(
            picked["activations"].values, words, heard, design.runs, design.times, design.tr, design.delays,
            shared.attrs["downsampling"],
        )  # fmt: skip
        dataset = fit_layer(
            features, rows, shared, design, targets, rois, alphas=np.logspace(*alphas), seed=seed, **settings
        )
        dataset = dataset.assign_coords({name: ("target", values.to_numpy()) for name, values in targets.items()})
        dataset.attrs |= {
            **picked.attrs,
            "layer": layer,
            "seed": seed,
            "versions": picked.attrs["versions"] | shared.attrs["versions"],
            **{key: shared.attrs[key] for key in ATTRIBUTES},
        }
    write_arrays(paths.encoding, dataset)


if __name__ == "__main__":
    with start(snakemake) as job, device_slot(snakemake.resources.gpu):  # noqa: F821
        main(job.paths, **job.params)
