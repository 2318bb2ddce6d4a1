"""The files of a pinned version, with those of its subdatasets, of which only the ones that are read are installed."""

import difflib
import logging
import os
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from itertools import islice

from triphase.core.errors import InputError
from triphase.core.messages import listed
from triphase.sources.clones import ANNEX, Clone, Files, and_others, git, is_clone, try_git
from triphase.sources.failures import CREDENTIALS, diagnose, text_of

log = logging.getLogger(__name__)

LINK = "120000"
SUBDATASET = "160000"


@dataclass(frozen=True)
class TreeFile:
    """A file as git has it.

    Attributes
    ----------
    mode, blob : str, of git
    size : int, bytes of the blob
    repository : path in the data set of the subdataset that holds it; "" for the data set itself
    """

    mode: str
    blob: str
    size: int
    repository: str

    def inside(self, path: str) -> str:
        """The file's path in its own repository, from its path in the data set."""
        return path[len(self.repository) + 1 :] if self.repository else path


def file_tree(clone: Clone, wanted: Iterable[str] = ()) -> dict[str, TreeFile]:
    """Every file of the pinned commit by its path in the data set.

    Of subdatasets there are those that a `wanted` path lies in; where they are not there they are installed, without
    content.
    """
    tree: dict[str, TreeFile] = {}
    _add(clone, "", clone.commit, list(wanted), tree)
    return tree


def _add(clone, repository, commit, wanted, tree):
    listing = git(clone.path / repository, "ls-tree", "-r", "-l", "-z", commit)
    for entry in filter(None, listing.split("\0")):
        facts, path = entry.split("\t", 1)
        mode, _, blob, size = facts.split()
        path = f"{repository}/{path}" if repository else path
        if mode != SUBDATASET:
            tree[path] = TreeFile(mode, blob, int(size), repository)
        elif any(name.startswith(f"{path}/") for name in wanted):
            _install(clone, path, blob)
            _add(clone, path, blob, wanted, tree)


def _install(clone, path, commit):
    """Have a subdataset there, without content, at the commit that the data set names."""
    folder = clone.path / path
    if not (folder.is_dir() and is_clone(folder)):
        import datalad.api as datalad

        log.info("installing %s of %s", path, clone)
        results = datalad.get(
            path=str(folder.resolve()),
            dataset=str(clone.path.resolve()),
            get_data=False,
            on_failure="ignore",
            return_type="list",
            result_renderer="disabled",
        )
        failed = [text_of(result) for result in results if result["status"] in ("error", "impossible")]
        if failed or not is_clone(folder):
            cause, reason = diagnose(failed[0] if failed else "")
            remedy = CREDENTIALS if cause == "refused" else "go online and run again"
            raise InputError(
                f"the subdataset {path} of {clone} cannot be cloned ({reason}); {remedy}, or put it there with "
                f"`datalad get -n -d {clone.path} {folder}`"
            )
        for key, value in ANNEX.items():
            git(folder, "config", f"annex.{key}", value)
    head = try_git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if head != commit:
        raise InputError(
            f"{folder} has commit {(head or 'none')[:12]} checked out, not {commit[:12]}, which {clone} names; put it "
            f"back with `git -C {folder} checkout --detach {commit[:12]}`"
        )


def without_globs(clone: Clone, files: Files) -> Files:
    """Files with each path that is a glob replaced by the one file that it stands for in the pinned version.

    `*` and `?` stay within one folder. A path that is no glob stays as it is, whether it is there or not.

    Raises
    ------
    InputError : a glob stands for no file, or for several
    """
    wanted = [path for entries in files.values() for path in entries.values()]
    if not any(map(is_glob, wanted)):
        return files
    there = sorted(file_tree(clone, wanted))
    return {
        role: {key: _only(clone, role, path, there) if is_glob(path) else path for key, path in entries.items()}
        for role, entries in files.items()
    }


def is_glob(path: str) -> bool:
    """Whether a path has wildcards."""
    return bool(set("*?[") & set(path))


def _only(clone, role, path, there):
    start = re.split(r"[*?[]", path)[0]
    # fnmatch lets * pass over folders.
    pattern = re.compile(translate(path).replace(".*", "[^/]*"))
    begin = bisect_left(there, start)
    found = []
    for name in islice(there, begin, None):
        if not name.startswith(start):
            break
        if pattern.fullmatch(name):
            found.append(name)
    if len(found) != 1:
        named = f"{len(found)} files that fit {path}: {listed(found)}" if found else f"no file that fits {path}"
        raise InputError(f"{clone} has {named} (role {role}); it must be one")
    return found[0]


def check_present(clone: Clone, files: Files) -> None:
    """InputError when a file is not in the pinned version, or was changed by hand in the clone.

    `files` : dict of role to dict of key to path
    """
    wanted = [(role, path) for role, entries in files.items() for path in entries.values()]
    tree = file_tree(clone, [path for _, path in wanted])
    if absent := [(role, path) for role, path in wanted if path not in tree]:
        role, path = absent[0]
        near = difflib.get_close_matches(path, tree, n=1, cutoff=0.6)
        hint = f"; the nearest is {near[0]}" if near else ""
        raise InputError(f"{clone} has no file {path} (role {role}){and_others(absent)}{hint}")
    changed = []
    for repository, paths in by_repository(tree, (path for _, path in wanted)).items():
        inside = sorted({tree[path].inside(path) for path in paths})
        status = git(clone.path / repository, "status", "--porcelain", "-z", "--no-renames", "--", *inside)
        changed += [(repository, entry.strip().split(" ", 1)[1]) for entry in status.split("\0") if entry]
    if changed:
        repository, path = changed[0]
        folder = clone.path / repository
        raise InputError(
            f"{folder / path}{and_others(changed)} was changed and is no longer the file of {clone}; keep a copy "
            f"if you need it, then run `git -C {folder} checkout HEAD -- {path}`"
        )


def check_link(clone: Clone, tree: dict[str, TreeFile], path: str, target: str) -> None:
    """InputError where a link of git leads to what the pinned commit does not hold.

    Parameters
    ----------
    tree : what `file_tree` returns
    path : of the link in the data set
    target : what the link says
    """
    to = os.path.normpath(os.path.join(os.path.dirname(path), target))
    inside = to.startswith((".git/", f"{tree[path].repository}/.git/")) and "/annex/objects/" in to
    linked = tree.get(to)
    if not inside and (linked is None or linked.mode == LINK):
        what = "another link" if linked else "no file of this version: its content would be pinned by nothing"
        raise InputError(
            f"{clone.path / path}: a link to {target}, which is {what}; read the file itself, or ask those who keep "
            f"{clone} to add it"
        )


def by_repository(tree: dict[str, TreeFile], paths: Iterable[str]) -> dict[str, list[str]]:
    """Paths in the data set by the repository that holds them."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(tree[path].repository, []).append(path)
    return groups
