"""How well each voxel and region could be predicted: from repeated stimuli, else from the other listeners."""

import pandas as pd

from triphase.config.jobs import MeasureCeiling
from triphase.core.artefacts import open_arrays, write_table
from triphase.core.job import Job, start
from triphase.core.types import Section
from triphase.responses.ceiling import common_starts, split_runs
from triphase.responses.ceiling_intervals import BLOCK_SECONDS, BOOTSTRAP_DRAWS, measure_ceiling
from triphase.responses.subject import load_responses


def main(job: Job[MeasureCeiling]) -> None:
    """Read the responses one subject and a few voxels at a time and write one table per voxel and one per region."""
    paths, settings = job.paths, job.settings
    files = dict(zip(settings.subjects, paths.responses, strict=True))
    layouts: dict[str, Section] = {}
    scans, starts = {}, {}
    for subject, file in files.items():
        with open_arrays(file) as data:
            layouts[subject] = {name: data[name].values for name in ("roi", "x", "y", "z", "valid")}
            seconds = pd.Series(data["time_s"].values, data["run"].values).groupby(level=0, sort=False)
            scans[subject], starts[subject] = seconds.size().to_dict(), seconds.first().to_dict()
    before = common_starts(starts, settings.runs, settings.tr)
    for subject, layout in layouts.items():
        layout["scans"] = {run: number - before[subject, run] for run, number in scans[subject].items()}

    def open_runs(subject, names, voxels):
        data = load_responses(files[subject], runs=names, voxels=voxels)
        by_run = split_runs(data["responses"].values, data["run"].values)
        return {run: values[before[subject, run] :] for run, values in by_run.items()}

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
