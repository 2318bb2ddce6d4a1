"""Resolve one checkpoint to a commit, make sure that its files are whole on this machine, and describe them."""

from triphase.artefacts import write_json
from triphase.checkpoints import check_layers, find_checkpoint
from triphase.job import start


def main(paths, *, repository, revision, commit, cache_dir, layers):
    """Write the manifest that every later stage loads the model by."""
    manifest = find_checkpoint(repository, revision, cache_dir, commit)
    check_layers(manifest, layers)
    write_json(paths.checkpoint, manifest)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
