"""What lies in the folder of a checkpoint: which files are its weights, whether they are whole, and what they hash to.

A checkpoint's folder holds config.json, a tokenizer and weights, as a snapshot of a Hugging Face cache does. Nothing
here needs torch or the network.
"""

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

from triphase.core.artefacts import read_json
from triphase.core.errors import InputError
from triphase.core.formats import TOKENIZERS
from triphase.core.hashing import file_sha256
from triphase.core.types import Section

INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SMALL = (".json", ".model", ".txt")


def weight_files(names: Iterable[str], index: Callable[[str], Section] | None = None) -> list[str]:
    """Names of the weight files that are loaded, among the names of a checkpoint's files.

    Safetensors where there are some, else the older `pytorch_model*.bin`; those of the index where there is one.

    Parameters
    ----------
    names : iterable of str
    index : function, optional, from the name of an index file to its content, a dict with `weight_map`
    """
    names = sorted(names)
    kinds = ([n for n in names if n.endswith(".safetensors")], [n for n in names if _is_bin(n)])
    for found, listed in zip(kinds, INDICES, strict=True):
        if not found:
            continue
        if index and listed in names:
            return sorted(set(index(listed)["weight_map"].values()))
        single = listed.removesuffix(".index.json")
        return [single] if single in found else found
    return []


def small_files(names: Iterable[str], code: bool = False) -> list[str]:
    """Names of the other files that a checkpoint needs: config, tokenizer, index; Python files where `code` is true."""
    suffixes = (*SMALL, ".py") if code else SMALL
    return sorted(name for name in names if "/" not in name and name.endswith(suffixes))


def lacking(folder: str | Path) -> str | None:
    """Text that says what a folder lacks to be a whole checkpoint, or None.

    Links that lead nowhere do not count as files.
    """
    folder = Path(folder)
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return lacking_of(names, lambda name: _index(folder / name))


def lacking_of(names: Iterable[str], index: Callable[[str], Section] | None = None) -> str | None:
    """Text that says what files of these names lack to be a whole checkpoint, or None; `index` as of `weight_files`."""
    names = set(names)
    if "config.json" not in names:
        return "config.json"
    if not names.intersection(TOKENIZERS):
        return f"a tokenizer ({' or '.join(TOKENIZERS)})"
    weights = weight_files(names, index)
    if not weights:
        return "weights (model.safetensors or pytorch_model.bin)"
    if missing := [name for name in weights if name not in names]:
        return ", ".join(missing)
    if "-of-" in weights[0] and not names.intersection(INDICES):
        return f"the index of its shards ({' or '.join(INDICES)})"
    return None


def remove_file(path: str | Path) -> None:
    """Remove a file of a cache with all links on the way to it; nothing happens where there is none."""
    path = Path(path)
    while path.is_symlink():
        target = path.parent / os.readlink(path)
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


def check_whole(folder: str | Path, files: dict[str, Section] | None = None) -> None:
    """InputError when a weight file of a folder is shorter or longer than it says, or than `files` says.

    Parameters
    ----------
    folder : path of a checkpoint's folder
    files : dict of name to dict with bytes, optional
    """
    folder = Path(folder)
    if missing := lacking(folder):
        raise InputError(f"{folder} lacks {missing}; delete it to have it fetched again")
    for name in weights_in(folder):
        path, promised = folder / name, ((files or {}).get(name) or {}).get("bytes")
        size = path.stat().st_size
        needed = promised if promised is not None else promised_size(path)
        if needed is not None and size != needed:
            raise InputError(f"{path} has {size} bytes instead of {needed}; delete it to have it fetched again")


def promised_size(path: Path) -> int | None:
    """Bytes that a safetensors file should have by its own header; None for other files.

    The format: 8 bytes with the length of a JSON header, the header with each tensor's offsets, the data.
    """
    if path.suffix != ".safetensors":
        return None
    try:
        with open(path, "rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > path.stat().st_size:
                return 8 + length
            header = json.loads(file.read(length))
        return 8 + length + max((t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"), default=0)
    except (struct.error, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a safetensors file; delete it to have it fetched again") from None


def weights_in(folder: str | Path) -> list[str]:
    """Names of the weight files of a folder, in order."""
    folder = Path(folder)
    return weight_files((path.name for path in folder.iterdir()), lambda name: _index(folder / name))


def describe(folder: Path) -> Section:
    """Bytes and sha256 of every file of a folder, by name, its config, and the fingerprint of its weights.

    Returns
    -------
    dict with files, weights (names), fingerprint, tokenizer_hash, architecture, layers (hidden ones, without the
    embedding), hidden_size
    """
    folder = Path(folder)
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": cached_sha256(path)}
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
    return described(files, weights_in(folder), json.loads((folder / "config.json").read_text(encoding="utf-8")))


def described(files: dict[str, Section], weights: Iterable[str], config: Section) -> Section:
    """The part of a manifest that files (name to bytes and sha256), the names of weights and config.json determine."""
    lines = [f"{name} {files[name]['sha256']}" for name in weights]
    return {
        "files": files,
        "weights": list(weights),
        "fingerprint": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        "tokenizer_hash": files.get("tokenizer.json", {}).get("sha256", ""),
        "architecture": (config.get("architectures") or [config.get("model_type", "")])[0],
        "layers": config["num_hidden_layers"],
        "hidden_size": config["hidden_size"],
    }


def weight_bytes(path: str | Path) -> int:
    """Bytes of a checkpoint's weight files, from the file of its manifest."""
    manifest = read_json(path)
    return sum(manifest["files"][name]["bytes"] for name in manifest["weights"])


def cached_sha256(path: Path) -> str:
    """Hash of a file's content; a large file of a Hugging Face cache is named by it and is not read.

    The name that counts is that of the first link: it may lead on to a store that names files by another hash.
    """
    if path.is_symlink():
        blob = Path(os.readlink(path))
        if blob.parent.name == "blobs" and len(blob.name) == 64 and set(blob.name) <= set("0123456789abcdef"):
            return blob.name
    return file_sha256(path)


def _is_bin(name):
    return name.startswith("pytorch_model") and name.endswith(".bin")


def _index(path):
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise InputError(f"{path} is not JSON; delete it to have it fetched again") from None
