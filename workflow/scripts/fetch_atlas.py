"""Fetch the label image of an atlas and the table of its labels, at their pinned version, and describe the files."""

from triphase.core.artefacts import write_json
from triphase.core.job import start
from triphase.sources.downloads import fetch_dataset


def main(paths, *, atlas, user, retrieve):
    """Write the manifest of the atlas: the roles image and table."""
    files = {role: {"": atlas[role]} for role in ("image", "table")}
    about = {key: str(atlas[key]) for key in ("name", "url", "version")}
    write_json(paths.manifest, fetch_dataset(files, **about, user=user, retrieve=retrieve))


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, retrieve=job.retrieve)
