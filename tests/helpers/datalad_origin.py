"""A small DataLad data set in a folder, and what tests of clones do with it."""

import os
import subprocess
from pathlib import Path

from triphase.sources.clones import clone_path, prepare_environment
from triphase.sources.downloads import fetch_dataset

RETRIEVE = {"transfers": 2, "retries": 0, "keep_raw": False}
FILES = {"words": {"": "words.tsv"}, "response": {"run-1": "bold_run-1.nii"}}
BOTH = {"response": {"run-1": "bold_run-1.nii", "run-2": "bold_run-2.nii"}}


def isolate(monkeypatch):
    """Undo after a test what `prepare_environment` sets."""
    names = ("PATH", "GIT_TERMINAL_PROMPT", "GIT_HTTP_LOW_SPEED_LIMIT", "GIT_HTTP_LOW_SPEED_TIME")
    for name in (*names, "DATALAD_ANNEX_RETRY"):
        monkeypatch.setenv(name, os.environ.get(name, "0"))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")


def git(folder, *arguments):
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def make_dataset(path, version="1.0.0", content=b"annexed"):
    """A data set with one file in git and two in the annex."""
    prepare_environment()
    path.mkdir(parents=True)
    git(path, "init", "-q")
    git(path, "annex", "init", "-q")
    (path / ".gitattributes").write_text("*.tsv annex.largefiles=nothing\n* annex.backend=MD5E\n")
    (path / "words.tsv").write_text("word\n")
    for number in (1, 2):
        (path / f"bold_run-{number}.nii").write_bytes(content * number)
    save(path, version)
    return path


def copy(folder, target):
    """Copy a folder with its links, and with the rights of an annex; returns the copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(folder), str(target)], check=True)
    return target


def adopt(clone, origin, tmp_path, version="1.0.0"):
    """Copy a clone to where `fetch` has that of `origin`, a copy of what it was cloned from."""
    target = copy(clone, clone_path("mini", str(origin), version, tmp_path / "datasets"))
    git(target, "config", "remote.origin.url", str(origin))


def save(path, version):
    git(path, "annex", "add", "-q", ".")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", version)
    git(path, "tag", "-f", version)


def fetch(origin, tmp_path, version="1.0.0", files=FILES, user="study/s1", **execution):
    return fetch_dataset(
        files, name="mini", url=str(origin), version=version, user=user, execution=RETRIEVE | execution,
        folder=tmp_path / "datasets",
    )  # fmt: skip


def read(manifest, role="response", key="run-1"):
    return Path(manifest["files"][role][key]["path"]).read_bytes()


def damage(file):
    """Change one byte in the middle of an annexed file where it lies, as a failing disk does."""
    file = file.resolve()
    file.parent.chmod(0o755)
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
