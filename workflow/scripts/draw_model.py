"""Figures of one model that need no brain: the three perspectives, layers, regions, tasks, probes, other analyses."""

from triphase.config.jobs import DrawModel
from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.core.job import Job, start
from triphase.phases.transitions import Settings
from triphase.report.figures.layers import draw_layers
from triphase.report.figures.power import draw_power
from triphase.report.figures.probes import draw_probes
from triphase.report.figures.rois import draw_rois
from triphase.report.figures.specifications import draw_specifications
from triphase.report.figures.style import save
from triphase.report.figures.tasks import draw_tasks
from triphase.report.figures.triple import draw_triple


def main(job: Job[DrawModel]) -> None:
    """Draw each figure as PNG and SVG."""
    paths, settings = job.paths, job.settings
    table, boot = read_table(paths.trajectories), read_arrays(paths.bootstrap)
    phases = read_json(paths.phases)[job.wildcards.model]
    of_all, table = table[table["model"].isna()], table[table["model"] == job.wildcards.model]
    boot = boot.isel(series=boot["model"].values == job.wildcards.model)
    save(draw_triple(table, boot, phases, job.wildcards.model), paths.triple, paths.triple_svg)
    save(draw_layers(table, phases["headline"]["roi"], job.wildcards.model), paths.layers, paths.layers_svg)
    save(draw_rois(table, boot, phases, settings.rois, job.wildcards.model), paths.rois, paths.rois_svg)
    save(draw_tasks(table, phases, job.wildcards.model), paths.tasks, paths.tasks_svg)
    save(draw_probes(table, of_all, phases, job.wildcards.model), paths.probes, paths.probes_svg)
    analyses = read_table(paths.specifications)
    save(
        draw_specifications(analyses, job.wildcards.model, Settings.significance, Settings.needed_power),
        paths.analyses,
        paths.analyses_svg,
    )
    save(
        draw_power(read_table(paths.power), job.wildcards.model, Settings.needed_power, settings.smallest_fall),
        paths.power_figure,
        paths.power_svg,
    )


if __name__ == "__main__":
    with start(snakemake, DrawModel) as job:  # noqa: F821
        main(job)
