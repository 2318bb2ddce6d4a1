"""Fetch one subject's responses with what belongs to them (confounds, mask, ROIs), and describe the files."""

from triphase.core.artefacts import write_json
from triphase.core.job import start
from triphase.sources.manifest import fetch_files, response_roles, wanted_files


def main(paths, *, dataset, source, subject, runs, local_data, user, retrieve):
    """Write the manifest of one subject: the files of each role."""
    sets = [(source["root"], wanted_files(response_roles(source), subject, runs))]
    write_json(paths.manifest, fetch_files(sets, dataset=dataset, local_data=local_data, user=user, retrieve=retrieve))


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, retrieve=job.retrieve)
