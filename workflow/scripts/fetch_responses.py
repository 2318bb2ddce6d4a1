"""Fetch one subject's responses with what belongs to them (confounds, mask, ROIs), and describe the files."""

from triphase.artefacts import write_json
from triphase.datasets import fetch_files, response_roles
from triphase.job import start


def main(paths, *, dataset, source, subject, runs, local_data):
    """Write the manifest of one subject: the files of each role."""
    manifest = fetch_files(
        response_roles(source),
        root=source["root"],
        subject=subject,
        runs=runs,
        dataset=dataset,
        local_data=local_data,
    )
    write_json(paths.manifest, manifest)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
