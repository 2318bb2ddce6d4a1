"""Figure of every rule's verdict on every checkpoint of a model, and of how far it lies from the one before."""

from triphase.core.artefacts import read_table
from triphase.core.job import start
from triphase.report.figures.integrity import draw_integrity
from triphase.report.figures.style import save


def main(paths, *, model):
    """Draw as PNG and SVG."""
    findings, distances = read_table(paths.findings), read_table(paths.distances)
    findings, distances = findings[findings["model"] == model], distances[distances["model"] == model]
    save(draw_integrity(model, findings, distances), paths.figure, paths.figure_svg)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
