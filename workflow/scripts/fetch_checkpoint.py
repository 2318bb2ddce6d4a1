"""Resolve one checkpoint to a commit, make sure that its files can be had, and describe them."""

from triphase.checkpoints.find import find_checkpoint
from triphase.core.artefacts import write_json
from triphase.core.job import start


def main(paths, *, repository, revision, commit, cache_dir, folder, trust_remote_code, retrieve):
    """Write the manifest that every later stage loads the model by."""
    manifest = find_checkpoint(
        repository,
        revision,
        cache_dir,
        commit,
        folder=folder,
        trust_remote_code=trust_remote_code,
        retrieve=retrieve,
    )
    write_json(paths.checkpoint, manifest)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, retrieve=job.retrieve)
