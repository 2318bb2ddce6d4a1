"""How well each voxel could be predicted: from repeated stimuli, else from the other listeners."""

from triphase.artefacts import read_arrays, write_table
from triphase.ceiling import measure_ceiling, split_runs
from triphase.job import start


def main(paths, *, subjects, runs):
    """Read the responses one subject at a time and write one table."""

    def open_subject(subject):
        data = read_arrays(paths.responses[subjects.index(subject)])
        layout = {"roi": data["roi"].values, "valid": data["valid"].values}
        return split_runs(data["responses"].values, data["run"].values), layout

    write_table(paths.ceiling, measure_ceiling(open_subject, subjects, runs), runs=runs)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
