"""Resolve one checkpoint to a commit, make sure that its files can be had, and describe them."""

from triphase.checkpoints.find import Pin, find_checkpoint
from triphase.config.jobs import FetchCheckpoint
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start


def main(job: Job[FetchCheckpoint]) -> None:
    """Write the manifest that every later stage loads the model by."""
    source = dict(job.settings.source)
    pin = Pin(source.pop("commit"), source.pop("tokenizer_commit"))
    write_json(job.paths.checkpoint, find_checkpoint(**source, pin=pin, execution=job.execution))


if __name__ == "__main__":
    with start(snakemake, FetchCheckpoint) as job:  # noqa: F821
        main(job)
