"""A fingerprint as one `.zarr.zip`, and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from triphase.checkpoints.integrity.mark import STATISTICS, Fingerprint
from triphase.core.artefacts import read_arrays, write_arrays

TEXTS = {"name": "names", "file": "files", "dtype": "dtypes", "sha256": "hashes"}


def write_fingerprint(path: str | Path, mark: Fingerprint, **attributes: Any) -> None:
    """Write a fingerprint; `attributes` say what it is of."""
    import xarray as xr

    columns = {key: ("tensor", np.array(getattr(mark, field), dtype=object)) for key, field in TEXTS.items()}
    columns["shape"] = ("tensor", np.array([json.dumps(shape) for shape in mark.shapes], dtype=object))
    columns |= {key: ("tensor", getattr(mark, key)) for key in ("count", "nonfinite", "starts", *STATISTICS)}
    about = {key: getattr(mark, key) for key in ("weights", "tokenizer", "config")}
    write_arrays(path, xr.Dataset({**columns, "sketch": ("point", mark.sketch)}, attrs={**attributes, **about}))


def read_fingerprint(path: str | Path) -> tuple[Fingerprint, dict[str, Any]]:
    """Read a fingerprint: (Fingerprint, attributes that it was written with)."""
    dataset = read_arrays(path)
    texts: dict[str, Any] = {field: tuple(str(value) for value in dataset[key].values) for key, field in TEXTS.items()}
    arrays: dict[str, Any] = {
        key: dataset[key].values for key in ("count", "nonfinite", "starts", *STATISTICS, "sketch")
    }
    shapes = tuple(tuple(json.loads(str(value))) for value in dataset["shape"].values)
    about = {key: dataset.attrs[key] for key in ("weights", "tokenizer", "config")}
    attributes = {key: value for key, value in dataset.attrs.items() if key not in about}
    return Fingerprint(**texts, **arrays, **about, shapes=shapes), attributes
