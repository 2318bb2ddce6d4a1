"""One subject's responses, cleaned run by run, as (time, voxel) on the words' clock."""

from triphase.artefacts import read_json, read_table, write_arrays
from triphase.job import start
from triphase.provenance import library_versions
from triphase.responses import clean_subject


def main(paths, *, subject, source, runs, tr, cleaning):
    """Read what the manifest names, clean it and write one array."""
    manifest, words = read_json(paths.manifest), read_table(paths.words)
    dataset = clean_subject(subject, manifest["files"], source, runs, words, tr=tr, cleaning=cleaning)
    dataset.attrs |= {key: manifest[key] for key in ("dataset", "url", "version")} | {
        "dataset_commit": manifest["commit"]
    }
    dataset.attrs["keys"] = {
        role: [file["key"] for file in files.values()] for role, files in manifest["files"].items()
    }
    dataset.attrs["versions"] = library_versions("nilearn", "nibabel", "numpy")
    write_arrays(paths.responses, dataset)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
