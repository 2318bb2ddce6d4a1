"""Clones of DataLad data sets at a pinned version, in a folder that studies share.

A data set is cloned once per URL and version. The commit that was checked out is kept in the clone as the reference
`refs/triphase/pinned`, so that a clone which somebody moved, or whose tag moved at the origin, is refused and not used.
"""

import hashlib
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from triphase.core import locking
from triphase.core.errors import InputError
from triphase.core.redaction import without_secrets
from triphase.sources.failures import CREDENTIALS, diagnose, text_of

log = logging.getLogger(__name__)

PINNED = "refs/triphase/pinned"
# Where clones lie.
DATASETS = "resources/datasets"
# Every file that comes is verified by the checksum of its key, and a transfer that stands still is ended.
ANNEX = {"verify": "true", "stalldetection": "1KB/60s"}
# Values of git's core.sharedRepository with which a repository is its owner's alone.
PRIVATE = ("false", "umask", "0")
# Bytes; with less than this left, a clone that failed is taken to have failed for it.
SMALLEST_ROOM = 1_000_000

# Paths in a data set, by role, and within a role by run, by stimulus, or by nothing.
Files = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Clone:
    """A clone at its pinned commit; as text, the data set in the words of an error message."""

    path: Path
    name: str
    url: str
    version: str
    commit: str

    def __str__(self):
        return f"data set {self.name} ({self.url}) at {self.version} (commit {self.commit[:12]})"


@contextmanager
def opened(*, name: str, url: str, version: str, folder: str | Path = DATASETS) -> Iterator[Clone]:
    """Yield a `Clone` of a data set at its version, without content, and hold its lock while the block lasts.

    Parameters
    ----------
    name, url, version : str
        `url` is a git URL or a path (relative to the working directory); `version` a tag or a commit.
    folder : path of the folder that holds the clones

    Raises
    ------
    InputError
        The URL cannot be reached, the version does not exist there, its tag has moved since the clone was made, or the
        clone has another commit checked out.
    """
    prepare_environment()
    url = absolute_url(url)
    path = clone_path(name, url, version, folder)
    with locked(path):
        yield Clone(path, name, url, version, pin(path, name, url, version))


def clone_path(name: str, url: str, version: str, folder: str | Path) -> Path:
    """Where the clone of a data set lies: one folder per URL and version."""
    label = hashlib.sha256(f"{url}@{version}".encode()).hexdigest()[:8]
    return Path(folder) / f"{name}-{label}"


def prepare_environment() -> None:
    """Let git, git-annex and DataLad run unattended: found beside this Python, with an identity, asking nothing."""
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", "")])
    # git-annex commits its own bookkeeping in the clone, and a fresh machine has no identity to commit with.
    for role in ("AUTHOR", "COMMITTER"):
        os.environ.setdefault(f"GIT_{role}_NAME", "triphase")
        os.environ.setdefault(f"GIT_{role}_EMAIL", "triphase@localhost")
    os.environ.setdefault("GIT_TERMINAL_PROMPT", "0")
    # What they say is looked at (`failures`), so it must not be translated.
    os.environ["LANGUAGE"] = "en"
    # Tries are counted, and told of in the log, by `downloads`.
    os.environ.setdefault("DATALAD_ANNEX_RETRY", "0")
    # A connection that delivers less than 1 kB/s for a minute is dead.
    os.environ.setdefault("GIT_HTTP_LOW_SPEED_LIMIT", "1000")
    os.environ.setdefault("GIT_HTTP_LOW_SPEED_TIME", "60")
    if shutil.which("git-annex") is None:
        raise InputError(
            "git-annex is not on PATH; install it: `pip install git-annex`, or conda install -c conda-forge git-annex"
        )


def absolute_url(url: str) -> str:
    """A path made absolute; anything with a scheme, or of the form host:path, as it is."""
    return url if re.match(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:|///", url) else str(Path(url).resolve())


def locked(path: Path, purpose: str = "lock") -> AbstractContextManager[None]:
    """Hold one of a clone's locks, across processes and studies; the kernel frees it when a job dies.

    `lock` guards the clone, its work tree and the records of who uses it, and is held for seconds; `get` is held as
    long as a download lasts. Who holds `get` never waits for `lock`, so the two cannot block each other.
    """
    return locking.locked(path.parent / f".{path.name}.{purpose}", waiting=f"waiting for another job that uses {path}")


def git(folder: str | Path, *arguments: str) -> str:
    """Standard output of a git command, stripped; RuntimeError where it fails."""
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)} in {folder}: {done.stderr.strip()}")
    return done.stdout.strip()


