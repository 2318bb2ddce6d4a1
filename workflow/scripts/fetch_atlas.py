"""Fetch the label image of an atlas and the table of its labels, at their pinned version, and describe the files."""

from triphase.config.jobs import FetchAtlas
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start
from triphase.sources.downloads import fetch_dataset


def main(job: Job[FetchAtlas]) -> None:
    """Write the manifest of the atlas: the roles image and table."""
    paths, settings = job.paths, job.settings
    files = {role: {"": settings.atlas[role]} for role in ("image", "table")}
    about = {key: str(settings.atlas[key]) for key in ("name", "url", "version")}
    write_json(paths.manifest, fetch_dataset(files, **about, user=f"{settings.study}/atlas", execution=job.execution))


if __name__ == "__main__":
    with start(snakemake, FetchAtlas) as job:  # noqa: F821
        main(job)
