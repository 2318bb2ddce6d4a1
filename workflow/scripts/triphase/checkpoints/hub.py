"""What the Hugging Face hub says of a repository, and downloads from it. HF_ENDPOINT gives another address."""

import errno
import logging
import os
import re
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from pathlib import Path

from triphase.checkpoints.cache import DOWNLOADS
from triphase.config.selection import near_misses
from triphase.core.errors import InputError
from triphase.core.retry import Tries, pause
from triphase.core.types import Section

log = logging.getLogger(__name__)
# One line for every request would drown the others.
logging.getLogger("httpx2").setLevel(logging.WARNING)

# Seconds before the second try; doubled before each further one.
PAUSE = 1.0
# The hub counts requests in windows of minutes. Seconds to wait where it refuses one and does not say for how long, and
# those that are waited for one answer at most.
WINDOW, LONGEST_WAIT = 60.0, 3600.0


class NoRevisionError(InputError):
    """The repository has no such revision."""


class NoRepositoryError(InputError):
    """There is no such repository, or none that this user may see."""


def branches(repository: str) -> dict[str, str]:
    """Commit of every branch and tag of a repository, by name."""
    refs = _asked(repository, None, lambda api: api.list_repo_refs(repository))
    return {ref.name: ref.target_commit for ref in [*refs.branches, *refs.tags]}


def listing(repository: str, revision: str, commit: str | None = None) -> Section:
    """Files of a revision, without their content.

    They are asked for as a tree of the commit: the list that comes with a repository's description may be cut short.

    Parameters
    ----------
    repository, revision : branch, tag, commit, or refs/pr/N of a pull request
    commit : what the revision is taken to be, where that is known

    Returns
    -------
    dict
        `commit`, and `files`: by name a dict with bytes, and sha256 (of large files) or oid (git's hash of small ones).

    Raises
    ------
    NoRevisionError : there is no such revision, or the commit is gone; then with what the branch is now
    """
    if commit is None and not is_commit(revision):
        commit = _asked(repository, revision, lambda api: api.model_info(repository, revision=revision).sha)
    commit = commit or revision
    try:
        return {"commit": commit, "files": _tree(repository, commit)}
    except NoRevisionError:
        if is_commit(revision):
            raise
        now = _known(repository).get(revision)
        raise NoRevisionError(
            f"models: commit {commit} of {repository!r} is gone; "
            + (f"the branch {revision!r} has moved to {now}: " if now else f"there is no branch {revision!r} either: ")
            + "pin what you mean with snakemake lock_checkpoints, or take `commit` out of the config"
        ) from None


def _tree(repository, commit):
    """Files of a commit, by name, page by page.

    Asked for without `HfApi.list_repo_tree`, which tries again by itself what is told and counted here.
    """
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    files, address = {}, f"/api/models/{repository}/tree/{commit}?recursive=true"
    while address:

        def ask(api, address=address):
            url = address if "://" in address else api.endpoint + address
            response = get_session().get(url, headers=build_hf_headers())
            hf_raise_for_status(response)
            return response

        page = _asked(repository, commit, ask)
        for entry in page.json():
            large = entry.get("lfs")
            if entry["type"] == "file":
                hashes = {"sha256": large["oid"]} if large else {"oid": entry["oid"]}
                files[entry["path"]] = {"bytes": (large or entry)["size"], **hashes}
        address = page.links.get("next", {}).get("url")
    return files


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit by its form."""
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


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
    """The hub's answer; a failure that may pass is tried again, and a refusal for too many requests is waited out."""
    from huggingface_hub import HfApi, is_offline_mode
    from huggingface_hub import errors as hub

    where = f"revision {revision!r} of {repository!r}" if revision else repr(repository)
    lost = "is in no local cache, at least not whole" if revision else "has to be asked for its revisions"
    if is_offline_mode():
        raise InputError(f"models: {where} {lost}, and HF_HUB_OFFLINE keeps from it")
    tries, waited = Tries(retries, PAUSE), 0.0
    while True:
        try:
            return ask(HfApi(endpoint=_endpoint()))
        except hub.RevisionNotFoundError:
            known = _known(repository)
            raise NoRevisionError(
                f"models: {where} does not exist{near_misses(revision, known) if known else ''}; to go on without it "
                "set `integrity: exclude` and run snakemake lock_checkpoints"
            ) from None
        except (hub.GatedRepoError, hub.RepositoryNotFoundError):
            raise NoRepositoryError(
                f"models: {where} does not exist, is private or has a licence to accept; check the name, accept the "
                "licence on the hub and log in with `hf auth login`"
            ) from None
        except Exception as error:  # connections fail with many classes, of several libraries
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            if (seconds := _wanted_wait(error)) is not None:
                waited += seconds
                if waited > LONGEST_WAIT:
                    raise InputError(
                        f"models: {where}: the hub takes no more requests for now ({reason}); run again later: what it "
                        "has answered is kept. With `hf auth login` it takes more"
                    ) from error
                pause(seconds, f"{where}: the hub takes no more requests for now (429)")
                continue
            if _local(error):
                raise InputError(
                    f"models: {where} cannot be written ({reason}); make room, or bound what lies on disk with "
                    "execution/disk_gb"
                ) from error
            if not tries.another(f"{where}: {reason}"):
                raise InputError(
                    f"models: {where} {lost}, and the hub cannot be reached ({reason}); check the name and the network"
                ) from error


def _wanted_wait(error):
    """Seconds that the hub wants to be left alone; None where it wants no such thing.

    It says so in Retry-After (seconds, or a date), or in RateLimit (RFC draft ietf-httpapi-ratelimit-headers: t).
    """
    response = getattr(error, "response", None)
    if response is None or response.status_code != 429:
        return None
    wanted = response.headers.get("Retry-After", "")
    if wanted.strip().isdigit():
        return float(wanted)
    if left := re.search(r"\bt\s*=\s*(\d+)", response.headers.get("RateLimit", "")):
        return float(left[1]) + 1
    try:
        return max(parsedate_to_datetime(wanted).timestamp() - time.time(), 0) + 1
    except ValueError:
        return WINDOW


def _local(error):
    """Whether this machine's disk is the reason, so that trying again cannot help."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


def _known(repository):
    try:
        return branches(repository)
    except InputError:
        return {}
