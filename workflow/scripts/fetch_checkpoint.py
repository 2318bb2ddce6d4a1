"""Resolve one checkpoint to a commit, make sure that its files are whole on this machine, and describe them."""

from triphase.artefacts import write_json
from triphase.checkpoints import find_checkpoint
from triphase.job import start


def main(paths, *, repository, revision, commit, cache_dir):
    """Write the manifest that every later stage loads the model by."""
    write_json(paths.checkpoint, find_checkpoint(repository, revision, cache_dir, commit))


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
