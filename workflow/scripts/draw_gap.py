"""Score against gap, a figure of the data report."""

from triphase.config.jobs import DrawGap
from triphase.core.artefacts import read_json
from triphase.core.job import Job, start
from triphase.report.figures.gap import draw_gap
from triphase.report.figures.style import save


def main(job: Job[DrawGap]) -> None:
    """Draw as PNG and SVG."""
    paths = job.paths
    save(draw_gap(read_json(paths.gap)), paths.figure, paths.figure_svg)


if __name__ == "__main__":
    with start(snakemake, DrawGap) as job:  # noqa: F821
        main(job)
