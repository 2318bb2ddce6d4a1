"""Fetch the transcripts of the stimuli, and the sound where it is used, and describe the files."""

from triphase.config.jobs import FetchStimuli
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start
from triphase.sources.manifest import fetch_files, stimulus_files


def main(job: Job[FetchStimuli]) -> None:
    """Write the manifest of the stimuli: the files of each role, by stimulus."""
    paths, settings = job.paths, job.settings
    sets = stimulus_files(settings.words, settings.audio, settings.runs)
    about = {"dataset": settings.dataset, "local_data": settings.local_data}
    write_json(paths.manifest, fetch_files(sets, **about, user=f"{settings.study}/stimuli", execution=job.execution))


if __name__ == "__main__":
    with start(snakemake, FetchStimuli) as job:  # noqa: F821
        main(job)
