"""Images through nibabel: opened, and read as volumes, with errors that name the file."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triphase.core.content import check_content
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np


def open_image(path: str | Path, kind: str = "NIfTI image") -> Any:
    """An image of nibabel, with its file kept open while it is read, so that .nii.gz is unpacked once and in order."""
    import nibabel as nib

    check_content(path)
    try:
        image = nib.load(path, keep_file_open=True) if str(path).endswith((".nii", ".nii.gz")) else nib.load(path)
        shape, affine = getattr(image, "shape", (1,)), getattr(image, "affine", np.eye(4))
        if min(shape) < 1 or not np.isfinite(affine).all():
            raise ValueError(f"its header has the shape {shape} and the affine {affine.tolist()}")
        return image
    except Exception as error:
        # Damaged headers and XML end in errors of many kinds.
        raise InputError(f"{path}: not a readable {kind} ({one_line(error)}); get the file again") from None


def read_part(image: Any, path: str | Path, index: Any) -> np.ndarray:
    """Values of an image at `index`, scaled as its header says; InputError where the file ends too early."""
    import nibabel as nib

    try:
        return np.asanyarray(image.dataobj[index])
    except (OSError, EOFError, ValueError, zlib.error, nib.filebasedimages.ImageFileError) as error:
        raise InputError(f"{path}: truncated or damaged image ({one_line(error)}); get the file again") from None


def read_volume(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """A mask or label image: its values (x, y, z) and affine."""
    image = open_image(path)
    if len(image.shape) == 4 and image.shape[3] == 1:
        return read_part(image, path, (..., 0)), image.affine
    if len(image.shape) != 3:
        raise InputError(f"{path}: {len(image.shape)} dimensions; a mask or label image has 3")
    return read_part(image, path, ...), image.affine


def common_mask(paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The voxels that are inside each of some masks (one per run): bool (x, y, z), and the affine of the first."""
    inside, affine = read_volume(paths[0])
    inside = inside != 0
    for path in paths[1:]:
        more, other = read_volume(path)
        if more.shape != inside.shape or not np.allclose(other, affine, atol=0.01):
            raise InputError(f"{path}: shape {more.shape}, but the mask {paths[0]} has {inside.shape}, on another grid")
        inside &= more != 0
    if not inside.any():
        others = f" and in {len(paths) - 1} others" if len(paths) > 1 else ""
        raise InputError(f"{paths[0]}: no voxel is inside the mask{others}")
    return inside, affine


def same_grid(
    shape: Sequence[int],
    affine: np.ndarray,
    path: str | Path,
    expected_shape: Sequence[int],
    expected_affine: np.ndarray,
    where: str,
) -> None:
    """InputError unless an image lies on the grid of another file."""
    if tuple(shape) != tuple(expected_shape):
        raise InputError(f"{path}: grid {tuple(shape)}, but {where} has {tuple(expected_shape)}")
    if not np.allclose(affine, expected_affine, atol=0.01):
        raise InputError(f"{path}: its affine is not that of {where}; resample one to the other's grid")
