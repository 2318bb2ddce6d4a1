"""Figure of every rule's verdict on every checkpoint of a model, and of how far it lies from the one before."""

from triphase.config.jobs import DrawIntegrity
from triphase.core.artefacts import read_table
from triphase.core.job import Job, start
from triphase.report.figures.integrity import draw_integrity
from triphase.report.figures.style import save


def main(job: Job[DrawIntegrity]) -> None:
    """Draw as PNG and SVG."""
    paths = job.paths
    findings, distances = read_table(paths.findings), read_table(paths.distances)
    findings, distances = (
        findings[findings["model"] == job.wildcards.model],
        distances[distances["model"] == job.wildcards.model],
    )
    save(draw_integrity(job.wildcards.model, findings, distances), paths.figure, paths.figure_svg)


if __name__ == "__main__":
    with start(snakemake, DrawIntegrity) as job:  # noqa: F821
        main(job)
