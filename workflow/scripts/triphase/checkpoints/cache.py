"""Where weights that this workflow downloads lie, how much of the disk they take, and how they are removed.

Each commit has a folder of its own, `resources/models/{owner}--{name}/{commit}`, in the layout of a Hugging Face cache.
Config and tokenizer stay there; weights come (`triphase.checkpoints.fetching`) and go:

- the lock of a commit is held shared while a job uses its weights, and alone while they are fetched or removed;
- the lock of the budget is held while a job counts what is there and enters what it is about to fetch.
"""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from triphase.checkpoints.snapshots import remove_file
from triphase.core.artefacts import read_json, write_json
from triphase.core.locking import Lock
from triphase.core.types import Section

log = logging.getLogger(__name__)

DOWNLOADS = Path("resources/models")
LISTING, MARKER = "listing.json", "weights.json"

Manifest = dict[str, Any]


def cache_folder(repository: str, commit: str) -> Path:
    """Folder of one commit; a Hugging Face cache that holds nothing else."""
    return DOWNLOADS / repository.replace("/", "--") / commit


def snapshot_folder(cache: str | Path, repository: str, commit: str) -> Path:
    """Folder of a commit's files in a Hugging Face cache."""
    return Path(cache) / f"models--{repository.replace('/', '--')}" / "snapshots" / commit


def recorded_listings(repository: str) -> list[Section]:
    """What the hub has said of commits of a repository: commit, files, and the names of revisions that were it."""
    paths = DOWNLOADS.glob(f"{repository.replace('/', '--')}/*/{LISTING}")
    return [read_json(path) for path in sorted(paths)]


def record_listing(repository: str, listing: Section, revision: str) -> None:
    """Keep what the hub says of a commit, which can't change, so that nobody need ask again."""
    path = cache_folder(repository, listing["commit"]) / LISTING
    revisions = sorted({*listing.get("revisions", []), revision})
    if revisions != listing.get("revisions"):
        write_json(path, {**listing, "revisions": revisions})


def checkpoint_folder(manifest: Manifest) -> Path:
    """Folder of a checkpoint's files, whether its weights are there now or not."""
    if manifest.get("folder"):
        return Path(manifest["folder"])
    return snapshot_folder(manifest["cache_dir"], manifest["repository"], manifest["commit"])


def checkpoint_label(manifest: Manifest) -> str:
    """A checkpoint's repository and revision, for messages."""
    return f"{manifest['repository']} at {manifest['revision']}"


def release_checkpoint(manifest: Manifest) -> bool:
    """Remove a checkpoint's weights, as the last step of its join; true when they are gone.

    Only what this workflow downloaded is removed, and only when no job uses it now; a later job fetches it again.
    """
    return bool(manifest.get("downloaded")) and evict(Path(manifest["cache_dir"]))


def weights_on_disk() -> dict[Path, int]:
    """Bytes of weights that lie in `resources/models` or are being fetched, by the folder of their commit."""
    sizes = {}
    for marker in DOWNLOADS.glob(f"*/*/{MARKER}"):
        with suppress(FileNotFoundError):  # removed since it was listed
            sizes[marker.parent] = read_json(marker)["bytes"]
    return sizes


def make_room(cache: Path, needed: int, limit: float) -> bool:
    """Remove idle weights, those used longest ago first, until `needed` bytes fit; false when they do not."""
    others = {path: size for path, size in weights_on_disk().items() if path != cache}
    room = limit - sum(others.values())
    for path in sorted(others, key=_last_use):
        if needed <= room:
            break
        if evict(path):
            room += others[path]
    return needed <= room


def evict(cache: Path) -> bool:
    """Remove the weights of a commit; false when somebody uses them, or when they belong to another user."""
    with weights_lock(cache) as lock:
        if not lock.acquire(wait=False):
            return False
        try:
            if (cache / MARKER).is_file():
                clear(cache)
                log.info("removed the weights in %s", cache)
        except PermissionError:
            log.info("the weights in %s are not this user's to remove", cache)
            return False
    return True


def clear(cache: Path) -> None:
    """Remove the weights of a commit, and what it holds of the budget. The commit's lock is held alone."""
    if not (cache / MARKER).is_file():
        return
    for name in read_json(cache / MARKER)["weights"]:
        for link in cache.glob(f"models--*/snapshots/*/{name}"):
            remove_file(link)
    sweep(cache)
    (cache / MARKER).unlink(missing_ok=True)


def sweep(cache: Path) -> None:
    """Remove what downloads that were killed have left. The commit's lock is held alone."""
    for part in cache.glob("models--*/blobs/*.incomplete"):
        part.unlink(missing_ok=True)


def weights_lock(cache: Path) -> Lock:
    """Lock of a commit's weights."""
    return Lock(DOWNLOADS / ".locks" / f"{cache.parent.name}--{cache.name}")


def _last_use(cache):
    try:
        return (cache / MARKER).stat().st_mtime
    except FileNotFoundError:
        return 0.0
