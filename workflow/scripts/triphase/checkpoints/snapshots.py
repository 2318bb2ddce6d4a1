"""What lies in the folder of a checkpoint: which files are its weights, whether they are whole, and what they hash to.

A checkpoint's folder holds config.json, a tokenizer and weights, as a snapshot of a Hugging Face cache does. Nothing
here needs torch or the network.
"""

import hashlib
import json
import os
import re
import struct
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import NoReturn

from triphase.checkpoints.dimensions import check_vocabulary, dimensions, read_json_object
from triphase.core.artefacts import read_json
from triphase.core.errors import InputError
from triphase.core.formats import TOKENIZERS, has_tokenizer, tokenizer_files
from triphase.core.hashing import file_sha256
from triphase.core.types import Section

INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
# The names that transformers loads; others beside them (adapters, optimisers, other tools' copies) are not the model.
NAMES = (
    re.compile(r"model(-\d+-of-\d+)?\.safetensors"),
    re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin"),
)
SMALL = (".json", ".model", ".txt", ".jinja")
ADAPTER = "adapter_config.json"
SENTENCEPIECE = "tokenizer.model"
TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja")
NUMBERS = ("F64", "F32", "F16", "BF16")


def weight_files(names: Iterable[str], index: Callable[[str], Section] | None = None) -> list[str]:
    """Names of the weight files that are loaded, among the names of a checkpoint's files.

    Safetensors where there are some, else the older `pytorch_model*.bin`; those of the index where there is one.

    Parameters
    ----------
    names : iterable of str
    index : function, optional, from the name of an index file to its content, a dict with `weight_map`
    """
    names = sorted(names)
    for pattern, listed in zip(NAMES, INDICES, strict=True):
        single = listed.removesuffix(".index.json")
        found = [name for name in names if pattern.fullmatch(name)]
        if single in found:
            return [single]
        if index and listed in names:
            return indexed(index(listed), listed)
        if found:
            return found
    return []


def indexed(index: Section, name: str) -> list[str]:
    """Names of the files of an index, which lie beside it; InputError where it is none."""
    held = index.get("weight_map")
    files = sorted(set(map(str, held.values()))) if isinstance(held, dict) else []
    if not files or any("/" in file or not file.endswith((".safetensors", ".bin")) for file in files):
        raise InputError(f"{name} is no index of weights: its weight_map must name the file of every tensor")
    return files


def small_files(names: Iterable[str], code: bool = False) -> list[str]:
    """Names of the other files that a checkpoint needs: config, tokenizer, index; Python files where `code` is true."""
    suffixes = (*SMALL, ".py") if code else SMALL
    return sorted(name for name in names if "/" not in name and name.endswith(suffixes))


def tokenizer_parts(names: Iterable[str]) -> list[str]:
    """Names of the files that a tokenizer is made of, among the names of a checkpoint's files; none where it is not."""
    names = set(names)
    return sorted(names & {*chain(*TOKENIZERS), *TOKENIZER_SETTINGS}) if has_tokenizer(names) else []


def lacking(folder: str | Path) -> str | None:
    """Text that says what a folder lacks to be a whole checkpoint, or None.

    Links that lead nowhere do not count as files.
    """
    folder = Path(folder)
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return lacking_of(names, lambda name: read_json_object(folder / name))


def lacking_of(names: Iterable[str], index: Callable[[str], Section] | None = None) -> str | None:
    """Text that says what files of these names lack to be a whole checkpoint, or None; `index` as of `weight_files`."""
    names = set(names)
    if ADAPTER in names:
        # Beside a whole model it would be added to it where peft is installed, and nowhere else.
        return (
            f"a model of its own, for it is an adapter ({ADAPTER}); merge it with its base (peft: merge_and_unload) "
            f"and give what that saves as local_folder, or take {ADAPTER} away where the model beside it is meant"
        )
    if "config.json" not in names:
        return "config.json"
    if not has_tokenizer(names):
        return f"a tokenizer ({tokenizer_files()})"
    weights = weight_files(names, index)
    if not weights:
        other = sorted(name for name in names if name.endswith((".safetensors", ".bin", ".pt", ".pth", ".h5")))
        return f"weights (model.safetensors or pytorch_model.bin{'; there is ' * bool(other)}{', '.join(other[:3])})"
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
    with open(path, "rb") as file:
        start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if length > path.stat().st_size:
        return 8 + int(length)
    ends = [tensor["data_offsets"][1] for tensor in read_header(path).values()]
    return 8 + int(length) + max(ends, default=0)


