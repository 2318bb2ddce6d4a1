"""How well each voxel and region could be predicted: from repeated stimuli, else from the other listeners."""

from triphase.core.artefacts import open_arrays, write_table
from triphase.core.job import start
from triphase.responses.ceiling import split_runs
from triphase.responses.ceiling_intervals import measure_ceiling
from triphase.responses.subject import load_responses


def main(paths, *, subjects, runs, rois, tr, ceiling, seed, common_space):
    """Read the responses one subject and a few voxels at a time and write one table per voxel and one per region."""
    files = dict(zip(subjects, paths.responses, strict=True))
    layouts = {}
    for subject, file in files.items():
        with open_arrays(file) as data:
            layouts[subject] = {name: data[name].values for name in ("roi", "x", "y", "z", "valid")}
            layouts[subject]["scans"] = data["run"].to_series().value_counts(sort=False).to_dict()

    def open_runs(subject, names, voxels):
        data = load_responses(files[subject], runs=names, voxels=voxels)
        return split_runs(data["responses"].values, data["run"].values)

    voxels, regions = measure_ceiling(
        open_runs, layouts, runs, rois=rois, tr=tr, seed=seed, common_space=common_space, **ceiling
    )
    write_table(paths.ceiling, voxels, runs=runs)
    write_table(paths.regions, regions, settings=ceiling)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
