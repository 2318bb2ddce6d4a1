"""Fingerprint of one checkpoint: hashes, statistics and a sketch of every tensor, from the files on this machine."""

from triphase.checkpoints.fetching import ensure_weights
from triphase.checkpoints.integrity.fingerprint import fingerprint_folder
from triphase.checkpoints.integrity.storage import write_fingerprint
from triphase.config.jobs import FingerprintCheckpoint
from triphase.core.artefacts import read_json
from triphase.core.job import Job, start


def main(job: Job[FingerprintCheckpoint]) -> None:
    """Read the files of the checkpoint's manifest one tensor at a time."""
    paths = job.paths
    manifest = read_json(paths.checkpoint)
    hashes = {name: file["sha256"] for name, file in manifest["files"].items()}
    with ensure_weights(manifest, job.execution) as held:
        mark = fingerprint_folder(held.folder, hashes)
    origin = {key: manifest[key] for key in ("repository", "revision", "commit")}
    write_fingerprint(paths.fingerprint, mark, **origin)


if __name__ == "__main__":
    with start(snakemake, FingerprintCheckpoint) as job:  # noqa: F821
        main(job)