def read_header(path: Path) -> dict[str, Section]:
    """Type, shape and place of every tensor of a safetensors file, by name; InputError where it is no such file."""
    try:
        with open(path, "rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(min(length, path.stat().st_size)))
        tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        for tensor in tensors.values():
            _, stop = tensor["data_offsets"]
            if type(stop) is not int or not isinstance(tensor["dtype"], str) or not isinstance(tensor["shape"], list):
                raise TypeError
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path} is not a safetensors file; delete it to have it fetched again") from None
    return tensors


def check_numbers(folder: str | Path, config: Section) -> None:
    """InputError where weights are integers that no quantisation explains, or too few for the layers of the config.

    transformers would take integers for numbers (int8 turns to zeros and ones), and build all layers before it looks.
    """
    folder, tensors = Path(folder), {}
    for name in weights_in(folder):
        if name.endswith(".safetensors"):
            tensors.update({tensor: (name, about) for tensor, about in read_header(folder / name).items()})
    if not tensors:
        return
    if (layers := dimensions(config).layers) > len(tensors):
        raise InputError(
            f"{folder / 'config.json'} says {layers:,} layers, the weights have {len(tensors)} tensors: the config is "
            "another model's; put the model's own there"
        )
    for tensor, (name, about) in tensors.items():
        if tensor.endswith("weight") and about["dtype"] not in NUMBERS and not config.get("quantization_config"):
            refuse_integers(folder / name, tensor, about["dtype"])


def refuse_integers(path: Path, tensor: str, kind: str) -> NoReturn:
    """InputError for a tensor of weights in a type that is no number of a model."""
    raise InputError(
        f"{path}: {tensor} is stored as {kind}, and config.json has no quantization_config, or none that transformers "
        "reads for it, to say what that means; take a revision in float32, bfloat16 or float16"
    )


def weights_in(folder: str | Path) -> list[str]:
    """Names of the weight files of a folder, in order."""
    folder = Path(folder)
    return weight_files((path.name for path in folder.iterdir()), lambda name: read_json_object(folder / name))


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
    return described(files, weights_in(folder), folder)


def described(files: dict[str, Section], weights: Iterable[str], folder: Path) -> Section:
    """The part of a manifest that files (name to bytes and sha256), names of weights and small files determine.

    Raises
    ------
    InputError
        What config.json and the tokenizer in `folder` say is no model's.
    """
    if not has_tokenizer(set(files) - {SENTENCEPIECE}) and not find_spec("sentencepiece"):
        raise InputError(
            f"its only tokenizer is {SENTENCEPIECE}, which gives no character offsets; a tokenizer.json is made of it, "
            "once, where sentencepiece and protobuf are installed, by AutoTokenizer.from_pretrained(…)."
            "save_pretrained(…); give the folder with it as local_folder"
        )
    config = read_json_object(folder / "config.json")
    size = dimensions(config)
    check_vocabulary(folder / "tokenizer.json", size.vocabulary)
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else config.get("model_type", "")
    lines = [f"{name} {files[name]['sha256']}" for name in weights]
    return {
        "files": files,
        "weights": list(weights),
        "fingerprint": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        "tokenizer_hash": files.get("tokenizer.json", {}).get("sha256", ""),
        "architecture": str(named),
        "layers": size.layers,
        "hidden_size": size.width,
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
