"""Where alignment changes between a checkpoint and a reference: differences of r per layer, voxel and region."""

import xarray as xr

from triphase.config.jobs import CompareAlignment
from triphase.core.allocation import keep_freed_memory
from triphase.core.artefacts import open_arrays, write_arrays, write_table
from triphase.core.job import Job, start
from triphase.encoding.changes import change_rows, layer_changes, paired_draws
from triphase.encoding.deletions import Resampling
from triphase.encoding.design import read_design


def main(job: Job[CompareAlignment]) -> None:
    """Write the maps of the changes, and a row for every region of them."""
    keep_freed_memory()
    paths, settings = job.paths, job.settings
    with open_arrays(paths.shared) as stored:
        shared, design = stored[["response_blocks", "block_scans"]].load(), read_design(stored)
    resampling = Resampling.of(design, settings.generalise_to, settings.boot_draws, settings.seed)
    draws = paired_draws(resampling, settings.permutations, settings.seed)
    layers, made_of = [], {}
    needed = ["blocks", "seam"] + ["training"] * (draws.training is not None)
    for ours, theirs in zip(paths.encoding, paths.reference, strict=True):
        with open_arrays(ours) as one, open_arrays(theirs) as other:
            our_fit, their_fit = (fit[needed].load() for fit in (one, other))
            layers.append(layer_changes(our_fit, their_fit, shared, draws, settings.rois))
            made_of = {key: value for key, value in one.attrs.items() if key != "layer"}
            made_of["reference"] = {key: value for key, value in other.attrs.items() if key != "layer"}
    about = {"smallest_p": 1 / (len(draws.signs[0]) + 1), "block_scans": shared["block_scans"].values.tolist()}
    about |= {"generalise_to": settings.generalise_to}
    changes = xr.concat(layers, dim="layer").assign_attrs(made_of | about)
    write_arrays(paths.changes, changes)
    write_table(paths.table, change_rows(changes, settings.roles), **changes.attrs)


if __name__ == "__main__":
    with start(snakemake, CompareAlignment) as job:  # noqa: F821
        main(job)
