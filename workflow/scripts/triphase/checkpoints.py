"""From a repository and a revision to verified files on disk, and from those to a loaded model.

Weights always come out of a folder in the Hugging Face cache layout: the study's own (`cache_dir`), the user's cache,
which is only read, or `resources/models`, where this workflow downloads to.
"""

import hashlib
import json
import os
from pathlib import Path

from triphase.errors import InputError

DOWNLOADS = "resources/models"
NEEDED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.bin"]


def find_checkpoint(repository, revision, cache_dir=None, commit=None):
    """Find one revision in the caches, or download it, and describe what lies there.

    Parameters
    ----------
    repository, revision : str
        Hugging Face repository id and branch, tag or commit.
    cache_dir : path, optional
        A folder in the cache layout that alone is searched; nothing is downloaded then.
    commit : str, optional
        The 40-digit commit that `revision` must resolve to.

    Returns
    -------
    dict with repository, revision, commit, cache_dir, files (name to bytes and sha256), fingerprint (of the weights),
    tokenizer_hash, architecture, layers (number of hidden layers, without the embedding), hidden_size

    Raises
    ------
    InputError
        The revision is not there, is not whole, or resolves to another commit than the one that the study pins.
    """
    caches = [Path(cache_dir)] if cache_dir else [_user_cache(), Path(DOWNLOADS)]
    cache, found = next(((c, r) for c in caches if (r := _local_commit(c, repository, revision))), (None, None))
    if found is None:
        if cache_dir:
            raise InputError(
                f"models: revision {revision!r} of {repository!r} is not in {cache_dir}; there are: "
                f"{', '.join(_revisions(Path(cache_dir), repository)) or 'none'}"
            )
        cache, found = Path(DOWNLOADS), _download(repository, revision)
    if commit and commit != found:
        raise InputError(
            f"models: revision {revision!r} of {repository!r} is commit {found}, the study pins {commit}; "
            "take the pin out of the config or ask for the pinned commit as the revision"
        )
    return _describe(cache, repository, revision, found)


def load_model(manifest, *, dtype="float32", device="auto"):
    """Load a checkpoint with its vocabulary head, offline; sharded by accelerate over the GPUs that the job sees.

    Parameters
    ----------
    manifest : dict
        From `find_checkpoint`.
    dtype : str
        Name of a torch dtype.
    device : str
        "auto" (accelerate's device map: GPUs where there are some, else CPU) or a torch device.

    Returns
    -------
    transformers.PreTrainedModel in evaluation mode
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        manifest["repository"],
        revision=manifest["commit"],
        cache_dir=manifest["cache_dir"],
        local_files_only=True,
        dtype=dtype,
        device_map=device,
    )
    return model.eval()


def load_tokenizer(manifest):
    """Load a checkpoint's tokenizer offline; InputError where it gives no character offsets (it is not a fast one)."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        manifest["repository"],
        revision=manifest["commit"],
        cache_dir=manifest["cache_dir"],
        local_files_only=True,
    )
    if not tokenizer.is_fast:
        raise InputError(
            f"models: the tokenizer of {manifest['repository']!r} gives no character offsets; "
            "a fast tokenizer (tokenizer.json) is needed"
        )
    return tokenizer


def _user_cache():
    home = os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE", Path(home) / "hub"))


def _folder(cache, repository):
    return cache / f"models--{repository.replace('/', '--')}"


def _revisions(cache, repository):
    refs = _folder(cache, repository) / "refs"
    return sorted(str(path.relative_to(refs)) for path in refs.rglob("*") if path.is_file())


def _local_commit(cache, repository, revision):
    """The commit of a revision that lies whole in a cache, else None."""
    folder = _folder(cache, repository)
    ref = folder / "refs" / revision
    commit = ref.read_text().strip() if ref.is_file() else revision
    snapshot = folder / "snapshots" / commit
    return commit if _whole(snapshot) else None


def _whole(snapshot):
    """Whether a snapshot has its config, a tokenizer and every weight file; a download that was cut short lacks some.

    Links of a cache that lead nowhere do not count as files.
    """
    weights = {path.name for path in _weights(snapshot) if path.is_file()}
    if not weights or not (snapshot / "config.json").is_file():
        return False
    if not any((snapshot / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        return False
    kind = "*.safetensors" if any(name.endswith(".safetensors") for name in weights) else "pytorch_model*.bin"
    indices = [path for path in snapshot.glob(f"{kind}.index.json") if path.is_file()]
    if not indices:
        return not any("-of-" in name for name in weights)
    return all(set(json.loads(path.read_bytes())["weight_map"].values()) <= weights for path in indices)


def _weights(snapshot):
    """Weight files of a snapshot: safetensors where there are some, else the older `.bin` shards."""
    return sorted(snapshot.glob("*.safetensors")) or sorted(snapshot.glob("pytorch_model*.bin"))


def _download(repository, revision):
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision, cache_dir=DOWNLOADS, allow_patterns=NEEDED)).name
    except Exception as error:  # the hub's errors have no common class, and offline they do not name the revision
        raise InputError(
            f"models: revision {revision!r} of {repository!r} can't be downloaded and is in no local cache "
            f"({type(error).__name__}: {str(error).splitlines()[0]}); check the name, or go online"
        ) from error


def _describe(cache, repository, revision, commit):
    snapshot = _folder(cache, repository) / "snapshots" / commit
    try:
        files = {path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in snapshot.iterdir()}
        config = json.loads((snapshot / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"models: {repository!r} at {revision!r} is not whole in {cache}: {error}") from error
    weights = [f"{path.name} {files[path.name]['sha256']}" for path in _weights(snapshot)]
    return {
        "repository": repository,
        "revision": revision,
        "commit": commit,
        "cache_dir": str(cache),
        "files": files,
        "fingerprint": hashlib.sha256("\n".join(weights).encode()).hexdigest(),
        "tokenizer_hash": files.get("tokenizer.json", {}).get("sha256", ""),
        "architecture": (config.get("architectures") or [config.get("model_type", "")])[0],
        "layers": config["num_hidden_layers"],
        "hidden_size": config["hidden_size"],
    }


def _sha256(path):
    """Large files of a cache are named by their sha256; others are read."""
    blob = path.resolve().name
    if len(blob) == 64 and all(digit in "0123456789abcdef" for digit in blob):
        return blob
    return hashlib.sha256(path.read_bytes()).hexdigest()
