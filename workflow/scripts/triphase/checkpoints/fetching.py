"""A checkpoint's weights on this machine while a job uses them: fetched where they are not there, within a budget."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from triphase.checkpoints import hub
from triphase.checkpoints.cache import (
    DOWNLOADS,
    MARKER,
    Manifest,
    checkpoint_folder,
    checkpoint_label,
    clear,
    make_room,
    sweep,
    weights_lock,
)
from triphase.checkpoints.snapshots import remove_file
from triphase.core.artefacts import read_json, write_json
from triphase.core.errors import InputError
from triphase.core.hashing import file_sha256
from triphase.core.locking import Lock, locked
from triphase.core.retry import poll
from triphase.core.units import GB

log = logging.getLogger(__name__)

# Seconds between two looks at whether there is room.
LOOK = 1.0


class Weights:
    """A checkpoint's folder, held for use: nobody removes its weights before `release`, or the end of the process."""

    def __init__(self, folder: Path, lock: Lock | None = None) -> None:
        self.folder, self._lock = folder, lock

    def release(self) -> None:
        """Let others remove the weights; more than once does no harm."""
        if self._lock:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def ensure_weights(manifest: Manifest, execution: dict[str, Any] | None = None) -> Weights:
    """Have a checkpoint's weights on this machine and keep them there while the caller uses them.

    Weights in a folder of the user's, or in the user's own cache, are used where they lie. Others are downloaded when
    they are not there; a budget makes room by removing the weights that were not used for longest and that nobody uses
    now, and waits where all are in use.

    Parameters
    ----------
    manifest : dict, from `triphase.checkpoints.find.find_checkpoint`
    execution : dict with disk_gb (GB of weights that may lie in resources/models at once; None: no bound), transfers
        and retries: of the config's `execution`

    Returns
    -------
    Weights

    Raises
    ------
    InputError
        The files cannot be had, are not those of the manifest, or alone are larger than the budget; the user's own are
        no longer where they were.
    """
    if not manifest.get("downloaded"):
        _check_there(manifest)
        return Weights(checkpoint_folder(manifest))
    options = {"disk_gb": None, "transfers": 4, "retries": 3, **(execution or {})}
    cache = Path(manifest["cache_dir"])
    lock = weights_lock(cache)
    try:
        while True:
            lock.acquire(shared=True, waiting=f"{checkpoint_label(manifest)}: its weights are being fetched")
            if _whole(cache, manifest):
                with suppress(PermissionError):  # a folder that is shared, and whose owner is another
                    os.utime(cache / MARKER)
                return Weights(checkpoint_folder(manifest), lock)
            # Who waited for it would wait for all that use the weights once another has fetched them.
            if lock.acquire(wait=False) and not _whole(cache, manifest):
                needed = sum(manifest["files"][name]["bytes"] for name in manifest["weights"])
                _reserve(cache, needed, options["disk_gb"], manifest)
                _fetch(cache, manifest, needed, options)
    except BaseException:
        lock.release()
        raise


def _check_there(manifest):
    """InputError when files in the user's own cache or folder have gone since the checkpoint was found there."""
    folder = checkpoint_folder(manifest)
    gone = [name for name in manifest["files"] if not (folder / name).is_file()]
    if not gone:
        return
    more, remedy = f" and {len(gone) - 1} more" * (len(gone) > 1), "put it back"
    if manifest["commit"]:
        remedy += f" (hf download {manifest['repository']} --revision {manifest['commit']})"
    raise InputError(
        f"models: {checkpoint_label(manifest)}: {folder / gone[0]}{more} has gone since the checkpoint was found "
        f"there; {remedy}, or delete the checkpoint's .json in results/<study>/models to have it looked for again"
    )


def _whole(cache, manifest):
    """Whether the weights are there and were verified, and the small files beside them."""
    if not (cache / MARKER).is_file() or not read_json(cache / MARKER)["whole"]:
        return False
    folder = checkpoint_folder(manifest)
    sizes = {name: (folder / name).stat().st_size for name in manifest["files"] if (folder / name).is_file()}
    return all(sizes.get(name) == file["bytes"] for name, file in manifest["files"].items())


def _reserve(cache, needed, disk_gb, manifest):
    """Enter what is to be fetched into the budget, once there is room. The commit's lock is held alone."""
    label = checkpoint_label(manifest)
    if disk_gb is not None and needed > disk_gb * GB:
        raise InputError(
            f"execution/disk_gb: {disk_gb} GB is too little: the weights of {label} alone have {needed / GB:.3g} GB"
        )

    def reserved():
        with locked(DOWNLOADS / ".locks" / "budget"):
            if disk_gb is None or make_room(cache, needed, disk_gb * GB):
                write_json(cache / MARKER, {"bytes": needed, "weights": manifest["weights"], "whole": False})
                return True
            # Two that wait, each with remains of a killed run, would keep the room from one another for ever.
            clear(cache)
            return None

    poll(reserved, LOOK, f"{label}: {disk_gb} GB are in use by other jobs; waiting for room")


def _fetch(cache, manifest, needed, options):
    """Download and verify the weights; what is there already is kept when its content is right."""
    sweep(cache)
    bounds = {"revision": manifest["revision"], **{key: options[key] for key in ("transfers", "retries")}}
    for final in (False, True):
        hub.download(manifest["repository"], manifest["commit"], manifest["files"], cache, **bounds)
        wrong = [name for name in manifest["weights"] if not _verified(manifest, name)]
        if not wrong:
            write_json(cache / MARKER, {"bytes": needed, "weights": manifest["weights"], "whole": True})
            return
        for name in wrong:
            remove_file(checkpoint_folder(manifest) / name)
        if not final:
            log.warning("%s is not what the hub says it is: fetching again", ", ".join(wrong))
    raise InputError(
        f"models: {checkpoint_label(manifest)}: {', '.join(wrong)} came twice with other content than the hub says; "
        "try again later, or report it there"
    )


def _verified(manifest, name):
    """Whether a file has the size and the content that the manifest says."""
    path, promised = checkpoint_folder(manifest) / name, manifest["files"][name]
    if not path.is_file() or path.stat().st_size != promised["bytes"]:
        return False
    return "sha256" not in promised or file_sha256(path) == promised["sha256"]
