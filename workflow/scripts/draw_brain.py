"""Brain maps of one model's phases and of the changes between them; the changes also as surfaces to turn by hand."""

from triphase.core.artefacts import read_arrays, read_json, replacing
from triphase.core.job import start
from triphase.report.figures.brain import draw_maps, measured, on_surface, places
from triphase.report.figures.phase_maps import phase_maps
from triphase.report.figures.style import counted, save
from triphase.report.figures.surface_page import surface_page


def main(paths, *, model, space):
    """Draw the maps as PNG and SVG, and write the page."""
    maps = measured(read_arrays(paths.maps))
    levels, changes = phase_maps(maps, read_json(paths.phases)[model])
    surfaces = on_surface([*levels, *changes], places(maps), space)
    of_levels, of_changes = surfaces[: len(levels)], surfaces[len(levels) :]
    save(draw_maps(levels, of_levels, maps, space, f"{model}: brain maps of the phases", "gain in r"),
         paths.brain, paths.brain_svg)  # fmt: skip
    title = f"{model}: changes from phase to phase"
    save(draw_maps(changes, of_changes, maps, space, title, "change of gain in r"), paths.changes, paths.changes_svg)
    n = counted(len(set(maps["subject"].values)), "subject")
    with replacing(paths.surface) as temporary:
        page = surface_page(changes, of_changes, title, f"Change of gain in r on fsaverage5, n = {n}; not thresholded")
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
