"""The ceiling of every voxel on a glass brain."""

import numpy as np

from triphase.config.jobs import DrawCeilingMap
from triphase.core.artefacts import open_arrays, read_table
from triphase.core.job import Job, start
from triphase.report.figures.data import draw_ceiling_map
from triphase.report.figures.style import save


def main(job: Job[DrawCeilingMap]) -> None:
    """Draw the mean over subjects as PNG and SVG."""
    paths, settings = job.paths, job.settings
    table, places = read_table(paths.ceiling), []
    for subject, path in zip((entry["name"] for entry in settings.subjects), paths.responses, strict=True):
        with open_arrays(path) as data:
            places.append(np.column_stack([data[axis].values for axis in "xyz"]))
        # Rows of the table are in the order of the subjects and their voxels.
        assert (table["subject"] == subject).sum() == len(places[-1])
    known = table["ceiling"].notna()
    figure = draw_ceiling_map(
        table["ceiling"].to_numpy(), np.concatenate(places), table["kind"].iloc[0], table["subject"][known].nunique()
    )
    save(figure, paths.brain, paths.brain_svg)


if __name__ == "__main__":
    with start(snakemake, DrawCeilingMap) as job:  # noqa: F821
        main(job)
