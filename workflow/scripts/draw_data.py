"""The data report: its figures and one self-contained page."""

from triphase.config.jobs import DrawData
from triphase.core.artefacts import read_json, replacing
from triphase.core.job import Job, start
from triphase.report.data_page import data_page
from triphase.report.figures.data import draw_ceilings, draw_runs, draw_timing
from triphase.report.figures.style import save


def main(job: Job[DrawData]) -> None:
    """Draw as PNG and SVG, then write the page."""
    paths = job.paths
    description = read_json(paths.description)
    save(draw_runs(description), paths.runs, paths.runs_svg)
    save(draw_timing(description), paths.timing, paths.timing_svg)
    save(draw_ceilings(description), paths.ceilings, paths.ceilings_svg)
    pictures = {"runs": paths.runs, "timing": paths.timing, "ceilings": paths.ceilings}
    if paths.brain:
        pictures["brain"] = paths.brain[0]
    gap = None
    if paths.gap:
        gap, pictures["gap"] = read_json(*paths.gap), paths.gap_figure[0]
    with replacing(paths.page) as temporary:
        temporary.write_text(data_page(description, pictures, gap), encoding="utf-8")


if __name__ == "__main__":
    with start(snakemake, DrawData) as job:  # noqa: F821
        main(job)
