"""Where alignment changes between a checkpoint and a reference: differences of r per layer, voxel and region."""

import xarray as xr

from triphase.core.artefacts import open_arrays, write_arrays, write_table
from triphase.core.job import start
from triphase.encoding.changes import change_rows, layer_changes, paired_draws


def main(paths, *, roles, rois, permutations, boot_draws, seed):
    """`roles`: what the reference is to the checkpoint: first, previous, last, or several of these."""
    with open_arrays(paths.shared) as stored:
        shared = stored[["response_blocks", "block_stretch", "block_scans", "stretch_group"]].load()
    draws = paired_draws(shared, boot_draws=boot_draws, permutations=permutations, seed=seed)
    layers, made_of = [], {}
    for ours, theirs in zip(paths.encoding, paths.reference, strict=True):
        with open_arrays(ours) as one, open_arrays(theirs) as other:
            pair = (fit[["blocks", "seam"]].load() for fit in (one, other))
            layers.append(layer_changes(*pair, shared, draws, rois))
            made_of = {key: value for key, value in one.attrs.items() if key != "layer"}
            made_of["reference"] = {key: value for key, value in other.attrs.items() if key != "layer"}
    changes = xr.concat(layers, dim="layer").assign_attrs(
        made_of, smallest_p=1 / (len(draws["signs"][0]) + 1), block_scans=shared["block_scans"].values.tolist()
    )
    write_arrays(paths.changes, changes)
    write_table(paths.table, change_rows(changes, roles), **changes.attrs)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
