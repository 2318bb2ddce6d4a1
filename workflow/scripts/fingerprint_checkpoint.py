"""Fingerprint of one checkpoint: hashes, statistics and a sketch of every tensor, from the files on this machine."""

from pathlib import Path

import torch
from huggingface_hub.file_download import repo_folder_name

from triphase.artefacts import read_json
from triphase.integrity.fingerprint import fingerprint_folder
from triphase.integrity.storage import write_fingerprint
from triphase.job import start


def main(paths):
    """paths: checkpoint (manifest of its files), fingerprint."""
    torch.set_num_threads(1)  # hashing has the other core, and sums depend on the number of threads
    manifest = read_json(paths.checkpoint)
    repository = Path(manifest["cache_dir"]) / repo_folder_name(repo_id=manifest["repository"], repo_type="model")
    hashes = {name: file["sha256"] for name, file in manifest["files"].items()}
    mark = fingerprint_folder(repository / "snapshots" / manifest["commit"], hashes)
    origin = {key: manifest[key] for key in ("repository", "revision", "commit")}
    write_fingerprint(paths.fingerprint, mark, **origin)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
