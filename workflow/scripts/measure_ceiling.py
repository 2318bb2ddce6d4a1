"""How well each voxel and region could be predicted: from repeated stimuli, else from the other listeners."""

from triphase.config.jobs import MeasureCeiling
from triphase.core.artefacts import open_arrays, write_table
from triphase.core.job import Job, start
from triphase.responses.ceiling import split_runs
from triphase.responses.ceiling_intervals import BLOCK_SECONDS, BOOTSTRAP_DRAWS, measure_ceiling
from triphase.responses.subject import load_responses


def main(job: Job[MeasureCeiling]) -> None:
    """Read the responses one subject and a few voxels at a time and write one table per voxel and one per region."""
    paths, settings = job.paths, job.settings
    files = dict(zip(settings.subjects, paths.responses, strict=True))
    layouts = {}
    for subject, file in files.items():
        with open_arrays(file) as data:
            layouts[subject] = {name: data[name].values for name in ("roi", "x", "y", "z", "valid")}
            layouts[subject]["scans"] = data["run"].to_series().value_counts(sort=False).to_dict()

    def open_runs(subject, names, voxels):
        data = load_responses(files[subject], runs=names, voxels=voxels)
        return split_runs(data["responses"].values, data["run"].values)

    voxels, regions = measure_ceiling(
        open_runs,
        layouts,
        settings.runs,
        rois=settings.rois,
        tr=settings.tr,
        seed=settings.seed,
        common_space=settings.common_space,
    )
    write_table(paths.ceiling, voxels, runs=settings.runs)
    write_table(paths.regions, regions, settings={"draws": BOOTSTRAP_DRAWS, "block_seconds": BLOCK_SECONDS})


if __name__ == "__main__":
    with start(snakemake, MeasureCeiling) as job:  # noqa: F821
        main(job)
