"""One subject's responses, cleaned run by run, as (time, voxel) on the words' clock."""

from triphase.artefacts import read_json, read_table
from triphase.job import start
from triphase.provenance import library_versions
from triphase.responses import clean_subject


def main(paths, *, subject, source, runs, tr, brain, atlas, rois, cleaning):
    """Read what the manifest names, clean it and write one array."""
    manifest, words = read_json(paths.manifest), read_table(paths.words)
    files = manifest["files"]
    attributes = {key: manifest[key] for key in ("dataset", "url", "version")}
    attributes |= {
        "dataset_commit": manifest["commit"],
        "keys": {role: [file["key"] for file in entries.values()] for role, entries in files.items()},
        "versions": library_versions("nilearn", "nibabel", "h5py", "numpy"),
    }
    clean_subject(
        paths.responses, subject, files, source, runs, words,
        tr=tr, cleaning=cleaning, brain=brain, atlas=atlas, rois=rois, attributes=attributes,
    )  # fmt: skip


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
