"""Simulate listeners of invented stories and keep them as a tagged DataLad data set."""

from pathlib import Path

from triphase.core.artefacts import write_json
from triphase.core.job import start
from triphase.demo.dataset import make_dataset


def main(paths, *, name, version, license, citation, tr, subjects, runs, simulate):
    """paths: dataset (manifest, written last). The data set itself lies in the folder `dataset` beside it."""
    manifest = Path(paths.dataset)
    manifest.unlink(missing_ok=True)
    folder = manifest.parent / "dataset"
    names = [subject["name"] for subject in subjects]
    about = {"name": name, "version": version, "license": license, "citation": citation}
    commit = make_dataset(folder, **about, tr=tr, subjects=names, runs=runs, simulate=simulate)
    write_json(manifest, {"path": str(folder), "version": version, "commit": commit, "seed": simulate["seed"]})


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
