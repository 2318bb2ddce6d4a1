"""Weights that this workflow downloads: there while a job uses them, and within a budget of the disk."""

import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from triphase.checkpoints.snapshots import read_sha256, remove_file
from triphase.checkpoints.store import (
    DOWNLOADS,
    GB,
    MARKER,
    clear,
    folder_of,
    lock_path,
    locked,
    make_room,
    open_lock,
    sweep,
)
from triphase.core.artefacts import read_json, write_json
from triphase.core.errors import InputError

log = logging.getLogger(__name__)

# Seconds between two looks at whether there is room.
LOOK = 1.0


class Weights:
    """A checkpoint's folder, held for use: nobody removes its weights before `release`, or the end of the process."""

    def __init__(self, folder, descriptor=None):
        self.folder, self._descriptor = Path(folder), descriptor

    def release(self):
        """Give the weights free; more than once does no harm."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


def ensure_weights(manifest, retrieve=None):
    """Have a checkpoint's weights on this machine and keep them there while the caller uses them.

    Weights in a folder of the user's, or in the user's own cache, are used where they lie. Others are downloaded when
    they are not there; a budget makes room by removing the weights that were not used for longest and that nobody uses
    now, and waits where all are in use.

    Parameters
    ----------
    manifest : dict, from `triphase.checkpoints.find.find_checkpoint`
    retrieve : dict with disk_gb (GB of weights that may lie in resources/models at once; None: no bound), transfers and
        retries: of the config's `execution`

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
        return Weights(folder_of(manifest))
    options = {"disk_gb": None, "transfers": 4, "retries": 3, **(retrieve or {})}
    store = Path(manifest["cache_dir"])
    descriptor = open_lock(lock_path(store))
    try:
        while True:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _whole(store, manifest):
                with suppress(PermissionError):  # a folder that is shared, and whose owner is another
                    os.utime(store / MARKER)
                return Weights(folder_of(manifest), descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _whole(store, manifest):
                needed = sum(manifest["files"][name]["bytes"] for name in manifest["weights"])
                _reserve(store, needed, options["disk_gb"], manifest)
                _fetch(store, manifest, needed, options)
    except BaseException:
        os.close(descriptor)
        raise


def _check_there(manifest):
    """InputError when files in the user's own cache or folder have gone since the checkpoint was found there."""
    folder = folder_of(manifest)
    gone = [name for name in manifest["files"] if not (folder / name).is_file()]
    if not gone:
        return
    what, more = f"{manifest['repository']} at {manifest['revision']}", f" and {len(gone) - 1} more" * (len(gone) > 1)
    remedy = "put it back"
    if manifest["commit"]:
        remedy += f" (hf download {manifest['repository']} --revision {manifest['commit']})"
    raise InputError(
        f"models: {what}: {folder / gone[0]}{more} has gone since the checkpoint was found there; {remedy}, or delete "
        "the checkpoint's .json in results/<study>/models to have it looked for again"
    )


def _whole(store, manifest):
    """Whether the weights are there and were verified, and the small files beside them."""
    if not (store / MARKER).is_file() or not read_json(store / MARKER)["whole"]:
        return False
    folder = folder_of(manifest)
    sizes = {name: (folder / name).stat().st_size for name in manifest["files"] if (folder / name).is_file()}
    return all(sizes.get(name) == file["bytes"] for name, file in manifest["files"].items())


def _reserve(store, needed, disk_gb, manifest):
    """Enter what is to be fetched into the budget, once there is room. The commit's lock is held alone."""
    what = f"{manifest['repository']} at {manifest['revision']}"
    if disk_gb is not None and needed > disk_gb * GB:
        raise InputError(
            f"execution/disk_gb: {disk_gb} GB is too little: the weights of {what} alone have {needed / GB:.3g} GB"
        )
    waited = False
    while True:
        with locked(DOWNLOADS / ".locks" / "budget"):
            if disk_gb is None or make_room(store, needed, disk_gb * GB):
                write_json(store / MARKER, {"bytes": needed, "weights": manifest["weights"], "whole": False})
                return
            # Two that wait, each with remains of a killed run, would keep the room from one another for ever.
            clear(store)
        if not waited:
            log.info("%s: %g GB are in use by other jobs; waiting for room", what, disk_gb)
        waited = True
        time.sleep(LOOK)


def _fetch(store, manifest, needed, options):
    """Download and verify the weights; what is there already is kept when its content is right."""
    from triphase.checkpoints.hub import download

    sweep(store)
    bounds = {"revision": manifest["revision"], **{key: options[key] for key in ("transfers", "retries")}}
    for tried in range(2):
        download(manifest["repository"], manifest["commit"], manifest["files"], store, **bounds)
        wrong = [name for name in manifest["weights"] if not _verified(manifest, name)]
        if not wrong:
            write_json(store / MARKER, {"bytes": needed, "weights": manifest["weights"], "whole": True})
            return
        for name in wrong:
            remove_file(folder_of(manifest) / name)
        if tried:
            raise InputError(
                f"models: {manifest['repository']} at {manifest['revision']}: {', '.join(wrong)} came twice with other "
                "content than the hub says; try again later, or report it there"
            )
        log.warning("%s is not what the hub says it is: fetching again", ", ".join(wrong))


def _verified(manifest, name):
    """Whether a file has the size and the content that the manifest says."""
    path, promised = folder_of(manifest) / name, manifest["files"][name]
    if not path.is_file() or path.stat().st_size != promised["bytes"]:
        return False
    return "sha256" not in promised or read_sha256(path) == promised["sha256"]
