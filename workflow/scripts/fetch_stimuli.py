"""Fetch the transcripts of the stimuli, at the data set's pinned version, and describe the files."""

from triphase.artefacts import write_json
from triphase.datasets import fetch_files
from triphase.job import start


def main(paths, *, dataset, words, runs, local_data):
    """Write the manifest of the transcripts: one file per stimulus."""
    roles = {"words": words["path"]}
    manifest = fetch_files(roles, root=words["root"], subject=None, runs=runs, dataset=dataset, local_data=local_data)
    write_json(paths.manifest, manifest)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
