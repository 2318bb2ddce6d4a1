"""From a repository and a revision to verified files on disk; `triphase.checkpoints.loading` makes models of them.

Weights come out of a folder of the user's, a Hugging Face cache (`cache_dir`, or the user's own, which is only read),
or `resources/models`, where this workflow downloads to (`triphase.checkpoints.fetching`).
"""

import logging
import os
from pathlib import Path
from typing import NamedTuple

from triphase.checkpoints import hub, snapshots
from triphase.checkpoints.cache import (
    Manifest,
    cache_folder,
    checkpoint_label,
    record_listing,
    recorded_listings,
    snapshot_folder,
)
from triphase.checkpoints.dimensions import check_vocabulary, dimensions, read_json_object
from triphase.checkpoints.fetching import ensure_weights
from triphase.core.errors import InputError
from triphase.core.hashing import file_sha256
from triphase.core.types import Section

log = logging.getLogger(__name__)


class Pin(NamedTuple):
    """The 40-digit commit that a revision has to be, by the lock or the config; None: whatever it is now.

    `tokenizer` : the commit of the repository's main branch, where the lock says that the revision has no tokenizer and
    main has one
    """

    commit: str | None = None
    tokenizer: str | None = None


UNPINNED = Pin()


def find_checkpoint(
    repository: str,
    revision: str,
    cache_dir: str | Path | None = None,
    pin: Pin = UNPINNED,
    *,
    folder: str | Path | None = None,
    trust_remote_code: bool = False,
    execution: Section | None = None,
) -> Manifest:
    """Find one checkpoint, or what the hub says of it, and describe its files.

    Weights that have to come from the hub are not downloaded here but by the first job that uses them.

    Parameters
    ----------
    repository, revision : str, Hugging Face repository id and branch, tag or commit
    cache_dir : path, optional
        A folder in the cache layout that alone is searched; nothing is downloaded then.
    pin : Pin, what `revision` must resolve to
    folder : path, optional
        Folder of the checkpoint itself, with config.json, tokenizer and weights; nothing else is searched then.
    trust_remote_code : bool, whether the repository's own code may run
    execution : dict with transfers and retries, optional

    Returns
    -------
    dict with repository, revision, commit, cache_dir, files (name to bytes and sha256), weights (names), fingerprint
    (of the weights), tokenizer_hash, architecture, layers (number of hidden layers, without the embedding),
    hidden_size; folder, downloaded, tokenizer_commit and trust_remote_code where they apply

    Raises
    ------
    InputError
        The revision is not there, is not whole, or resolves to another commit than the one that the study pins.
    """
    named: Manifest = {"repository": repository, "revision": revision}
    if trust_remote_code:
        named["trust_remote_code"] = True
    if folder:
        return {**named, "commit": None, "cache_dir": None, "folder": str(folder), **_described(Path(folder), named)}
    cache = Path(cache_dir) if cache_dir else _user_cache()
    commit, found = pin.commit, _local_commit(cache, repository, revision, pin.commit)
    if found and found == (commit or found):
        about = {**named, "commit": found, "cache_dir": str(cache)}
        return {**about, **_described(snapshot_folder(cache, repository, found), named)}
    if cache_dir and found:
        raise InputError(
            f"models: revision {revision!r} of {repository!r} is commit {found}, the study pins {commit}; "
            "take the pin out of the config or ask for the pinned commit as the revision"
        )
    if cache_dir:
        raise InputError(
            f"models: revision {revision!r} of {repository!r} is not in {cache_dir}; there are: "
            f"{', '.join(_revisions(cache, repository)) or 'none'}"
        )
    if pin.tokenizer:
        named["tokenizer_commit"] = pin.tokenizer
    return {**named, **_from_hub(named, commit, execution or {})}


def _described(folder, named):
    try:
        if missing := snapshots.lacking(folder):
            raise InputError(f"{folder} lacks {missing}")
        snapshots.check_whole(folder)
        return snapshots.describe(folder)
    except InputError as error:
        raise InputError(f"models: {checkpoint_label(named)}: {error}") from None
    except OSError as error:
        raise InputError(f"models: {checkpoint_label(named)} is not whole in {folder}: {error!r}") from error


