"""DataLad data sets: cloned at a pinned version, with the content of just the files that are asked for.

A data set is cloned once per URL and version into a folder that studies share under a file lock.
"""

import difflib
import hashlib
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from triphase.errors import InputError

log = logging.getLogger(__name__)

BATCH_BYTES = 50_000_000


def fetch_dataset(files, *, name, url, version, folder="resources/datasets"):
    """Clone a data set at a pinned version and get the content of some of its files.

    Parameters
    ----------
    files : dict of role to dict of key to path in the data set
    name, url, version : str
        `url` is a git URL or a path (relative to the working directory); `version` a tag or a commit.
    folder : path of the folder that holds the clones

    Returns
    -------
    dict
        `dataset`, `url`, `version`, `commit`, and `files`: as given, with `path`, `key` (annex key, or git blob) and
        `bytes` of each.

    Raises
    ------
    InputError
        The URL cannot be reached, the version does not exist there, a file is not in the data set, or its content
        cannot be had.
    """
    prepare_environment()
    url = absolute_url(url)
    label = hashlib.sha256(f"{url}@{version}".encode()).hexdigest()[:8]
    clone = Path(folder) / f"{name}-{label}"
    with locked(clone):
        commit = pin(clone, name, url, version)
        check_present(clone, files, f"data set {name} ({url}) at {version} (commit {commit[:12]})")
        get_content(clone, files, name, url, version, commit)
        described = {
            role: {key: describe(clone, path) for key, path in entries.items()} for role, entries in files.items()
        }
    return {"dataset": name, "url": url, "version": version, "commit": commit, "files": described}


def prepare_environment():
    """Let git, git-annex and DataLad run unattended: found beside this Python, with an identity, asking nothing."""
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", "")])
    # git-annex commits its own bookkeeping in the clone, and a fresh machine has no identity to commit with.
    for role in ("AUTHOR", "COMMITTER"):
        os.environ.setdefault(f"GIT_{role}_NAME", "triphase")
        os.environ.setdefault(f"GIT_{role}_EMAIL", "triphase@localhost")
    os.environ.setdefault("GIT_TERMINAL_PROMPT", "0")
    # A connection that delivers less than 1 kB/s for a minute is dead.
    os.environ.setdefault("GIT_HTTP_LOW_SPEED_LIMIT", "1000")
    os.environ.setdefault("GIT_HTTP_LOW_SPEED_TIME", "60")
    if shutil.which("git-annex") is None:
        raise InputError(
            "git-annex is not on PATH; install it: `pip install git-annex`, or conda install -c conda-forge git-annex"
        )


