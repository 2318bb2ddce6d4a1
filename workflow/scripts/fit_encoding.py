"""Banded ridge of one layer of one checkpoint beside the nuisance bands, all subjects together; scores and draws."""

import pandas as pd

from triphase.config.jobs import FitEncoding
from triphase.core.allocation import keep_freed_memory
from triphase.core.artefacts import open_arrays, read_table, write_arrays
from triphase.core.devices import device_slot
from triphase.core.job import Job, start
from triphase.encoding.bands import word_scans
from triphase.encoding.design import read_design
from triphase.encoding.features import Timeline
from triphase.encoding.fitting import Engine, fit_layer
from triphase.encoding.kernels import backend_for
from triphase.encoding.word_rows import on_rows
from triphase.responses.targets import check_layer

COORDINATES = ("subject", "voxel", "roi", "x", "y", "z")
ATTRIBUTES = ("block_length", "boot_length", "gap", "dataset", "dataset_commit")


def main(job: Job[FitEncoding]) -> None:
    """Read one layer and write what `fit_layer` finds."""
    keep_freed_memory()
    paths, settings, layer = job.paths, job.settings, int(job.wildcards.layer)
    words = read_table(paths.words)
    with open_arrays(paths.activations) as stored:
        check_layer(layer, stored)
        picked = stored.sel(layer=layer).load()
    heard = pd.DataFrame({"stimulus": picked["stimulus"].values, "index": picked["index"].values})
    with open_arrays(paths.shared) as shared:
        words, _ = on_rows(words, None, shared.attrs["row"])
        design, targets = read_design(shared), pd.DataFrame({name: shared[name].values for name in COORDINATES})
        how = shared.attrs["downsampling"], design.averaged
        timeline = Timeline(design.runs, design.times, design.tr, design.delays, *how)
        features, rows = word_scans(picked["activations"].values, words, heard, timeline)
        engine = Engine(job.execution["solver"], backend_for(job.execution["device"]))
        dataset = fit_layer(features, rows, shared, design, targets, settings, engine)
        dataset = dataset.assign_coords({name: ("target", values.to_numpy()) for name, values in targets.items()})
        dataset.attrs |= {
            **picked.attrs,
            "layer": layer,
            "seed": settings.seed,
            "versions": picked.attrs["versions"] | shared.attrs["versions"],
            **{key: shared.attrs[key] for key in ATTRIBUTES},
        }
    write_arrays(paths.encoding, dataset)


if __name__ == "__main__":
    with start(snakemake, FitEncoding) as job, device_slot(job.gpus):  # noqa: F821
        main(job)
