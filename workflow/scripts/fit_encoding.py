"""Banded ridge of one layer of one checkpoint beside the nuisance bands, all subjects together; scores and draws."""

from dataclasses import replace

import numpy as np
import pandas as pd

from triphase.config.jobs import FitEncoding
from triphase.core.allocation import keep_freed_memory
from triphase.core.artefacts import open_arrays, read_table, write_arrays
from triphase.core.devices import device_slot
from triphase.core.job import Job, start
from triphase.encoding.bands import word_scans
from triphase.encoding.design import read_design
from triphase.encoding.fitting import Engine, fit_layer
from triphase.encoding.kernels import backend_for
from triphase.encoding.static import static_band, surprisal_columns
from triphase.encoding.word_rows import on_rows
from triphase.responses.targets import check_layer

COORDINATES = ("subject", "voxel", "roi", "x", "y", "z")
STATIC = ("static_coverage", "static_share")
ATTRIBUTES = ("block_length", "boot_length", "gap", "dataset", "dataset_commit")


def main(job: Job[FitEncoding]) -> None:
    """Read one layer and write what `fit_layer` finds."""
    keep_freed_memory()
    paths, settings, layer = job.paths, job.settings, int(job.wildcards.layer)
    words = read_table(paths.words)
    with open_arrays(paths.activations) as stored:
        check_layer(layer, stored)
        picked = stored.sel(layer=layer).load()
        static = settings.static if settings.static and not settings.static["vectors"] else None
        embedding = stored["activations"].sel(layer=0).to_numpy() if static else np.zeros((0, 0))
    heard = pd.DataFrame({"stimulus": picked["stimulus"].values, "index": picked["index"].values})
    with open_arrays(paths.shared) as shared:
        words, _ = on_rows(words, None, shared.attrs["row"])
        design, targets = read_design(shared), pd.DataFrame({name: shared[name].values for name in COORDINATES})
        timeline = design.timeline(shared.attrs["downsampling"])
        about = {key: shared.attrs[key] for key in STATIC if key in shared.attrs}
        bands = dict(design.bands)
        if static:
            band = static_band(embedding, words, heard, timeline, design.outer, static["components"])
            bands["static"], about["static_share"] = band
        if settings.surprisal:
            columns = surprisal_columns(picked["surprisal"].to_numpy(), words, heard, timeline)
            bands["statistics"] = np.column_stack([bands["nuisance"], columns])
        design = replace(design, bands=bands)
        features, rows = word_scans(picked["activations"].values, words, heard, timeline)
        engine = Engine(job.execution["solver"], backend_for(job.execution["device"]))
        dataset = fit_layer(features, rows, shared, design, targets, settings, engine)
        dataset = dataset.assign_coords({name: ("target", values.to_numpy()) for name, values in targets.items()})
        dataset.attrs |= {
            **picked.attrs,
            **about,
            "layer": layer,
            "seed": settings.seed,
            "versions": picked.attrs["versions"] | shared.attrs["versions"],
            **{key: shared.attrs[key] for key in ATTRIBUTES},
        }
    write_arrays(paths.encoding, dataset)


if __name__ == "__main__":
    with start(snakemake, FitEncoding) as job, device_slot(job.gpus):  # noqa: F821
        main(job)
