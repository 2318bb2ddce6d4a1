"""Score against gap, a figure of the data report."""

from triphase.artefacts import read_json
from triphase.figures.gap import draw_gap
from triphase.figures.style import save
from triphase.job import start


def main(paths):
    """Draw as PNG and SVG."""
    save(draw_gap(read_json(paths.gap)), paths.figure, paths.figure_svg)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