def try_git(folder: str | Path, *arguments: str) -> str | None:
    """Standard output of a git command, stripped; None where it fails."""
    try:
        return git(folder, *arguments)
    except RuntimeError:
        return None


def pin(path: Path, name: str, url: str, version: str) -> str:
    """Have a clone of `url` with `version` checked out, and nothing else; return the commit.

    An existing clone is used again. Its origin is asked only for what can change there: whether a tag has moved, and
    whether a local data set was made anew.
    """
    if path.exists() and (not is_clone(path) or rebuilt(path, url, version)):
        log.info("%s is not, or no longer, a clone of %s: cloning again", path, url)
        with locked(path, "get"):
            remove(path)
    if not path.exists():
        clone_dataset(url, path, name, version)
        return git(path, "rev-parse", PINNED)
    forget_secrets(path, url)
    commit = check_pinned(path)
    upstream = None if is_commit(version) else tag_at_origin(path, version)
    if upstream not in (None, commit):
        raise InputError(
            f"dataset.version: the tag {version!r} of {name} ({url}) has moved to commit {upstream} since {path} was "
            f"cloned at {commit}; give the commit that you mean as dataset.version"
        )
    return commit


def is_clone(path: Path) -> bool:
    """Whether a folder is a git repository of its own; InputError where git refuses to say, as for somebody else's."""
    try:
        return git(path, "rev-parse", "--git-dir") == ".git"
    except RuntimeError as error:
        if "not a git repository" in str(error):
            return False
        told = str(error).splitlines()[0].rpartition("fatal: ")[2]
        raise InputError(
            f"{path}: git refuses this clone ({told}); where several people share it, each has to run "
            f"`git config --global --add safe.directory {path.resolve()}` and has to be given access (its settings, "
            ".git/config, are the owner's alone)"
        ) from None


def check_pinned(path: Path) -> str:
    """The commit that a clone was made for; InputError where something else is checked out now."""
    head = try_git(path, "rev-parse", "--verify", "--quiet", "HEAD")
    commit = try_git(path, "rev-parse", "--verify", "--quiet", PINNED)
    if commit is None:
        # Made before the reference was kept.
        git(path, "update-ref", PINNED, "HEAD")
        return git(path, "rev-parse", PINNED)
    if head != commit:
        raise InputError(
            f"{path} has commit {(head or 'none')[:12]} checked out, not {commit[:12]}, which it was cloned for and "
            f"which studies share; put it back with `git -C {path} checkout --detach {commit[:12]}` and work on other "
            "versions in a clone of your own"
        )
    return commit


def rebuilt(path: Path, url: str, version: str) -> bool:
    """Whether the data set at `url`, a local folder, was made anew: another annex, with another commit as `version`."""
    if not Path(url).is_dir():
        return False
    known = try_git(path, "config", "remote.origin.annex-uuid")
    if known is None or try_git(url, "config", "annex.uuid") in (None, known):
        return False
    return resolve(url, version) != try_git(path, "rev-parse", "HEAD")


def is_commit(version: str) -> bool:
    """Whether `version` looks like a commit, which cannot move."""
    return re.fullmatch(r"[0-9a-f]{7,40}", version) is not None


def resolve(clone: str | Path, version: str) -> str | None:
    """The commit that a tag or commit stands for in the clone, or None. Branches do not count: they pin nothing."""
    tag = try_git(clone, "rev-parse", "--verify", "--quiet", f"refs/tags/{version}^{{commit}}")
    if tag is None and is_commit(version):
        return try_git(clone, "rev-parse", "--verify", "--quiet", f"{version}^{{commit}}")
    return tag


def tag_at_origin(clone: Path, version: str) -> str | None:
    """The commit that a tag has at the origin now; None where the origin does not answer or has no such tag."""
    reference = f"refs/tags/{version}"
    answer = try_git(clone, "ls-remote", "origin", reference, f"{reference}^{{}}")
    if answer is None:
        log.warning("the origin of %s does not answer: using what the clone has", clone)
    commits = {name: commit for commit, name in map(str.split, (answer or "").splitlines())}
    return commits.get(f"{reference}^{{}}", commits.get(reference))