def absolute_url(url):
    """A path made absolute; anything with a scheme, or of the form host:path, as it is."""
    return url if re.match(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:|///", url) else str(Path(url).resolve())


@contextmanager
def locked(clone):
    """Hold the clone's lock, across processes and studies; the kernel frees it when a job dies."""
    from filelock import FileLock, Timeout

    clone.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(clone.parent / f".{clone.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("waiting for another job that uses %s", clone)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def git(folder, *arguments, check=True):
    """Standard output of a git command, stripped; None where it fails and `check` is false."""
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    if done.returncode and check:
        raise RuntimeError(f"git {' '.join(arguments)} in {folder}: {done.stderr.strip()}")
    return None if done.returncode else done.stdout.strip()


def pin(clone, name, url, version):
    """Have a clone of `url` with `version` checked out; return the commit.

    An existing clone is used again. Its origin is asked only for what can change there: whether a tag has moved, and
    whether the data set was made anew (another annex, or a history that shares nothing).
    """
    if clone.exists() and (git(clone, "rev-parse", "--git-dir", check=False) != ".git" or rebuilt(clone, url)):
        log.info("%s is not, or no longer, a clone of %s: cloning again", clone, url)
        remove(clone)
    if not clone.exists():
        clone_dataset(url, clone, name)
    commit = resolve(clone, version)
    upstream = None if is_commit(version) and commit else tag_at_origin(clone, version)
    if upstream not in (None, commit) or commit is None:
        before = git(clone, "rev-parse", "HEAD")
        git(clone, "fetch", "--quiet", "--force", "--tags", "origin", check=False)
        commit = resolve(clone, version)
        if commit and git(clone, "merge-base", before, commit, check=False) is None:
            log.info("%s was made anew at %s: cloning again", name, url)
            remove(clone)
            clone_dataset(url, clone, name)
            commit = resolve(clone, version)
    if commit is None:
        tags = git(clone, "tag", "--sort=-creatordate").split()
        known = f"it has the tags {', '.join(tags[:8])}" if tags else "it has no tags"
        raise InputError(f"dataset.version: {version!r} is neither a tag nor a commit of {name} ({url}); {known}")
    if git(clone, "rev-parse", "HEAD") != commit:
        # A job that was killed leaves git's lock behind; nobody else is at work while this job holds the clone.
        (clone / ".git" / "index.lock").unlink(missing_ok=True)
        git(clone, "checkout", "--quiet", "--force", "--detach", commit)
    return commit


def rebuilt(clone, url):
    """Whether the annex at `url`, a local data set, is another than the one that was cloned."""
    if not Path(url).is_dir():
        return False
    known = git(clone, "config", "remote.origin.annex-uuid", check=False)
    return known is not None and git(url, "config", "annex.uuid", check=False) not in (None, known)


def is_commit(version):
    """Whether `version` looks like a commit, which cannot move."""
    return re.fullmatch(r"[0-9a-f]{7,40}", version) is not None


def resolve(clone, version):
    """The commit that a tag or commit stands for in the clone, or None. Branches do not count: they pin nothing."""
    tag = git(clone, "rev-parse", "--verify", "--quiet", f"refs/tags/{version}^{{commit}}", check=False)
    if tag is None and is_commit(version):
        return git(clone, "rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", check=False)
    return tag


def tag_at_origin(clone, version):
    """The commit that a tag has at the origin now; None where the origin does not answer or has no such tag."""
    reference = f"refs/tags/{version}"
    answer = git(clone, "ls-remote", "origin", reference, f"{reference}^{{}}", check=False)
    if answer is None:
        log.warning("the origin of %s does not answer: using what the clone has", clone)
    lines = dict(reversed(line.split()) for line in (answer or "").splitlines())
    return lines.get(f"{reference}^{{}}", lines.get(reference))


def clone_dataset(url, clone, name):
    """`datalad clone` beside the target, then rename, so that an interrupted clone is never taken for a whole one."""
    import datalad.api as datalad
    from datalad.support.exceptions import IncompleteResultsError

    temporary = clone.with_name(f".{clone.name}.part")
    remove(temporary)
    logging.getLogger("datalad").setLevel(logging.WARNING)
    log.info("cloning %s", url)
    try:
        datalad.clone(source=url, path=str(temporary), result_renderer="disabled", on_failure="stop")
    except IncompleteResultsError as error:
        raise InputError(
            f"dataset.url: the data set {name} cannot be cloned from {url} ({reasons(error)}); "
            "check the address, the network, or give the path of a clone that you have"
        ) from None
    os.rename(temporary, clone)


def check_present(clone, files, where):
    """InputError when a file is not in the version that is checked out, or was changed by hand."""
    for role, entries in files.items():
        for path in entries.values():
            if not os.path.lexists(clone / path):
                near = difflib.get_close_matches(path, git(clone, "ls-files").splitlines(), n=1, cutoff=0.6)
                hint = f"; the nearest is {near[0]}" if near else ""
                raise InputError(f"{where} has no file {path} (role {role}){hint}")
    paths = sorted({path for entries in files.values() for path in entries.values()})
    if changed := git(clone, "status", "--porcelain", "--", *paths).splitlines():
        path = changed[0].split(maxsplit=1)[1]
        raise InputError(
            f"{clone / path} was changed and is no longer the file of {where}; keep a copy if you need it, then run "
            f"`git -C {clone} checkout {path}`"
        )


def get_content(clone, files, name, url, version, commit):
    """`datalad get` of the files whose content is not there yet."""
    paths = sorted({path for entries in files.values() for path in entries.values()})
    absent = [path for path in paths if not (clone / path).is_file()]
    if not absent:
        return
    import datalad.api as datalad
    from datalad.support.exceptions import IncompleteResultsError
    from tqdm import tqdm

    logging.getLogger("datalad").setLevel(logging.WARNING)
    sizes = [key_bytes(clone / path) for path in absent]
    # Where content lies is known from the origin's annex branch, which may have grown since the clone was made.
    git(clone, "fetch", "--quiet", "origin", check=False)
    log.info("getting %d files (%.1f MB) of %s", len(absent), sum(sizes) / 1e6, name)
    try:
        with tqdm(total=sum(sizes), unit="B", unit_scale=True, desc=name, mininterval=10) as progress:
            for batch in in_batches(absent, sizes):
                # DataLad resolves relative paths against the working directory.
                whole = [str(clone.resolve() / path) for path in batch]
                datalad.get(path=whole, dataset=str(clone.resolve()), result_renderer="disabled", jobs=2)
                progress.update(sum((clone / path).stat().st_size for path in batch))
    except IncompleteResultsError as error:
        missing = [path for path in absent if not (clone / path).is_file()]
        others = f" and {len(missing) - 1} other files" if len(missing) > 1 else ""
        raise InputError(
            f"the content of {missing[0]}{others} of data set {name} ({url}) at {version} (commit {commit[:12]}) "
            f"cannot be had: {reasons(error)}; go online and run again, or put it there with "
            f"`datalad get -d {clone} {missing[0]}`"
        ) from None


def in_batches(paths, sizes):
    """Lists of paths of about BATCH_BYTES each: few calls for small files, progress for large ones."""
    batch, total = [], 0
    for path, size in zip(paths, sizes, strict=True):
        batch.append(path)
        total += size
        if total >= BATCH_BYTES:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def reasons(error):
    """What went wrong, in one line: DataLad's own messages hold whole transcripts of git and git-annex."""
    texts = []
    for result in error.failed:
        message = result.get("message") or result.get("error_message") or ""
        texts.append(str(message[0] % tuple(message[1:]) if isinstance(message, tuple) else message))
    lines = [line.strip() for line in "\n".join(texts or [str(error)]).splitlines() if line.strip()]
    telling = [line for line in lines if "fatal:" in line or "failed:" in line] or lines or ["no reason given"]
    text = telling[0].rpartition("fatal: ")[2].strip("'\"[]")
    return text if len(text) <= 160 else text[:157] + "..."


def remove(folder):
    """Delete a data set, if there is one; the folders of annexed files are write-protected."""
    if not folder.exists():
        return
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, stat.S_IRWXU)
    shutil.rmtree(folder)


def annex_key(path):
    """The annex key that a link or pointer file stands for; None for a file that git itself holds."""
    if path.is_symlink():
        target = os.readlink(path)
        return os.path.basename(target) if "annex/objects" in target else None
    with open(path, "rb") as file:
        start = file.read(200)
    return start.split(b"\n")[0].decode().rpartition("/")[2] if start.startswith(b"/annex/objects/") else None


def key_bytes(path):
    """Size of the content that an annex key promises; 0 where the key does not say."""
    size = re.search(r"-s(\d+)", annex_key(path) or "")
    return int(size[1]) if size else 0


def describe(clone, path):
    """Path, key and size of a file whose content is there."""
    file = clone / path
    key = annex_key(file) or "GIT-" + git(clone, "rev-parse", f"HEAD:{path}")
    return {"path": str(file), "key": key, "bytes": file.stat().st_size}
