"""Images through nibabel: opened, and read as volumes, with errors that name the file."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from triphase.core.content import check_content
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np

# Rounding of whole numbers that a header scales.
WHOLE = 1e-3
# Labels are stored in 32 bits at most.
LARGEST_LABEL = 2**31
# mm³; what is smaller has no place that could be told from another.
SMALLEST_VOXEL = 1e-9
# Millimetres of the other units that a NIfTI header may give places in, by the code of its xyzt_units.
MILLIMETRES = {1: 1000.0, 3: 0.001}
# mm; edges of voxels of a brain image. A header may name a unit that its numbers are not in.
EDGES = 0.05, 50.0
# Values of a mask between which interpolation leaves them: smooth ones overshoot 0 and 1.
OVERSHOOT = 0.5


def open_image(path: str | Path, kind: str = "NIfTI image") -> Any:
    """An image of nibabel, with its file kept open while it is read, so that .nii.gz is unpacked once and in order."""
    import nibabel as nib

    check_content(path)
    try:
        image = nib.load(path, keep_file_open=True) if str(path).endswith((".nii", ".nii.gz")) else nib.load(path)
        shape, affine = getattr(image, "shape", (1,)), getattr(image, "affine", np.eye(4))
        if min(shape) < 1 or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < SMALLEST_VOXEL:
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


class Grid(NamedTuple):
    """The voxels of an image: their numbers, the affine that gives their places (mm), and the file that says so.

    `placed` is whether its header gives places at all: where neither sform nor qform has a code, the affine is made up.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    where: str
    placed: bool = True

    def places(self, indices: np.ndarray) -> np.ndarray | None:
        """Places (voxel, 3) in mm of voxels by their indices (voxel, 3); None where the header gives none."""
        return indices @ self.affine[:3, :3].T + self.affine[:3, 3] if self.placed else None


def grid_of(image: Any, path: str | Path) -> Grid:
    """The grid of an image of nibabel, in millimetres whatever unit its header has."""
    codes = [image.header[key] for key in ("sform_code", "qform_code") if key in image.header]
    affine, unit = image.affine, int(image.header["xyzt_units"]) & 7 if "xyzt_units" in image.header else 0
    if unit in MILLIMETRES:
        edges = np.linalg.norm(affine[:3, :3], axis=0) * MILLIMETRES[unit]
        if edges.min() >= EDGES[0] and edges.max() <= EDGES[1]:
            affine = np.diag([MILLIMETRES[unit]] * 3 + [1.0]) @ affine
    return Grid(tuple(image.shape[:3]), affine, str(path), any(codes) if codes else True)


def check_placed(grid: Grid, space: str | None) -> None:
    """InputError where voxels should lie in MNI space, and the image's header says nothing of where they lie."""
    if space == "mni" and not grid.placed:
        raise InputError(
            f"{grid.where}: the source's space is mni, but its header gives no places (sform and qform codes 0): "
            "left cannot be told from right; take the file's original, copy the geometry of one that has it "
            "(FSL: fslcpgeom), or set the source's space to native"
        )


def read_volume(path: str | Path) -> tuple[np.ndarray, Grid]:
    """A mask or label image: its values (x, y, z) and grid."""
    image = open_image(path)
    index: Any = ...
    if len(image.shape) == 4 and image.shape[3] == 1:
        index = (..., 0)
    elif len(image.shape) != 3:
        raise InputError(f"{path}: {len(image.shape)} dimensions; a mask or label image has 3")
    return read_part(image, path, index), grid_of(image, path)


def inside_of(values: np.ndarray, path: str | Path) -> np.ndarray:
    """Which values of a mask are inside: bool array. Zero is outside, and so is NaN, as resampling and SPM leave it.

    Raises
    ------
    InputError : colours, or probabilities, of which it is not said from where on they are inside
    """
    values = _numbers(values, path)
    inside = np.isfinite(values) & (values != 0)
    found = values[inside]
    near = found.size and found.min() > -OVERSHOOT and found.max() < 1 + OVERSHOOT
    if near and found.dtype.kind == "f":
        between = found[np.abs(found - np.rint(found)) > WHOLE]
        if between.size:
            raise InputError(
                f"{path}: a mask with values around 0 and 1, such as {between[0]:.3g}: a probability, or interpolated; "
                "set the threshold yourself (FSL: fslmaths IN -thr 0.5 -bin OUT)"
            )
    return inside


def whole_labels(values: np.ndarray, path: str | Path) -> np.ndarray:
    """Labels of an image as whole numbers, int array; NaN is 0, which is no label.

    Raises
    ------
    InputError : colours, or values that are no whole numbers, as interpolation leaves them
    """
    values = np.nan_to_num(_numbers(values, path), nan=0.0, posinf=np.inf, neginf=-np.inf)
    labels = np.rint(values)
    wrong = (np.abs(values - labels) > WHOLE) | (np.abs(labels) > LARGEST_LABEL)
    if wrong.any():
        raise InputError(
            f"{path}: a label image holds {values[wrong][0]:g}; labels are whole numbers: resample with nearest "
            "neighbours, which makes none between two"
        )
    return labels.astype(int)


def _numbers(values, path):
    if values.dtype.kind not in "biuf":
        raise InputError(f"{path}: values of type {values.dtype}; a mask or label image has one number a voxel")
    return values


def check_comparable(own: Grid, grid: Grid) -> None:
    """InputError where the header of one of two images gives places, and that of the other none."""
    if own.placed != grid.placed:
        lacks, has = (own, grid) if grid.placed else (grid, own)
        raise InputError(
            f"{lacks.where}: its header gives no places (sform and qform codes are 0), and that of {has.where} does: "
            "they cannot be laid over each other; copy the geometry if you know it (FSL: fslcpgeom)"
        )


def on_grid(values: np.ndarray, own: Grid, grid: Grid) -> np.ndarray:
    """Values of an image in the order of another's voxels, by their places: one may be stored from right to left.

    Parameters
    ----------
    values : array (x, y, z) on the grid `own`
    grid : whose order is wanted

    Raises
    ------
    InputError : the two do not have the same voxels; another grid has to be resampled, which is not for us to do
    """
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform

    check_comparable(own, grid)
    if own.placed:
        change = ornt_transform(io_orientation(own.affine), io_orientation(grid.affine))
        affine = own.affine @ inv_ornt_aff(change, own.shape)
        values = apply_orientation(values, change)
        own = own._replace(shape=values.shape, affine=affine)
    same_grid(own, grid)
    return values


def common_mask(paths: Sequence[str]) -> tuple[np.ndarray, Grid]:
    """The voxels that are inside each of some masks (one per run): bool (x, y, z), on the grid of the first."""
    values, grid = read_volume(paths[0])
    inside = inside_of(values, paths[0])
    for path in paths[1:]:
        inside = inside & inside_of(on_grid(*read_volume(path), grid), path)
    if not inside.any():
        others = f" and in {len(paths) - 1} others" if len(paths) > 1 else ""
        raise InputError(f"{paths[0]}: no voxel is inside the mask{others}")
    return inside, grid


def same_grid(own: Grid, grid: Grid) -> None:
    """InputError unless an image lies on the grid of another file."""
    if own.shape != grid.shape:
        raise InputError(f"{own.where}: grid {own.shape}, but {grid.where} has {grid.shape}; resample one to the other")
    if not np.allclose(own.affine, grid.affine, atol=0.01):
        raise InputError(
            f"{own.where}: its affine is not that of {grid.where}; resample one to the other's grid, labels and masks "
            "with nearest neighbours"
        )