def clone_dataset(url: str, path: Path, name: str, version: str) -> None:
    """`datalad clone` and checkout beside the target, then rename: an interrupted clone is never taken for a whole one.

    The clone's own settings hold, whatever the user's git config says: see `ANNEX`.
    """
    import datalad.api as datalad
    from datalad.support.exceptions import CommandError, IncompleteResultsError

    temporary = path.with_name(f".{path.name}.part")
    remove(temporary)
    # Nobody else may look into it before its settings are known to hold no password.
    temporary.mkdir(mode=0o700, parents=True)
    logging.getLogger("datalad").setLevel(logging.WARNING)
    log.info("cloning %s", url)
    try:
        datalad.clone(source=url, path=str(temporary), result_renderer="disabled", on_failure="stop")
        commit = find_commit(temporary, version, path.parent.glob(f"{name}-*"))
        if commit is not None:
            git(temporary, "checkout", "--quiet", "--detach", commit)
            git(temporary, "update-ref", PINNED, commit)
            for key, value in ANNEX.items():
                git(temporary, "config", f"annex.{key}", value)
            forget_secrets(temporary, url)
    except (IncompleteResultsError, CommandError, RuntimeError) as error:
        # DataLad says only that a command failed: look at the disk before what there is of the clone is deleted.
        full = shutil.disk_usage(temporary.parent).free < SMALLEST_ROOM
        remove(temporary)
        said = "\n".join(text_of(result) for result in getattr(error, "failed", None) or []) or str(error)
        cause, reason = diagnose("no space left on the disk" if full else said)
        remedies = {"refused": CREDENTIALS, "full": f"make room on the disk of {path.parent} and run again"}
        remedy = remedies.get(cause, "check the address, the network, or give the path of a clone that you have")
        raise InputError(f"dataset.url: the data set {name} cannot be cloned from {url} ({reason}); {remedy}") from None
    if commit is None:
        tags = git(temporary, "tag", "--sort=-creatordate").split()
        remove(temporary)
        known = f"it has the tags {', '.join(tags[:8])}" if tags else "it has no tags"
        raise InputError(f"dataset.version: {version!r} is neither a tag nor a commit of {name} ({url}); {known}")
    temporary.chmod(temporary.stat().st_mode | path.parent.stat().st_mode & 0o077)
    os.rename(temporary, path)


def forget_secrets(path: Path, url: str) -> None:
    """Take passwords and tokens out of a clone's settings, and let nobody but the owner read what settings hold.

    git's `insteadOf` lets a user write a token into every address without saying so, and DataLad clones from the
    address with it. The one that was given goes in its place: git writes the token into it whenever it asks the origin.
    """
    settings = path / ".git" / "config"
    if settings.stat().st_uid != os.getuid():
        return
    written = git(path, "ls-remote", "--get-url", url)
    listed = git(path, "config", "--local", "--list", "-z").split("\0")
    found = [entry.split("\n", 1) for entry in listed if "\n" in entry]
    secret = [(key, value) for key, value in found if without_secrets(value) != value]
    for key, value in secret:
        given = url + value.removeprefix(written) if value.startswith(written) else value
        git(path, "config", "--fixed-value", "--replace-all", key, without_secrets(given), value)
    if secret:
        # What was cloned from where stands in the logs of references too.
        shutil.rmtree(path / ".git" / "logs", ignore_errors=True)
    if git(path, "config", "--get", "--default", "false", "core.sharedRepository") in PRIVATE:
        settings.chmod(0o600)


def find_commit(clone: Path, version: str, others: Iterable[Path]) -> str | None:
    """The commit of a version; one that no branch or tag of the origin holds any more may lie in another clone."""
    if resolve(clone, version) is None and is_commit(version):
        for source in ["origin", *others]:
            try_git(clone, "fetch", "--quiet", str(source), version)
    return resolve(clone, version)


def and_others(items: Sequence[object]) -> str:
    """` and N other files` for a list whose first item has been named."""
    return "" if len(items) < 2 else " and 1 other file" if len(items) == 2 else f" and {len(items) - 1} other files"


def remove(folder: Path) -> None:
    """Delete a data set, if there is one; the folders of annexed files are write-protected."""
    if not folder.exists():
        return
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, stat.S_IRWXU)
    shutil.rmtree(folder)
