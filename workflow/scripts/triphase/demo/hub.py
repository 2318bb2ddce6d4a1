"""A local model repository in the Hugging Face cache layout: `from_pretrained(repo, revision=…)` works offline."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.file_download import repo_folder_name

from triphase.core.hashing import file_sha256


def commit_id(revision: str, hashes: Mapping[str, str]) -> str:
    """A 40-digit hexadecimal commit id of a revision: its name, and the names and hashes of its files, decide it."""
    lines = [revision, *(f"{name} {sha256}" for name, sha256 in sorted(hashes.items()))]
    return hashlib.sha1("\n".join(lines).encode()).hexdigest()


class Repository:
    """One repository being written: `blobs/<sha256>`, `refs/<revision>`, `snapshots/<commit>/<file>` (links)."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.revisions: dict[str, str] = {}

    def add(self, revision: str, source: str | Path) -> None:
        """Add a folder of files as a revision; equal files of two revisions share one blob.

        Parameters
        ----------
        revision : branch name; may hold slashes
        source : folder whose files are moved into the repository
        """
        hashes = {file.name: file_sha256(file) for file in Path(source).iterdir()}
        commit = commit_id(revision, hashes)
        snapshot = self.folder / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (self.folder / "blobs").mkdir(exist_ok=True)
        for name, sha256 in hashes.items():
            blob = self.folder / "blobs" / sha256
            os.replace(Path(source) / name, blob)
            os.symlink(os.path.relpath(blob, snapshot), snapshot / name)
        ref = self.folder / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
        self.revisions[revision] = commit


@contextmanager
def new_repository(hub: str | Path, name: str) -> Iterator[Repository]:
    """Write a repository anew: it appears in the cache folder when the block ends well, whole, and else not at all.

    Parameters
    ----------
    hub : cache folder (`…/hub`)
    name : "organisation/name"
    """
    target = Path(hub) / repo_folder_name(repo_id=name, repo_type="model")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield Repository(part)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
