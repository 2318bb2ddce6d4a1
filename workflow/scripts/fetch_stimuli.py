"""Fetch the transcripts of the stimuli, and the sound where it is used, and describe the files."""

from triphase.core.artefacts import write_json
from triphase.core.job import start
from triphase.sources.manifest import fetch_files, stimulus_files


def main(paths, *, dataset, words, audio, runs, local_data, user, retrieve):
    """Write the manifest of the stimuli: the files of each role, by stimulus."""
    sets = stimulus_files(words, audio, runs)
    write_json(paths.manifest, fetch_files(sets, dataset=dataset, local_data=local_data, user=user, retrieve=retrieve))


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, retrieve=job.retrieve)
