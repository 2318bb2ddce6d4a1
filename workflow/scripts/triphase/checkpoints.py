"""From a repository and a revision to verified files on disk, and from those to a loaded model.

Weights come out of a folder of the user's, a Hugging Face cache (`cache_dir`, or the user's own, which is only read),
or `resources/models`, where this workflow downloads to (`triphase.weights`).
"""

import json
import logging
import os
import tempfile
import weakref
import zipfile
from pathlib import Path

from triphase import snapshots
from triphase.artefacts import read_json, write_json
from triphase.errors import InputError
from triphase.store import DOWNLOADS, LISTING, folder_of, snapshot_of, store_of
from triphase.weights import ensure_weights

log = logging.getLogger(__name__)


def find_checkpoint(
    repository, revision, cache_dir=None, commit=None, *, folder=None, trust_remote_code=False, retrieve=None
):
    """Find one checkpoint, or what the hub says of it, and describe its files.

    Weights that have to come from the hub are not downloaded here but by the first job that uses them.

    Parameters
    ----------
    repository, revision : str
        Hugging Face repository id and branch, tag or commit.
    cache_dir : path, optional
        A folder in the cache layout that alone is searched; nothing is downloaded then.
    commit : str, optional
        The 40-digit commit that `revision` must resolve to.
    folder : path, optional
        Folder of the checkpoint itself, with config.json, tokenizer and weights; nothing else is searched then.
    trust_remote_code : bool
        Whether the repository's own code may run.
    retrieve : dict with jobs and retries, optional

    Returns
    -------
    dict with repository, revision, commit, cache_dir, files (name to bytes and sha256), weights (names), fingerprint
    (of the weights), tokenizer_hash, architecture, layers (number of hidden layers, without the embedding),
    hidden_size; folder, downloaded and trust_remote_code where they apply

    Raises
    ------
    InputError
        The revision is not there, is not whole, or resolves to another commit than the one that the study pins.
    """
    named = {"repository": repository, "revision": revision}
    if trust_remote_code:
        named["trust_remote_code"] = True
    if folder:
        return {**named, "commit": None, "cache_dir": None, "folder": str(folder), **_described(Path(folder), named)}
    cache = Path(cache_dir) if cache_dir else _user_cache()
    found = _local_commit(cache, repository, revision, commit)
    if found and found == (commit or found):
        about = {**named, "commit": found, "cache_dir": str(cache)}
        return {**about, **_described(snapshot_of(cache, repository, found), named)}
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
    return {**named, **_from_hub(repository, revision, commit, trust_remote_code, retrieve or {})}


def load_model(manifest, *, dtype="float32", device="auto", head=True, max_memory=None, retrieve=None):
    """Load a checkpoint without the network; sharded by accelerate over the GPUs that the job sees.

    The weights stay on disk as long as the model lives.

    Parameters
    ----------
    manifest : dict
        From `find_checkpoint`.
    dtype : str
        Name of a torch dtype.
    device : str
        "auto" (accelerate's device map: GPUs where there are some, then CPU memory, then the disk) or a torch device.
    head : bool
        Whether to load the vocabulary head; without it the model returns hidden states alone.
    max_memory : dict, optional
        Bytes by device (number of a GPU, or "cpu") for "auto", as of `memory_limits`; the rest goes to the disk.
    retrieve : dict, optional
        As of `triphase.weights.ensure_weights`.

    Returns
    -------
    transformers.PreTrainedModel in evaluation mode

    Raises
    ------
    InputError
        A file is missing, cut short, or holds code; weights lack tensors of the model; the repository needs its own
        code and the study does not name it in `trust_remote_code`.
    """
    held = ensure_weights(manifest, retrieve)
    offload = tempfile.TemporaryDirectory(prefix="triphase-offload-", ignore_cleanup_errors=True)
    try:
        model = _load(manifest, held.folder, offload.name, dtype, device, head, max_memory)
    except BaseException:
        held.release()
        offload.cleanup()
        raise
    weakref.finalize(model, _let_go, held, offload)
    return model.eval()


def load_tokenizer(manifest):
    """Load a checkpoint's tokenizer offline; InputError where it gives no character offsets (it is not a fast one)."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder_of(manifest),
            local_files_only=True,
            trust_remote_code=manifest.get("trust_remote_code", False),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{_name(manifest)}: its tokenizer cannot be loaded{_remedy(manifest, error)}") from error
    if not tokenizer.is_fast:
        raise InputError(
            f"{_name(manifest)}: its tokenizer gives no character offsets; a fast tokenizer (tokenizer.json) is needed"
        )
    return tokenizer


def memory_limits(mem_mb, share=0.8):
    """Bytes by device for `load_model`: a share of the job's memory, and of what is free on each GPU that it sees."""
    import torch

    limits = {"cpu": int(mem_mb * 1e6 * share)}
    for device in range(torch.cuda.device_count()):
        limits[device] = int(torch.cuda.mem_get_info(device)[0] * share)
    return limits