def _from_hub(named, commit, execution):
    """The part of a manifest that the hub's listing determines; small files are downloaded, weights are not."""
    repository, revision, code = named["repository"], named["revision"], named.get("trust_remote_code", False)
    listing = _listing(repository, revision, commit)
    commit, files = listing["commit"], listing["files"]
    downloads = cache_folder(repository, commit)
    folder, small = snapshot_folder(downloads, repository, commit), snapshots.small_files(files, code)
    bounds = {key: value for key, value in execution.items() if key in ("transfers", "retries")}
    if not all((folder / name).is_file() for name in small):
        hub.download(repository, commit, small, downloads, revision=revision, **bounds)
    if lender := named.get("tokenizer_commit"):
        lent = _borrow(repository, lender, folder, downloads, bounds)
        files, small = {**lent, **files}, sorted({*lent, *small})
    try:
        if lacks := snapshots.lacking_of(files, index := lambda name: read_json_object(folder / name)):
            raise InputError(f"it lacks {lacks} on the hub{_remedy(lacks)}")
        # What small files decide is checked before anything large is fetched.
        size = dimensions(read_json_object(folder / "config.json"))
        check_vocabulary(folder / "tokenizer.json", size.vocabulary)
    except InputError as error:
        raise InputError(f"models: revision {revision!r} of {repository!r}: {error}") from None
    chosen = snapshots.weight_files(files, index)
    record_listing(repository, listing, revision)
    manifest = {"commit": commit, "cache_dir": str(downloads), "downloaded": True}
    held = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": snapshots.cached_sha256(folder / name)}
        for name in small
    }
    described = {name: files[name] for name in chosen}
    if any("sha256" not in file for file in described.values()):
        # Files so small that the hub gives no sha256 of them.
        needed = {name: files[name] for name in [*small, *chosen]}
        about = {"repository": repository, "revision": revision, **manifest, "files": needed, "weights": chosen}
        with ensure_weights(about, execution):
            for name in chosen:
                described[name] = {"bytes": files[name]["bytes"], "sha256": file_sha256(folder / name)}
    return {**manifest, **snapshots.described({**held, **described}, chosen, folder)}


def _remedy(lacks):
    return "; snakemake lock_checkpoints takes that of main where main has one" if "tokenizer" in lacks else ""


def _borrow(repository, commit, folder, downloads, bounds):
    """Put the tokenizer of another commit beside a checkpoint's files; what the hub says of it, by name."""
    listing = _listing(repository, "main", commit)
    parts = snapshots.tokenizer_parts(listing["files"])
    source = snapshot_folder(downloads, repository, commit)
    if not all((source / name).is_file() for name in parts):
        hub.download(repository, commit, parts, downloads, revision="main", **bounds)
    for name in parts:
        if not (folder / name).exists():
            (folder / name).symlink_to(os.path.relpath(source / name, folder))
    record_listing(repository, listing, "main")
    return {name: listing["files"][name] for name in parts}


def _listing(repository, revision, commit):
    """What the hub says of a revision, or said when it was asked last where it cannot be reached."""
    recorded = recorded_listings(repository)
    if commit and (same := [entry for entry in recorded if entry["commit"] == commit]):
        return same[0]
    try:
        return hub.listing(repository, revision, commit)
    except InputError:
        if same := [entry for entry in recorded if revision in (entry["commit"], *entry["revisions"]) and not commit]:
            log.warning("the hub cannot be asked: %s is taken to be commit %s as before", revision, same[-1]["commit"])
            return same[-1]
        raise


def _user_cache():
    """Where huggingface_hub keeps the user's downloads; it reads the environment once, so here it is read again."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.path.expandvars(os.environ.get("HF_HUB_CACHE") or Path(home, "hub"))).expanduser()


def _revisions(cache, repository):
    refs = snapshot_folder(cache, repository, "").parent / "refs"
    return sorted(str(path.relative_to(refs)) for path in refs.rglob("*") if path.is_file())


def _local_commit(cache, repository, revision, commit):
    """The commit that lies whole in a cache: the pinned one where it does, else that of the revision; or None."""
    ref = snapshot_folder(cache, repository, "").parent / "refs" / revision
    named = ref.read_text().strip() if ref.is_file() else revision
    for candidate in dict.fromkeys([commit or named, named]):
        if snapshots.lacking(snapshot_folder(cache, repository, candidate)) is None:
            return candidate
    return None
