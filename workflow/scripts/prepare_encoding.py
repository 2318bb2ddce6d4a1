"""All that does not depend on a model: responses, bands, folds, gap, blocks, and what the bands alone predict."""

import logging

import numpy as np
import xarray as xr

from triphase.core.artefacts import read_table, stream_arrays
from triphase.core.job import start
from triphase.core.provenance import library_versions
from triphase.encoding.design import design_dataset
from triphase.encoding.preparing import Alone, make_design
from triphase.responses.targets import Cohort, check_regions

log = logging.getLogger(__name__)
VOXELS = 1024  # of a chunk, all scans of them: fits read batches of voxels


def main(paths, *, runs, rois, tr, delays, alternatives, downsampling, nuisance, lexical, split, alphas, band_weights,
         gap_seconds, minimum_block, boot_draws, seed):  # fmt: skip
    """Write what every `fit_encoding` job of the study reads."""
    words = read_table(paths.words)
    sound = read_table(*paths.sound) if paths.sound else None
    with Cohort(paths.responses) as cohort:
        check_regions(cohort.targets["roi"].to_numpy(str), rois)
        design, floor = make_design(
            cohort, words, sound, runs, tr=tr, delays=delays, alternatives=alternatives, downsampling=downsampling,
            nuisance=nuisance, lexical=lexical, split=split, gap_seconds=gap_seconds, minimum_block=minimum_block,
            seed=seed,
        )  # fmt: skip
        alone = Alone(
            design, floor, cohort.targets, rois, alphas=np.logspace(*alphas), band_weights=band_weights,
            boot_draws=boot_draws, seed=seed,
        )  # fmt: skip
        shape = len(cohort.runs), len(cohort.targets)
        with stream_arrays(
            paths.shared, "responses", shape, dims=("time", "target"), attributes={}, chunks=(shape[0], VOXELS), axis=1,
            compressed=False,
        ) as stream:  # fmt: skip
            for y in cohort.batches():
                alone.add(y)
                stream.append(y)
                log.info("%d of %d voxels", stream.rows, shape[1])
            targets = {name: ("target", values.to_numpy()) for name, values in cohort.targets.items()}
            dataset = xr.merge([design_dataset(design), alone.dataset()]).assign_coords(targets)
            dataset.attrs = design_dataset(design).attrs | {
                "stimulus_hashes": words.attrs["hashes"],
                "downsampling": downsampling,
                "versions": library_versions("himalaya", "numpy", "scipy"),
                **{key: cohort.attrs[key] for key in ("dataset", "dataset_commit")},
            }
            stream.finish(dataset)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
