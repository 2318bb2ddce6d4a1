"""Fetch one subject's responses with what belongs to them (confounds, mask, ROIs), and describe the files."""

from triphase.config.jobs import FetchResponses
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start
from triphase.core.types import Section
from triphase.sources.manifest import fetch_files, subject_files


def main(job: Job[FetchResponses]) -> None:
    """Write the manifest of one subject: the files of each role."""
    paths, settings = job.paths, job.settings
    sets = subject_files(settings.source, settings.events, settings.subject, settings.runs)
    about: Section = {"dataset": settings.dataset, "local_data": settings.local_data}
    user = f"{settings.study}/{job.wildcards.subject}"
    write_json(paths.manifest, fetch_files(sets, **about, user=user, execution=job.execution))


if __name__ == "__main__":
    with start(snakemake, FetchResponses) as job:  # noqa: F821
        main(job)
