"""The first page of the study: the answer for each model, and links to all else."""

from pathlib import Path

from triphase.config.jobs import WriteIndex
from triphase.core.artefacts import read_json, read_table, replacing
from triphase.core.job import Job, start
from triphase.report.pages.index import Found, index_page


def main(job: Job[WriteIndex]) -> None:
    """Gather what the page shows and write it."""
    paths, settings = job.paths, job.settings
    pictures = zip(map(Path, paths.pictures), settings.captions, strict=True)
    found = Found(
        study=settings.study,
        description=read_json(paths.description),
        phases=read_json(paths.phases),
        specifications=dict(zip(settings.models, map(read_table, paths.specifications), strict=True)),
        figures=[(path, label, category) for path, label, category in settings.figures],
        pictures=dict(zip(settings.models, pictures, strict=True)),
        gaps=settings.gaps,
    )
    with replacing(paths.page) as temporary:
        temporary.write_text(index_page(found), encoding="utf-8")


if __name__ == "__main__":
    with start(snakemake, WriteIndex) as job:  # noqa: F821
        main(job)
