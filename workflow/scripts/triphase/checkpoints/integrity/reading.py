"""The tensors of a checkpoint's weight files, one after another and without loading a file whole.

Both kinds of file are mapped into memory, so that what is read are the pages in use: safetensors, and the older
`pytorch_model*.bin`, whose pickle is only ever read with `weights_only=True`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triphase.checkpoints.snapshots import weights_in
from triphase.core.errors import InputError

NUMPY_TYPES = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "BOOL")


def weight_files(folder: str | Path) -> list[Path]:
    """The files that a model is loaded from, of all weight files of a snapshot; InputError if there are none."""
    folder = Path(folder)
    found = [folder / name for name in weights_in(folder)]
    if not found:
        raise InputError(f"{folder}: no weights here; *.safetensors or pytorch_model*.bin are needed")
    return found


def read_tensors(folder: str | Path) -> Iterator[tuple[str, str, Any]]:
    """Walk through the tensors of a checkpoint.

    Parameters
    ----------
    folder : path of a snapshot

    Yields
    ------
    (str, str, numpy.ndarray or torch.Tensor) : name, file that holds it, values as they are stored (torch where numpy
        has no such type); valid until the next is asked for

    Raises
    ------
    InputError
        A file can't be read as what its name says (cut short, damaged, or a pickle that needs more than weights).
    """
    for path in weight_files(folder):
        walk = _safetensors if path.suffix == ".safetensors" else _pickled
        for name, tensor in walk(path):
            yield name, path.name, tensor


def _safetensors(path):
    from safetensors import SafetensorError, safe_open

    try:
        # torch takes a second to import, which small checkpoints need not wait for.
        with safe_open(path, framework="np") as file:
            kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - no mapping
            for name in sorted(kinds):
                if kinds[name] in NUMPY_TYPES:
                    yield name, file.get_tensor(name)
                else:
                    with safe_open(path, framework="pt", device="cpu") as other:
                        yield name, other.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise _broken(path, error) from error


def _pickled(path):
    import pickle

    import torch

    try:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError as error:
            if "mmap can only be used" not in str(error):
                raise
            state = torch.load(path, map_location="cpu", weights_only=True)  # written before torch 1.6
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path.name}: this file would run code when it is read, and is refused; take a revision with safetensors, "
            f"or convert it on a machine that you can afford to lose ({str(error).splitlines()[0]})"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise _broken(path, error) from error
    for name in sorted(state):
        if isinstance(state[name], torch.Tensor):
            yield name, state[name]


def _broken(path, error):
    said = (str(error).splitlines() or ["nothing in it"])[0]
    return InputError(
        f"{path.name}: {path.stat().st_size if path.exists() else 0:,} bytes can't be read as weights "
        f"({type(error).__name__}: {said}); delete {path} and fetch it again"
    )
