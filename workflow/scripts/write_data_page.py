"""The data report: one self-contained page."""

from pathlib import Path

from triphase.config.jobs import WriteDataPage
from triphase.core.artefacts import read_json, replacing
from triphase.core.job import Job, start
from triphase.report.pages.blocks import to_html
from triphase.report.pages.data import data_page


def main(job: Job[WriteDataPage]) -> None:
    """Write the page with the pictures that the study has, which are named figures/data_{name}.png."""
    paths = job.paths
    pictures = {Path(path).stem.removeprefix("data_"): path for path in paths.pictures}
    gap = read_json(*paths.gap) if paths.gap else None
    with replacing(paths.page) as temporary:
        temporary.write_text(to_html(data_page(read_json(paths.description), pictures, gap)), encoding="utf-8")


if __name__ == "__main__":
    with start(snakemake, WriteDataPage) as job:  # noqa: F821
        main(job)
