"""How well each voxel could be predicted: from repeated stimuli, else from the other listeners."""

from triphase.artefacts import open_arrays, read_arrays, write_table
from triphase.ceiling import measure_ceiling, split_runs
from triphase.job import start


def main(paths, *, subjects, runs):
    """Read the responses one subject at a time and write one table."""
    files = dict(zip(subjects, paths.responses, strict=True))
    layouts = {}
    for subject, file in files.items():
        with open_arrays(file) as data:
            layouts[subject] = {name: data[name].values for name in ("roi", "x", "y", "z", "valid")}

    def open_runs(subject):
        data = read_arrays(files[subject])
        return split_runs(data["responses"].values, data["run"].values)

    write_table(paths.ceiling, measure_ceiling(open_runs, layouts, runs), runs=runs)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
