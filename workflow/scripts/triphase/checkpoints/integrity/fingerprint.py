"""The fingerprint of one checkpoint: enough of every tensor to compare it with the same tensor at any other step.

Per tensor: sha256 of its bytes, its exact mean, standard deviation and extremes, and its values at fixed coordinates
(the sketch). The coordinates follow from the tensor's name and shape alone, so that they are the same at every step:
the largest difference over a sketch is then a lower bound of the true largest difference, and a rule that is violated
on the sketch is violated.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from triphase.checkpoints.integrity.mark import STATISTICS, Fingerprint
from triphase.checkpoints.integrity.reading import read_tensors
from triphase.checkpoints.integrity.tokenizer import describe_tokenizer
from triphase.core.types import Section

POINTS = 4096  # values of a tensor that its sketch holds at most
CHUNK = 1 << 21  # values of a tensor that are converted at a time
PRODUCT = 1024  # values whose squares are summed in single precision
# What decides the shapes and the arithmetic of a model; the rest of config.json varies with the library's release.
CONFIG = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "rms_norm_eps",
    "tie_word_embeddings",
    "use_parallel_residual",
    "initializer_range",
    "max_position_embeddings",
)


def coordinates(name: str, shape: Sequence[int]) -> np.ndarray:
    """Sorted flat coordinates of a sketch: all of a small tensor, at most `POINTS` distinct ones of a large one."""
    size = int(np.prod(shape, dtype=np.int64))
    if size <= POINTS:
        return np.arange(size)
    seed = hashlib.sha256(f"{name} {tuple(int(length) for length in shape)}".encode()).digest()
    drawn = np.random.default_rng(list(seed)).integers(size, size=2 * POINTS)
    _, first = np.unique(drawn, return_index=True)
    return np.sort(drawn[np.sort(first)[:POINTS]])


def fingerprint_folder(folder: Path, hashes: dict[str, str] | None = None) -> Fingerprint:
    """Fingerprint of a snapshot on disk.

    Parameters
    ----------
    folder : pathlib.Path
    hashes : dict of file name to sha256, optional, of the weight files, as the fetching stage knows them

    Raises
    ------
    InputError : a file is cut short, damaged or would run code
    """
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return fingerprint_tensors(
        read_tensors(folder),
        weights=hashes,
        tokenizer=describe_tokenizer(folder),
        config={key: config[key] for key in CONFIG if key in config},
    )


def fingerprint_tensors(
    tensors: Iterable[tuple[str, str, Any]],
    weights: dict[str, str] | None = None,
    tokenizer: Section | None = None,
    config: Section | None = None,
) -> Fingerprint:
    """Fingerprint of tensors.

    Parameters
    ----------
    tensors : iterable of (name, file, numpy.ndarray or torch.Tensor)
    weights, tokenizer, config : dict, optional, see `Fingerprint`
    """
    with ThreadPoolExecutor(1) as hasher:
        rows = sorted((_row(name, file, tensor, hasher) for name, file, tensor in tensors), key=lambda row: row["name"])
    lengths = np.array([len(row["sketch"]) for row in rows], dtype=np.int64)
    column = {key: tuple(row[key] for row in rows) for key in ("name", "file", "dtype", "hash", "shape")}
    return Fingerprint(
        names=column["name"],
        files=column["file"],
        dtypes=column["dtype"],
        hashes=column["hash"],
        shapes=column["shape"],
        **{key: np.array([row[key] for row in rows], dtype=np.int64) for key in ("count", "nonfinite")},
        **{key: np.array([row[key] for row in rows], dtype=np.float64) for key in STATISTICS},
        sketch=np.concatenate([row["sketch"] for row in rows]) if rows else np.zeros(0, np.float32),
        starts=np.cumsum(lengths) - lengths,
        weights={file: (weights or {}).get(file, "") for file in sorted(set(column["file"]))},
        tokenizer=tokenizer or {"hash": "", "entries": 0},
        config=config or {},
    )


def _row(name, file, tensor, hasher):
    kind, shape, flat = _plain(tensor)
    # The hash lets go of the interpreter, so that the statistics of the same tensor are computed beside it.
    hashed = hasher.submit(lambda: hashlib.sha256(flat.view(np.uint8)).hexdigest())
    row = {
        "name": name,
        "file": file,
        "dtype": kind,
        "shape": shape,
        "count": flat.size,
        "sketch": _float32(flat[coordinates(name, shape)], kind),
        **_statistics(flat, kind),
    }
    return {**row, "hash": hashed.result()}


def _plain(tensor):
    """Name of the type, shape, and the values in a flat numpy array; bfloat16, which numpy lacks, as its bits."""
    shape = tuple(tensor.shape)
    if isinstance(tensor, np.ndarray):
        return tensor.dtype.name, shape, np.ascontiguousarray(tensor).reshape(-1)
    import torch

    kind, flat = str(tensor.dtype).removeprefix("torch."), tensor.detach().contiguous().reshape(-1)
    if kind == "bfloat16":
        return kind, shape, flat.view(torch.int16).numpy().view(np.uint16)
    # Other types that numpy lacks (8 bits) are small: their values, and the hash of these, stand for them.
    known = kind in ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
    return kind, shape, (flat if known else flat.to(torch.float32)).numpy()


def _float32(values, kind):
    """Values of a type as float32: the bits of a bfloat16 are the upper half of those of a float32."""
    if kind == "bfloat16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _statistics(flat, kind):
    """Exact moments and extremes of the finite values, in chunks, so that no converted copy of a tensor exists."""
    nonfinite, total, square, low, high, shift = 0, 0.0, 0.0, np.inf, -np.inf, 0.0
    for begin in range(0, flat.size, CHUNK):
        values = _float32(flat[begin : begin + CHUNK], kind)
        least, most = float(values.min()), float(values.max())
        if not (np.isfinite(least) and np.isfinite(most)):
            finite = np.isfinite(values)
            nonfinite += int((~finite).sum())
            values = values[finite]
            if not values.size:
                continue
            least, most = float(values.min()), float(values.max())
        if low == np.inf:
            shift = float(values[0])  # sums about a value of the tensor, so that a constant one has a deviation of 0
        values = values - np.float32(shift) if shift else values
        low, high = min(low, least), max(high, most)
        total += float(values.sum(dtype=np.float64))
        # Short products in single precision, their sum in double: as fast, and exact enough for millions of values.
        whole = values[: values.size - values.size % PRODUCT].reshape(-1, PRODUCT)
        square += float(np.einsum("ij,ij->i", whole, whole).sum(dtype=np.float64))
        square += float(np.square(values[whole.size :], dtype=np.float64).sum())
    kept = flat.size - nonfinite
    if not kept:
        return {"nonfinite": nonfinite, **dict.fromkeys(STATISTICS, float("nan"))}
    mean = total / kept
    spread = max(square / kept - mean**2, 0.0) ** 0.5
    return {"nonfinite": nonfinite, "mean": shift + mean, "std": spread, "minimum": low, "maximum": high}
