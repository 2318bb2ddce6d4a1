"""The raw files that a manifest names: had while they are read, and dropped from the shared clone after use.

For a rule that turns raw files into a result (`clean_responses`)::

    with raw_content(manifest, user=f"{study}/{subject}", execution=execution):
        ...read manifest["files"], write the result...

The files are there within the block, also where an earlier run dropped them; when the block ends well and
`execution/keep_raw` is false, their content is dropped. Another rule that opens raw files uses `ensure_content` first.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.types import Section
from triphase.sources.clones import (
    Clone,
    Files,
    and_others,
    check_pinned,
    is_clone,
    locked,
    pin,
    prepare_environment,
)
from triphase.sources.downloads import get_content, look_up
from triphase.sources.failures import diagnose, text_of
from triphase.sources.manifest import clones_of
from triphase.sources.sharing import claim, claimed, record_of
from triphase.sources.tree import check_present

log = logging.getLogger(__name__)


@contextmanager
def raw_content(manifest: Section, *, user: str, execution: Section) -> Iterator[None]:
    """Have the content of a manifest's files while the block lasts, and release it after, unless it is to be kept.

    Parameters
    ----------
    manifest : dict, as `manifest.fetch_files` returns it; of files of the user's own folder nothing is done
    user : str
        `study/subject`, the same as when the files were fetched.
    execution : dict with transfers, retries, keep_raw (the config's `execution`)
    """
    ensure_content(manifest, user=user, execution=execution)
    yield
    if not execution["keep_raw"]:
        release_content(manifest, user=user)


def ensure_content(manifest: Section, *, user: str, execution: Section) -> None:
    """Have the content of every file of a manifest in the clone, and keep it there until `release_content`.

    What is absent is fetched again, the clone itself too. Parameters as in `raw_content`.

    Raises
    ------
    InputError
        The clone holds another version than the manifest names, a file was changed, or content cannot be had.
    """
    for origin in clones_of(manifest):
        with reopened(origin) as clone:
            paths = paths_in(manifest["files"], origin)
            check_present(clone, paths)
            entries = look_up(clone, [path for group in paths.values() for path in group.values()])
            claim(clone, user, [entry.key for entry in entries.values() if entry.key])
        get_content(clone, list(entries.values()), user=user, execution=execution)


def release_content(manifest: Section, *, user: str) -> list[str]:
    """Drop the content of a manifest's files from the shared clone, but for files that another user reads.

    `datalad drop` itself makes sure that another copy exists; where that cannot be verified the file is kept, with a
    warning. Files that git itself holds stay.

    Returns
    -------
    list of str
        Paths, in the data set, of what was dropped.
    """
    dropped = [_release(manifest["files"], origin, user) for origin in clones_of(manifest)]
    return [path for paths in dropped for path in paths]


def _release(files, origin, user):
    import datalad.api as datalad

    with reopened(origin) as clone:
        record_of(clone, user).unlink(missing_ok=True)
        entries = look_up(clone, [path for group in paths_in(files, origin).values() for path in group.values()])
        here = [entry for entry in entries.values() if entry.key and (clone.path / entry.path).is_file()]
        kept = claimed(clone)
        spare = [entry for entry in here if entry.key not in kept]
        if len(spare) < len(here):
            log.info("%d files stay in %s: others read them", len(here) - len(spare), clone.path)
        if not spare:
            return []
        root = clone.path.resolve()
        results = datalad.drop(
            path=[str(root / entry.path) for entry in spare],
            dataset=str(root),
            what="filecontent",
            on_failure="ignore",
            return_type="list",
            result_renderer="disabled",
        )
        gone = [entry for entry in spare if not (clone.path / entry.path).exists()]
        if left := [entry.path for entry in spare if entry not in gone]:
            said = [text_of(result) for result in results if result["status"] in ("error", "impossible")]
            log.warning(
                "%s stays in %s: another copy could not be verified (%s)",
                left[0] + and_others(left),
                clone.path,
                diagnose(said[0] if said else "")[1],
            )
        log.info("dropped %d files (%.1f MB) from %s", len(gone), sum(e.bytes for e in gone) / 1e6, clone.path)
        return [entry.path for entry in gone]


@contextmanager
def reopened(origin: Section) -> Iterator[Clone]:
    """Yield the clone that files of a manifest are of, locked; InputError where it holds another commit by now.

    The origin is not asked, unless the clone is gone and has to be made again.

    Parameters
    ----------
    origin : dict with dataset, url, version, commit and clone, of `manifest.clones_of`
    """
    prepare_environment()
    path = Path(origin["clone"])
    about = (origin["dataset"], origin["url"], origin["version"])
    with locked(path):
        clone = Clone(path, *about, check_pinned(path) if path.exists() and is_clone(path) else pin(path, *about))
        if clone.commit != origin["commit"]:
            raise InputError(
                f"{clone} is not what the manifest of these files was made from (commit {origin['commit'][:12]}): "
                "delete the manifests in results/<study>/sources and run again"
            )
        yield clone


def paths_in(files: Section, origin: Section) -> Files:
    """Paths in a data set of those files of a manifest that are of it: dict of role to dict of key to path."""
    root = Path(origin["clone"])
    return {
        role: {
            key: str(Path(file["path"]).relative_to(root))
            for key, file in group.items()
            if Path(file["path"]).is_relative_to(root)
        }
        for role, group in files.items()
    }