def _load(manifest, folder, offload, dtype, device, head, max_memory):
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    try:
        snapshots.check_whole(folder, manifest["files"])
        for name in snapshots.weights_in(folder):
            _check_pickle(folder / name)
    except InputError as error:
        raise InputError(f"{_name(manifest)}: {error}") from None
    options = {"max_memory": max_memory, "offload_folder": offload} if device == "auto" and max_memory else {}
    try:
        model, report = (AutoModelForCausalLM if head else AutoModel).from_pretrained(
            folder,
            local_files_only=True,
            dtype=dtype,
            device_map=device,
            trust_remote_code=manifest.get("trust_remote_code", False),
            output_loading_info=True,
            **options,
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # each format of weights has its own class
        raise InputError(f"{_name(manifest)}: cannot be loaded from {folder}{_remedy(manifest, error)}") from error
    # transformers only warns, and goes on with random numbers in their place.
    if lacking := sorted(report["missing_keys"]):
        raise InputError(
            f"{_name(manifest)}: the weights in {folder} lack {len(lacking)} tensors of the model, {lacking[0]} first; "
            "the checkpoint is not whole, or its config.json is another model's"
        )
    return model


def _check_pickle(path):
    """InputError where a file of the older format is cut short, or holds more than tensors."""
    import pickle

    import torch

    if path.suffix != ".bin":
        return
    try:
        torch.load(path, map_location="meta", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        what = str(error).split("WeightsUnpickler error:")[-1].split("\n")[0].strip()
        raise InputError(
            f"{path} holds more than tensors, and reading it could run code ({what}); take a revision with "
            "safetensors, or convert this one where you trust it and give the result as local_folder"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        what = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise InputError(f"{path} is cut short or damaged ({what}); delete it to have it fetched again") from None


def _let_go(held, offload):
    held.release()
    offload.cleanup()


def _name(manifest):
    return f"models: {manifest['repository']} at {manifest['revision']}"


def _remedy(manifest, error):
    if "trust_remote_code" in str(error):
        return (
            ": it needs code of the repository; name the repository in trust_remote_code if you have read that code "
            "and trust it"
        )
    return f" ({type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]})"


def _described(folder, named):
    try:
        if missing := snapshots.lacking(folder):
            raise InputError(f"{folder} lacks {missing}")
        snapshots.check_whole(folder)
        return snapshots.describe(folder)
    except InputError as error:
        raise InputError(f"{_name(named)}: {error}") from None
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{_name(named)} is not whole in {folder}: {error!r}") from error


def _from_hub(repository, revision, commit, code, retrieve):
    """The part of a manifest that the hub's listing determines; small files are downloaded, weights are not."""
    from triphase import hub

    listing = _listing(repository, revision, commit)
    commit, files = listing["commit"], listing["files"]
    store = store_of(repository, commit)
    folder, small = snapshot_of(store, repository, commit), snapshots.small_files(files, code)
    if not all((folder / name).is_file() for name in small):
        bounds = {key: value for key, value in retrieve.items() if key in ("jobs", "retries")}
        hub.download(repository, commit, small, store, revision=revision, **bounds)
    chosen = snapshots.weight_files(files, lambda name: json.loads((folder / name).read_bytes()))
    absent = [name for name in chosen if name not in files]
    if "config.json" not in files or not chosen or absent or not set(snapshots.TOKENIZERS) & set(files):
        what = absent or ["config.json, a tokenizer (tokenizer.json) or weights (safetensors, or pytorch_model.bin)"]
        raise InputError(f"models: revision {revision!r} of {repository!r} lacks {', '.join(what)} on the hub")
    known = sorted({*listing.get("revisions", []), revision})
    if known != listing.get("revisions"):
        write_json(store / LISTING, {**listing, "revisions": known})
    manifest = {"commit": commit, "cache_dir": str(store), "downloaded": True}
    held = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": snapshots.sha256(folder / name)} for name in small
    }
    described = {name: files[name] for name in chosen}
    if any("sha256" not in file for file in described.values()):
        # Files so small that the hub gives no sha256 of them.
        needed = {name: files[name] for name in [*small, *chosen]}
        about = {"repository": repository, "revision": revision, **manifest, "files": needed, "weights": chosen}
        with ensure_weights(about, retrieve):
            for name in chosen:
                described[name] = {"bytes": files[name]["bytes"], "sha256": snapshots.read_sha256(folder / name)}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {**manifest, **snapshots.described({**held, **described}, chosen, config)}


def _listing(repository, revision, commit):
    """What the hub says of a revision, or said when it was asked last where it cannot be reached."""
    from triphase import hub

    recorded = [read_json(path) for path in DOWNLOADS.glob(f"{repository.replace('/', '--')}/*/{LISTING}")]
    if commit and (same := [entry for entry in recorded if entry["commit"] == commit]):
        return same[0]
    try:
        return hub.listing(repository, commit or revision)
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
    refs = snapshot_of(cache, repository, "").parent / "refs"
    return sorted(str(path.relative_to(refs)) for path in refs.rglob("*") if path.is_file())


def _local_commit(cache, repository, revision, commit):
    """The commit that lies whole in a cache: the pinned one where it does, else that of the revision; or None."""
    ref = snapshot_of(cache, repository, "").parent / "refs" / revision
    named = ref.read_text().strip() if ref.is_file() else revision
    for candidate in dict.fromkeys([commit or named, named]):
        if snapshots.lacking(snapshot_of(cache, repository, candidate)) is None:
            return candidate
    return None
