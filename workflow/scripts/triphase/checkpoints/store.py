"""Where weights that this workflow downloads lie, how much of the disk they take, and how they are removed.

Each commit has a folder of its own, `resources/models/{owner}--{name}/{commit}`, in the layout of a Hugging Face cache.
Config and tokenizer stay there; weights come and go. Locks are the kernel's, so that a job which is killed leaves none
behind:

- the lock of a commit is held shared while a job uses its weights, and alone while they are fetched or removed;
- the lock of the budget is held while a job counts what is there and enters what it is about to fetch.
"""

import fcntl
import json
import logging
import os
from contextlib import contextmanager
from pathlib import Path

from triphase.checkpoints.snapshots import remove_file
from triphase.core.artefacts import read_json

log = logging.getLogger(__name__)

DOWNLOADS = Path("resources/models")
LISTING, MARKER = "listing.json", "weights.json"
GB = 10**9


def store_of(repository, commit):
    """Folder of one commit; a Hugging Face cache that holds nothing else."""
    return DOWNLOADS / repository.replace("/", "--") / commit


def snapshot_of(cache, repository, commit):
    """Folder of a commit's files in a Hugging Face cache."""
    return Path(cache) / f"models--{repository.replace('/', '--')}" / "snapshots" / commit


def folder_of(manifest):
    """Folder of a checkpoint's files, whether its weights are there now or not."""
    if manifest.get("folder"):
        return Path(manifest["folder"])
    return snapshot_of(manifest["cache_dir"], manifest["repository"], manifest["commit"])


def called(manifest):
    """What a checkpoint is called in messages."""
    return f"models: {manifest['repository']} at {manifest['revision']}"


def release_checkpoint(manifest):
    """Remove a checkpoint's weights, as the last step of its join; true when they are gone.

    Only what this workflow downloaded is removed, and only when no job uses it now; a later job fetches it again.
    """
    if not manifest.get("downloaded"):
        return False
    return evict(Path(manifest["cache_dir"]))


def present():
    """Bytes of weights that lie in `resources/models` or are being fetched, by the folder of their commit."""
    found = {}
    for marker in DOWNLOADS.glob(f"*/*/{MARKER}"):
        try:
            found[marker.parent] = json.loads(marker.read_text(encoding="utf-8"))["bytes"]
        except FileNotFoundError:  # removed since it was listed
            continue
    return found


def make_room(store, needed, limit):
    """Remove idle weights, those used longest ago first, until `needed` bytes fit; false when they do not."""
    others = {path: size for path, size in present().items() if path != store}
    room = limit - sum(others.values())
    for path in sorted(others, key=_last_use):
        if needed <= room:
            break
        if evict(path):
            room += others[path]
    return needed <= room


def _last_use(store):
    try:
        return (store / MARKER).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def evict(store):
    """Remove the weights of a commit; false when somebody uses them, or when they belong to another user."""
    descriptor = open_lock(lock_path(store))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (store / MARKER).is_file():
            clear(store)
            log.info("removed the weights in %s", store)
        return True
    except BlockingIOError:
        return False
    except PermissionError:
        log.info("the weights in %s are not this user's to remove", store)
        return False
    finally:
        os.close(descriptor)


def clear(store):
    """Remove the weights of a commit, and what it holds of the budget. The commit's lock is held alone."""
    if not (store / MARKER).is_file():
        return
    for name in read_json(store / MARKER)["weights"]:
        for link in store.glob(f"models--*/snapshots/*/{name}"):
            remove_file(link)
    sweep(store)
    (store / MARKER).unlink(missing_ok=True)


def sweep(store):
    """Remove what downloads that were killed have left. The commit's lock is held alone."""
    for part in store.glob("models--*/blobs/*.incomplete"):
        part.unlink(missing_ok=True)


def lock_path(store):
    """Lock file of a commit."""
    return DOWNLOADS / ".locks" / f"{store.parent.name}--{store.name}"


@contextmanager
def locked(path):
    """Hold a lock file alone while the block lasts."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_lock(path):
    """Descriptor of a lock file; closing it frees the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
    except PermissionError:  # made by another user of a shared folder
        return os.open(path, os.O_RDONLY)
