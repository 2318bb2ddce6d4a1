"""What the Hugging Face hub says of a repository, and downloads from it. HF_ENDPOINT gives another address."""

import errno
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from triphase.checkpoints.cache import DOWNLOADS
from triphase.config.selection import near_misses
from triphase.core.errors import InputError
from triphase.core.retry import Tries
from triphase.core.types import Section

log = logging.getLogger(__name__)
# One line for every request would drown the others.
logging.getLogger("httpx2").setLevel(logging.WARNING)

# Seconds before the second try; doubled before each further one.
PAUSE = 1.0


def branches(repository: str) -> dict[str, str]:
    """Commit of every branch and tag of a repository, by name."""
    refs = _asked(repository, None, lambda api: api.list_repo_refs(repository))
    return {ref.name: ref.target_commit for ref in [*refs.branches, *refs.tags]}


def listing(repository: str, revision: str) -> Section:
    """Files of a revision, without their content.

    Returns
    -------
    dict
        `commit`, and `files`: by name a dict with bytes, and sha256 (of large files) or oid (git's hash of small ones).
    """

    def ask(api):
        return api.model_info(repository, revision=revision, files_metadata=True)

    info = _asked(repository, revision, ask)
    files = {}
    for file in info.siblings or []:
        large = file.lfs is not None
        hashes = {"sha256": file.lfs.sha256} if large else {"oid": file.blob_id}
        files[file.rfilename] = {"bytes": file.lfs.size if large else file.size, **hashes}
    return {"commit": info.sha, "files": files}


def download(
    repository: str,
    commit: str,
    names: Iterable[str],
    cache_dir: str | Path,
    *,
    revision: str | None = None,
    transfers: int = 4,
    retries: int = 3,
) -> str:
    """Download files of a commit into a folder in the cache layout; what is there already is not fetched again.

    What Xet, which carries large files, keeps of its transfers also goes below resources/models, unless the user's own
    HF_XET_CACHE names another folder.

    `revision` : str, the name of the commit in messages

    Raises
    ------
    InputError : what the hub said, with the repository, the commit and the remedy
    """
    from huggingface_hub import snapshot_download

    # Read once, when hf_xet is imported for the first large file.
    os.environ.setdefault("HF_XET_CACHE", str((DOWNLOADS / ".xet").absolute()))

    def fetch(_):
        return snapshot_download(
            repository,
            revision=commit,
            cache_dir=cache_dir,
            allow_patterns=[_literal(name) for name in names],
            max_workers=transfers,
            endpoint=_endpoint(),
        )

    return _asked(repository, revision or commit, fetch, retries)


def _literal(name):
    """A file name as a pattern that matches only it."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _endpoint():
    return os.environ.get("HF_ENDPOINT") or None


def _asked(repository, revision, ask, retries=3):
    """The hub's answer; a failure that may pass is tried again after growing pauses."""
    from huggingface_hub import HfApi, is_offline_mode
    from huggingface_hub import errors as hub

    where = f"revision {revision!r} of {repository!r}" if revision else repr(repository)
    lost = "is in no local cache, at least not whole" if revision else "has to be asked for its revisions"
    if is_offline_mode():
        raise InputError(f"models: {where} {lost}, and HF_HUB_OFFLINE keeps from it")
    tries = Tries(retries, PAUSE)
    while True:
        try:
            return ask(HfApi(endpoint=_endpoint()))
        except hub.RevisionNotFoundError:
            known = _known(repository)
            raise InputError(
                f"models: {where} does not exist{near_misses(revision, known) if known else ''}; to go on without it "
                "set `integrity: exclude` and run snakemake lock_checkpoints"
            ) from None
        except (hub.GatedRepoError, hub.RepositoryNotFoundError):
            raise InputError(
                f"models: {where} does not exist, is private or has a licence to accept; check the name, accept the "
                "licence on the hub and log in with `hf auth login`"
            ) from None
        except Exception as error:  # connections fail with many classes, of several libraries
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            if _local(error):
                raise InputError(
                    f"models: {where} cannot be written ({reason}); make room, or bound what lies on disk with "
                    "execution/disk_gb"
                ) from error
            if not tries.another(f"{where}: {reason}"):
                raise InputError(
                    f"models: {where} {lost}, and the hub cannot be reached ({reason}); check the name and the network"
                ) from error


def _local(error):
    """Whether this machine's disk is the reason, so that trying again cannot help."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


def _known(repository):
    try:
        return list(branches(repository))
    except InputError:
        return []
