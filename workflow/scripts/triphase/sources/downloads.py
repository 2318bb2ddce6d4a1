"""The content of files of a clone: how much it is, and `datalad get` with tries, progress and a check of the disk."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.retry import Tries
from triphase.core.types import Section
from triphase.core.units import in_units
from triphase.sources import getter
from triphase.sources.clones import (
    DATASETS,
    Clone,
    Files,
    and_others,
    locked,
    opened,
    try_git,
)
from triphase.sources.failures import CREDENTIALS, diagnose, text_of
from triphase.sources.sharing import claim, list_missing
from triphase.sources.tree import LINK, by_repository, check_link, check_present, file_tree, without_globs

log = logging.getLogger(__name__)

# Seconds before the second try; doubled before each further one.
PAUSE = 2.0
# Seconds between two looks at how much has come.
LOOK = 2.0


@dataclass(frozen=True)
class Entry:
    """A file of the pinned version: its path in the data set, annex key (None: git itself holds it) and size.

    The size is 0 where a key does not say it, as for an address that nobody has downloaded yet. `repository` is the
    subdataset that the file lies in, "" for the data set itself.
    """

    path: str
    key: str | None
    blob: str
    bytes: int
    repository: str = ""

    def present(self, clone: Clone) -> bool:
        """Whether all of the content is there."""
        file = clone.path / self.path
        return self.key is None or (file.is_file() and self.bytes in (0, file.stat().st_size))

    def part(self, clone: Clone) -> Path:
        """The file in which git-annex keeps what has come so far."""
        return clone.path / self.repository / ".git" / "annex" / "tmp" / str(self.key)


def look_up(clone: Clone, paths: Iterable[str]) -> dict[str, Entry]:
    """The entries of some files, by path, from git alone: no content is needed.

    The size of annexed content is that of its key.
    """
    wanted = list(dict.fromkeys(paths))
    tree, entries = file_tree(clone, wanted), {}
    for repository, group in by_repository(tree, wanted).items():
        files = {path: tree[path] for path in group}
        # A link into the annex, or the pointer file that stands for an unlocked file.
        small = [file.blob for file in files.values() if file.mode == LINK or file.size < 300]
        texts = read_blobs(clone.path / repository, small)
        for path, file in files.items():
            if file.mode == LINK:
                check_link(clone, tree, path, texts[file.blob])
            target = re.match(r"\S*annex/objects/\S*?([^/\s]+)$", texts.get(file.blob, "").split("\n")[0])
            key = target[1] if target else None
            promised = re.search(r"-s(\d+)", key) if key else None
            size = int(promised[1]) if promised else 0 if key else file.size
            entries[path] = Entry(path, key, file.blob, size, repository)
    return {path: entries[path] for path in wanted}


def read_blobs(folder: Path, blobs: list[str]) -> dict[str, str]:
    """The text of some small blobs of a repository, by blob."""
    command = ["git", "-C", str(folder), "cat-file", "--batch"]
    listing = subprocess.run(command, input="\n".join(blobs).encode(), capture_output=True, check=True).stdout
    texts, at = {}, 0
    while at < len(listing):
        end = listing.index(b"\n", at)
        blob, _, size = listing[at:end].decode().split()
        texts[blob] = listing[end + 1 : end + 1 + int(size)].decode(errors="replace")
        at = end + int(size) + 2
    return texts


def fetch_dataset(
    files: Files, *, name: str, url: str, version: str, user: str, execution: Section, folder: str | Path = DATASETS
) -> Section:
    """Clone a data set at a pinned version and get the content of some of its files.

    Parameters
    ----------
    files : dict of role to dict of key to path in the data set
    name, url, version, folder : as in `triphase.sources.clones.opened`
    user : str
        `study/subject`, for whom the content is kept until `triphase.sources.content.release_content`.
    execution : dict with transfers (at a time) and retries (further tries after a passing failure)

    Returns
    -------
    dict
        `dataset`, `url`, `version`, `commit`, `clone` (path), and `files`: as given, with `path`, `key` (annex key, or
        git blob) and `bytes` of each.

    Raises
    ------
    InputError
        As `opened`; or a file is not in the data set, was changed by hand, or its content cannot be had.
    """
    with opened(name=name, url=url, version=version, folder=folder) as clone:
        files = without_globs(clone, files)
        check_present(clone, files)
        entries = look_up(clone, [path for group in files.values() for path in group.values()])
        claim(clone, user, [entry.key for entry in entries.values() if entry.key])
    get_content(clone, list(entries.values()), user=user, execution=execution)
    described = {
        role: {key: describe(clone, entries[path]) for key, path in group.items()} for role, group in files.items()
    }
    about = {"dataset": name, "url": clone.url, "version": version, "commit": clone.commit, "clone": str(clone.path)}
    return {**about, "files": described}


def describe(clone: Clone, entry: Entry) -> Section:
    """Path, key and size of a file whose content is there."""
    file = clone.path / entry.path
    return {"path": str(file), "key": entry.key or f"GIT-{entry.blob}", "bytes": file.stat().st_size}


def get_content(clone: Clone, entries: list[Entry], *, user: str, execution: Section) -> None:
    """`datalad get` of the files whose content is not all there yet, for a `user`; InputError when it cannot be had.

    git-annex verifies the checksum of what comes, continues where an interrupted transfer ended, and moves a file into
    place when it is whole. A failure that may pass is tried again, `execution/retries` times, after growing pauses.
    """
    with locked(clone.path, "get"):
        absent = [entry for entry in entries if not entry.present(clone)]
        to_get, come = sum(entry.bytes for entry in absent), arrived(clone, absent)
        log.info(
            "%s: %d files (%s), of which %d (%s) are to be fetched%s",
            clone,
            len(entries),
            in_units(sum(entry.bytes for entry in entries)),
            len(absent),
            in_units(to_get),
            f"; {in_units(come)} of them came before" if come else "",
        )
        if not absent:
            return
        check_disk(clone, absent, user)
        set_aside_damaged(clone, absent)
        # Where content lies is known from the origin's annex branch, which may have grown since the clone was made.
        for repository in {entry.repository for entry in absent}:
            try_git(clone.path / repository, "fetch", "--quiet", "origin")
        tries = Tries(execution["retries"], PAUSE)
        while True:
            texts = run_get(clone, absent, execution["transfers"])
            absent = [entry for entry in absent if not entry.present(clone)]
            if not absent:
                return
            cause, reason = judge(clone, absent, texts)
            before, come = come, arrived(clone, absent)
            # Somebody's own transfer of the same file is waited for as long as it moves.
            counts, passing = not (cause == "busy" and come > before), cause in ("transient", "busy")
            if not passing or not tries.another(f"{absent[0].path}{and_others(absent)}: {reason}", counts=counts):
                raise InputError(message(clone, absent, cause, reason, tries.failed, user))


def check_disk(clone: Clone, absent: list[Entry], user: str) -> None:
    """InputError when the disk has no room for what is to come."""
    needed = sum(entry.bytes for entry in absent) - arrived(clone, absent)
    free = shutil.disk_usage(clone.path).free
    if needed > free:
        reason = f"{in_units(needed)} are to come and the disk has {in_units(free)} left"
        raise InputError(message(clone, absent, "full", reason, 0, user))


def set_aside_damaged(clone: Clone, absent: list[Entry]) -> None:
    """Let git-annex move content away that is there but not of the size that its key says, so that it comes anew."""
    damaged = [entry for entry in absent if (clone.path / entry.path).is_file()]
    if damaged:
        log.warning("%s in %s is damaged: fetching again", damaged[0].path + and_others(damaged), clone.path)
    for repository in {entry.repository for entry in damaged}:
        folder = clone.path / repository
        inside = [os.path.relpath(entry.path, repository or ".") for entry in damaged if entry.repository == repository]
        try_git(folder, "annex", "fsck", "--quiet", "--", *inside)


def run_get(clone: Clone, absent: list[Entry], transfers: int) -> dict[str, str]:
    """Run `datalad get` once, showing progress; return all that was said of each file that failed, by path."""
    from tqdm import tqdm

    root = clone.path.resolve()
    request = {"dataset": str(root), "paths": [str(root / entry.path) for entry in absent], "jobs": transfers}
    command = [sys.executable, "-P", str(Path(getter.__file__))]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdin and child.stdout
    total, before = sum(entry.bytes for entry in absent), arrived(clone, absent)
    finished = threading.Event()
    with tqdm(total=total, initial=before, unit="B", unit_scale=True, desc=clone.name, mininterval=10) as progress:

        def watch():
            while not finished.wait(LOOK):
                progress.update(max(arrived(clone, absent) - progress.n, 0))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            answer = child.stdout.read()
        finally:
            finished.set()
            watcher.join()
            child.stdin.close()
            _end(child)
        progress.update(max(arrived(clone, absent) - progress.n, 0))
    results = json.loads(answer) if answer else [{"path": "", "message": "the process that fetches was killed"}]
    return {os.path.relpath(result["path"], root) if result["path"] else "": text_of(result) for result in results}


def _end(child):
    """Kill what is left of a process group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    child.wait()


