"""Fetching the files that a study needs from a DataLad data set or a folder of the user, and describing what came.

A data set is cloned once per URL and version into a folder that studies share under a file lock; every other step reads
the manifests that are made here, never the clone's layout.
"""

import difflib
import hashlib
import logging
import os
import re
import shutil
import stat
import string
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from triphase.errors import InputError

log = logging.getLogger(__name__)

PLACEHOLDER = string.Formatter()


def fill(template, key, **names):
    """Fill a path template such as `sub-{id}/{run}.nii.gz`; InputError when it asks for a name that there is not."""
    wanted = {field for _, field, _, _ in PLACEHOLDER.parse(template) if field is not None}
    if unknown := sorted(wanted - set(names)):
        raise InputError(
            f"{key}: {template!r} uses {{{unknown[0]}}}; it may use " + ", ".join(f"{{{n}}}" for n in names)
        )
    return template.format(**names)


def wanted_files(roles, subject, runs):
    """The files that a set of roles stands for.

    Parameters
    ----------
    roles : dict of str to str or None
        Path template per role. One with `{run}` or `{stimulus}` stands for a file per run or stimulus, keyed by its
        name; any other for one file, keyed by "".
    subject : dict or None
        The subject's keys, among them `name`; all may be used in templates, the name as `{subject}`.
    runs : list of dict
        `name` and `stimulus` of each run.

    Returns
    -------
    dict of role to dict of key to path
    """
    names = {**subject, "subject": subject["name"]} if subject else {}
    names.pop("name", None)
    files = {}
    for role, template in roles.items():
        if template is None:
            continue
        fields = {field for _, field, _, _ in PLACEHOLDER.parse(template)}
        keyed = "run" if "run" in fields else "stimulus" if "stimulus" in fields else None
        files[role] = {}
        for run in runs:
            path = fill(template, f"path of {role}", **names, run=run["name"], stimulus=run["stimulus"])
            files[role][run["name"] if keyed == "run" else run["stimulus"] if keyed else ""] = path
    return files


def of_run(files, run):
    """The entry of one role that belongs to a run: its own, its stimulus', or the only one there is; None if absent."""
    return next((files[key] for key in (run["name"], run["stimulus"], "") if key in files), None)


# ------------------------------------------------------------------------------------------------------- DataLad


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
    if temporary.exists():
        remove(temporary)
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
    """InputError when a file is not in the version that is checked out."""
    for role, entries in files.items():
        for path in entries.values():
            if not os.path.lexists(clone / path):
                near = difflib.get_close_matches(path, git(clone, "ls-files").splitlines(), n=1, cutoff=0.6)
                hint = f"; the nearest is {near[0]}" if near else ""
                raise InputError(f"{where} has no file {path} (role {role}){hint}")


def get_content(clone, files, name, url, version, commit):
    """`datalad get` of the files whose content is not there yet."""
    paths = sorted({path for entries in files.values() for path in entries.values()})
    absent = [path for path in paths if not (clone / path).is_file()]
    if not absent:
        return
    import datalad.api as datalad
    from datalad.support.exceptions import IncompleteResultsError

    log.info("getting %d files (%.1f MB) of %s", len(absent), sum(key_bytes(clone / p) for p in absent) / 1e6, name)
    try:
        datalad.get(
            path=[str(clone.resolve() / path) for path in absent],
            dataset=str(clone.resolve()),
            result_renderer="disabled",
            on_failure="continue",
            jobs=2,
        )
    except IncompleteResultsError as error:
        missing = [path for path in absent if not (clone / path).is_file()]
        others = f" and {len(missing) - 1} other files" if len(missing) > 1 else ""
        raise InputError(
            f"the content of {missing[0]}{others} of data set {name} ({url}) at {version} (commit {commit[:12]}) "
            f"cannot be had: {reasons(error)}; go online and run again, or put it there with "
            f"`datalad get -d {clone} {missing[0]}`"
        ) from None


def reasons(error):
    """The first line of what DataLad says went wrong, shortened."""
    messages = []
    for result in error.failed:
        message = result.get("message") or "no reason given"
        message = message[0] % tuple(message[1:]) if isinstance(message, tuple) else message
        messages.append(str(message).strip().splitlines()[0])
    text = messages[0] if messages else str(error)
    return text if len(text) <= 200 else text[:197] + "..."


def remove(folder):
    """Delete a clone; annex objects and their folders are read-only."""
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


# ----------------------------------------------------------------------------------------------------- local files


def local_files(files, folder, *, hint=None):
    """Describe files of the user's own folder.

    Parameters
    ----------
    files : dict of role to dict of key to path or glob below `folder`; a glob must match one file
    folder : path or None
    hint : str, optional
        Where the files are to be had and under which licence.

    Raises
    ------
    InputError
        The folder is not given, or a file is missing or ambiguous: one message with the folder, the source and the key.
    """
    first = next(path for entries in files.values() for path in entries.values())
    advice = f"; {hint}" if hint else ""
    if folder is None:
        raise InputError(
            f"local_data: not set, but {first} is read from that folder: set it to the folder's path{advice}"
        )
    described = {}
    for role, entries in files.items():
        described[role] = {}
        for key, path in entries.items():
            matches = sorted(Path(folder).glob(path)) if any(c in path for c in "*?[") else [Path(folder, path)]
            if len(matches) != 1 or not matches[0].is_file():
                found = f"{len(matches)} files match" if len(matches) > 1 else "there is no file"
                raise InputError(f"local_data: {found} {path} (role {role}) in the folder {folder}{advice}")
            content = matches[0].read_bytes()
            described[role][key] = {
                "path": str(matches[0].resolve()),
                "key": f"SHA256-{hashlib.sha256(content).hexdigest()}",
                "bytes": len(content),
            }
    return described


def fetch_files(roles, *, root, subject, runs, dataset, local_data, folder="resources/datasets"):
    """Fetch the files of some roles from where they lie, and describe them.

    Parameters
    ----------
    roles : dict of role to path template or None
    root : "dataset" or "local_data"
    subject, runs : as in `wanted_files`
    dataset : dict with name, url, version and, for files of the user's own folder, local_data_hint
    local_data : path of the user's own folder, or None

    Returns
    -------
    dict : the manifest: dataset, url, version, commit, files. For local files the commit is null: the keys pin them.
    """
    files = wanted_files(roles, subject, runs)
    if root == "dataset":
        return fetch_dataset(
            files, name=dataset["name"], url=dataset["url"], version=str(dataset["version"]), folder=folder
        )
    described = local_files(files, local_data, hint=dataset.get("local_data_hint"))
    return {"dataset": dataset["name"], "url": None, "version": None, "commit": None, "files": described}
