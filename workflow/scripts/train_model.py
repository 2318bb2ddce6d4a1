"""Train one of the study's own language models and keep its revisions in a local Hugging Face repository."""

from pathlib import Path

from triphase.core.artefacts import read_table, write_json
from triphase.core.job import start
from triphase.demo.training import train


def main(paths, *, repository, train_recipe, local_data):
    """paths: model (manifest, written last), words (of the stimuli, where the model is trained on the user's text).

    The repository lies in the folder `hub` beside the manifest's folder.
    """
    manifest = Path(paths.model)
    manifest.unlink(missing_ok=True)
    hub = manifest.parent.parent / "hub"
    stimuli = read_table(paths.words).attrs["texts"] if paths.words else {}
    revisions = train(train_recipe, repository, hub, local_data, stimuli)
    about = {"repository": repository, "cache_dir": str(hub), "train": train_recipe}
    write_json(manifest, {**about, "revisions": revisions})


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
