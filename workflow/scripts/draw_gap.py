"""Score against gap, a figure of the data report."""

from triphase.core.artefacts import read_json
from triphase.core.job import start
from triphase.report.figures.gap import draw_gap
from triphase.report.figures.style import save


def main(paths):
    """Draw as PNG and SVG."""
    save(draw_gap(read_json(paths.gap)), paths.figure, paths.figure_svg)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
