"""Fingerprint of one checkpoint: hashes, statistics and a sketch of every tensor, from the files on this machine."""

from triphase.checkpoints.integrity.fingerprint import fingerprint_folder
from triphase.checkpoints.integrity.storage import write_fingerprint
from triphase.checkpoints.weights import ensure_weights
from triphase.core.artefacts import read_json
from triphase.core.job import start


def main(paths, *, retrieve=None):
    """paths: checkpoint (manifest of its files), fingerprint."""
    manifest = read_json(paths.checkpoint)
    hashes = {name: file["sha256"] for name, file in manifest["files"].items()}
    with ensure_weights(manifest, retrieve) as held:
        mark = fingerprint_folder(held.folder, hashes)
    origin = {key: manifest[key] for key in ("repository", "revision", "commit")}
    write_fingerprint(paths.fingerprint, mark, **origin)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, retrieve=job.retrieve)