def arrived(clone: Clone, entries: list[Entry]) -> int:
    """Bytes of some files that are on the disk, whole or in part."""
    total = 0
    for entry in entries:
        for file in (clone.path / entry.path, entry.part(clone)):
            try:
                total += min(file.stat().st_size, entry.bytes)
                break
            except OSError:
                continue
    return total


def judge(clone: Clone, absent: list[Entry], texts: dict[str, str]) -> tuple[str, str]:
    """Cause and account of a failure, from what was said of the first file that failed.

    A transfer that came to an end and was not accepted had the wrong checksum; git-annex does not say so of every
    source. What it left is deleted, so that the next try begins anew.
    """
    said = [texts[entry.path] for entry in absent if texts.get(entry.path)] or list(texts.values())
    cause, reason = diagnose(said[0] if said else "")
    for entry in absent if cause in ("damaged", "other") else []:
        part = entry.part(clone)
        if entry.bytes and part.is_file() and part.stat().st_size >= entry.bytes:
            part.unlink()
            cause, reason = "damaged", f"what came does not have the checksum of its key {entry.key}"
    return cause, reason


def message(clone: Clone, absent: list[Entry], cause: str, reason: str, tried: int, user: str) -> str:
    """The one line that says which content cannot be had, why, and what to do."""
    first, command = absent[0].path, f"datalad get -d {clone.path}"
    if len(absent) == 1:
        command = f"`{command} {clone.path / first}`"
    else:
        paths = [clone.path.resolve() / entry.path for entry in absent]
        command = f"`tr '\\n' '\\0' < {list_missing(clone, user, paths)} | xargs -0 {command}`"
    remedies = {
        "full": f"make room on the disk of {clone.path} and run again: what came is kept",
        "refused": f"{CREDENTIALS}; then try {command}",
        "damaged": "nothing of it was kept; run again, and if it stays so tell those who keep the data set",
        "busy": "another process fetches it; wait for that, or end it, and run again",
    }
    remedy = remedies.get(
        cause, f"go online and run again, or put {'it' if len(absent) == 1 else 'them'} there with {command}"
    )
    tries = f" after {tried} tries" if tried > 1 else ""
    return f"the content of {first}{and_others(absent)} of {clone} cannot be had{tries}: {reason}; {remedy}"
