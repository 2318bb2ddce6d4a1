"""All models of the study in one figure: on tokens, on compute, and what they have in common."""

from triphase.config.jobs import DrawModels
from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.core.job import Job, start
from triphase.report.figures.models import draw_models
from triphase.report.figures.style import save


def main(job: Job[DrawModels]) -> None:
    """Draw as PNG and SVG."""
    paths = job.paths
    table, boot = read_table(paths.trajectories), read_arrays(paths.bootstrap)
    save(draw_models(table, boot, read_json(paths.phases), read_json(paths.across)), paths.models, paths.models_svg)


if __name__ == "__main__":
    with start(snakemake, DrawModels) as job:  # noqa: F821
        main(job)
