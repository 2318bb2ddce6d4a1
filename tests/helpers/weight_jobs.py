"""Jobs of a study that share the weights of a hub, to be run in processes of their own."""

import os
import time

from triphase.checkpoints.cache import release_checkpoint
from triphase.checkpoints.fetching import ensure_weights
from triphase.checkpoints.find import find_checkpoint
from triphase.core.artefacts import read_json, write_json
from triphase.core.hashing import file_sha256


def job(folder, url, what, study, step, disk_gb):
    """One job of a study, as the scripts of the rules do it: a checkpoint is found, used for a moment, or joined."""
    os.chdir(folder)
    os.environ.update(HF_ENDPOINT=url, HF_HUB_CACHE=f"{folder}/empty")
    manifest = f"results/{study}/models/{step}.json"
    if what == "fetch":
        write_json(manifest, find_checkpoint("org/m", f"step{step}"))
    elif what == "join":
        release_checkpoint(read_json(manifest))
        write_json(f"results/{study}/{step}.json", read_json(f"results/{study}/{step}.use2"))
    else:
        with ensure_weights(read_json(manifest), {"disk_gb": disk_gb}) as held:
            time.sleep(0.02)
            write_json(f"results/{study}/{step}.{what}", {"sha256": file_sha256(held.folder / "model.safetensors")})
