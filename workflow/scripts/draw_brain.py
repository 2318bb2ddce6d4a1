"""Brain maps of one model's phases and of the changes between them; the changes also as surfaces to turn by hand."""

from triphase.config.jobs import DrawBrain
from triphase.core.artefacts import read_arrays, read_json, replacing
from triphase.core.job import Job, start
from triphase.report.figures.brain import draw_maps, measured, on_surface, places
from triphase.report.figures.phase_maps import phase_maps
from triphase.report.figures.style import counted, save
from triphase.report.figures.surface_page import surface_page


def main(job: Job[DrawBrain]) -> None:
    """Draw the maps as PNG and SVG, and write the page."""
    paths, settings = job.paths, job.settings
    maps = measured(read_arrays(paths.maps))
    levels, changes = phase_maps(maps, read_json(paths.phases)[job.wildcards.model])
    surfaces = on_surface([*levels, *changes], places(maps), settings.space)
    of_levels, of_changes = surfaces[: len(levels)], surfaces[len(levels) :]
    title = f"{job.wildcards.model}: brain maps of the phases"
    save(draw_maps(levels, of_levels, maps, settings.space, title, "gain in r"), paths.brain, paths.brain_svg)
    title = f"{job.wildcards.model}: changes from phase to phase"
    save(
        draw_maps(changes, of_changes, maps, settings.space, title, "change of gain in r"),
        paths.changes,
        paths.changes_svg,
    )
    n = counted(len(set(maps["subject"].values)), "subject")
    with replacing(paths.surface) as temporary:
        page = surface_page(changes, of_changes, title, f"Change of gain in r on fsaverage5, n = {n}; not thresholded")
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    with start(snakemake, DrawBrain) as job:  # noqa: F821
        main(job)
