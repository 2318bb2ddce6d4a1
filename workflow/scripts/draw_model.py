"""Figures of one model that need no brain: the three perspectives, layers, regions, tasks, probes, other analyses."""

from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.core.job import start
from triphase.report.figures.layers import draw_layers
from triphase.report.figures.power import draw_power
from triphase.report.figures.probes import draw_probes
from triphase.report.figures.rois import draw_rois
from triphase.report.figures.specifications import draw_specifications
from triphase.report.figures.style import save
from triphase.report.figures.tasks import draw_tasks
from triphase.report.figures.triple import draw_triple


def main(paths, *, model, rois, significance, needed_power, smallest_fall):
    """Draw each figure as PNG and SVG."""
    table, boot = read_table(paths.trajectories), read_arrays(paths.bootstrap)
    phases = read_json(paths.phases)[model]
    of_all, table = table[table["model"].isna()], table[table["model"] == model]
    boot = boot.isel(series=boot["model"].values == model)
    save(draw_triple(table, boot, phases, model), paths.triple, paths.triple_svg)
    save(draw_layers(table, phases["headline"]["roi"], model), paths.layers, paths.layers_svg)
    save(draw_rois(table, boot, phases, rois, model), paths.rois, paths.rois_svg)
    save(draw_tasks(table, phases, model), paths.tasks, paths.tasks_svg)
    save(draw_probes(table, of_all, phases, model), paths.probes, paths.probes_svg)
    analyses = read_table(paths.specifications)
    save(draw_specifications(analyses, model, significance, needed_power), paths.analyses, paths.analyses_svg)
    save(draw_power(read_table(paths.power), model, needed_power, smallest_fall), paths.power_figure, paths.power_svg)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
