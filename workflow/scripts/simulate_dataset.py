"""Simulate listeners of invented stories and keep them as a tagged DataLad data set."""

from pathlib import Path

from triphase.config.jobs import SimulateDataset
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start
from triphase.demo.dataset import make_dataset
from triphase.demo.listeners import Simulation


def main(job: Job[SimulateDataset]) -> None:
    """Write the data set into the folder `dataset` beside its manifest, and the manifest last."""
    paths, settings = job.paths, job.settings
    manifest = Path(paths.dataset)
    manifest.unlink(missing_ok=True)
    folder = manifest.parent / "dataset"
    about, simulate = {**settings.dataset}, settings.dataset["simulate"]
    del about["simulate"]
    simulation = Simulation(subjects=[subject["name"] for subject in settings.subjects], **about, **simulate)
    facts = {"version": simulation.version, "commit": make_dataset(folder, simulation), "seed": simulation.seed}
    write_json(manifest, {"path": str(folder)} | facts)


if __name__ == "__main__":
    with start(snakemake, SimulateDataset) as job:  # noqa: F821
        main(job)
