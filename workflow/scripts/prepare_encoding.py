"""All that does not depend on a model: responses, bands, folds, gap, blocks, and what the bands alone predict."""

import logging
from dataclasses import replace

import xarray as xr

from triphase.config.jobs import PrepareEncoding
from triphase.core.allocation import keep_freed_memory
from triphase.core.artefacts import ArraySpec, read_table, stream_arrays
from triphase.core.job import Job, start
from triphase.core.provenance import library_versions
from triphase.encoding.design import design_dataset
from triphase.encoding.preparing import Alone, make_design, shared_fits
from triphase.encoding.static import static_band, vectors_of_words
from triphase.encoding.word_rows import on_rows
from triphase.responses.targets import Cohort, check_regions

log = logging.getLogger(__name__)
VOXELS = 1024  # of a chunk, all scans of them: fits read batches of voxels


def main(job: Job[PrepareEncoding]) -> None:
    """Write what every `fit_encoding` job of the study reads."""
    keep_freed_memory()
    paths, settings = job.paths, job.settings
    words = read_table(paths.words)
    sound = read_table(*paths.sound) if paths.sound else None
    with Cohort(paths.responses) as cohort:
        words, sound = on_rows(words, sound, cohort.attrs.get("row", "scan"))
        check_regions(cohort.targets["roi"].to_numpy(str), settings.rois)
        design, floor = make_design(cohort, words, sound, settings)
        about: dict[str, float] = {}
        components = settings.static["components"] if settings.static else 0
        for path in paths.vectors:
            values, coverage = vectors_of_words(path, words)
            timeline = design.timeline(settings.downsampling)
            static, share = static_band(values, words, words, timeline, design.outer, components)
            design = replace(design, bands=design.bands | {"static": static})
            about = {"static_coverage": coverage, "static_share": share}
        alone = Alone(design, shared_fits(design, floor), cohort.targets, settings)
        shape = len(cohort.runs), len(cohort.targets)
        chunks = shape[0], VOXELS
        spec = ArraySpec("responses", ("time", "target"), shape, chunks, axis=1, compressed=False)
        with stream_arrays(paths.shared, spec) as stream:
            for y in cohort.batches():
                alone.add(y)
                stream.append(y)
                log.info("%d of %d voxels", stream.rows, shape[1])
            targets = {name: ("target", values.to_numpy()) for name, values in cohort.targets.items()}
            dataset = xr.merge([design_dataset(design), alone.dataset()]).assign_coords(targets)
            dataset.attrs = design_dataset(design).attrs | {
                "stimulus_hashes": words.attrs["hashes"],
                "downsampling": settings.downsampling,
                "row": cohort.attrs.get("row", "scan"),
                **about,
                "versions": library_versions("himalaya", "numpy", "scipy"),
                **{key: cohort.attrs[key] for key in ("dataset", "dataset_commit")},
            }
            stream.finish(dataset)


if __name__ == "__main__":
    with start(snakemake, PrepareEncoding) as job:  # noqa: F821
        main(job)
