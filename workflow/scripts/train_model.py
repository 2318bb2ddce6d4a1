"""Train one of the study's own language models and keep its revisions in a local Hugging Face repository."""

from pathlib import Path

from triphase.config.jobs import TrainModel
from triphase.core.artefacts import read_table, write_json
from triphase.core.job import Job, start
from triphase.demo.training import train


def main(job: Job[TrainModel]) -> None:
    """Write the repository into the folder `hub` beside the manifest's folder, and the manifest last."""
    paths, settings = job.paths, job.settings
    manifest = Path(paths.model)
    manifest.unlink(missing_ok=True)
    hub = manifest.parent.parent / "hub"
    stimuli = read_table(paths.words).attrs["texts"] if paths.words else {}
    revisions = train(settings.recipe, settings.repository, hub, settings.local_data, stimuli)
    about = {"repository": settings.repository, "cache_dir": str(hub), "train": settings.recipe}
    write_json(manifest, {**about, "revisions": revisions})


if __name__ == "__main__":
    with start(snakemake, TrainModel) as job:  # noqa: F821
        main(job)
