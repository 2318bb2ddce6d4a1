"""The brain on the grid of an image, where a data set gives no mask."""

from __future__ import annotations

import warnings
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.lazy import np
from triphase.responses.readers.images import check_placed, grid_of, open_image, read_part
from triphase.responses.readers.recording import SLAB_BYTES

# Probability of gray matter in the MNI template above which a voxel is part of the cortical ribbon: nilearn's default.
GRAY_MATTER = 0.2


def brain_mask(path: str | Path, kind: str, space: str = "mni") -> tuple[np.ndarray, np.ndarray]:
    """Which voxels of an image's grid are brain.

    Parameters
    ----------
    path : path of a 4D image
    kind : str
        "template": the brain of the MNI152 template; "gray_matter": where its gray matter has a probability over 0.2,
        smoothed as nilearn does (the cortical ribbon and the deep nuclei); "computed": `nilearn.masking.
        compute_epi_mask` of the mean of this image, for a subject's own space
    space : str, the space of the responses; templates need "mni"

    Returns
    -------
    inside : bool array (x, y, z)
    affine : array (4, 4)

    Raises
    ------
    InputError : a template for a space that is not MNI, or no brain to be seen in the image
    """
    image = open_image(path)
    if len(image.shape) != 4:
        raise InputError(f"{path}: {len(image.shape)} dimensions; a run's image has 4 (x, y, z, time)")
    if kind == "computed":
        return _computed(image, path), grid_of(image, path).affine
    if space != "mni":
        raise InputError(
            f"dataset.brain: {kind!r} is in MNI space, but the source's space is {space!r}; give the source a mask, or "
            "set dataset.brain to computed"
        )
    grid = grid_of(image, path)
    check_placed(grid, space)
    return _template(grid, kind), grid.affine


def _template(grid, kind):
    import nibabel as nib
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_mask
    from nilearn.image import resample_to_img

    template = load_mni152_gm_mask(threshold=GRAY_MATTER) if kind == "gray_matter" else load_mni152_brain_mask()
    target = nib.Nifti1Image(np.zeros(grid.shape, np.uint8), grid.affine)
    mask = resample_to_img(template, target, interpolation="nearest", copy_header=True, force_resample=True)
    return np.asarray(mask.dataobj) != 0


def _computed(image, path):
    import nibabel as nib
    from nilearn.exceptions import MaskWarning
    from nilearn.masking import compute_epi_mask

    total = np.zeros(image.shape[:3])
    step = max(1, SLAB_BYTES // (8 * total.size))
    for start in range(0, image.shape[3], step):
        total += read_part(image, path, (..., slice(start, start + step))).sum(axis=3, dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskWarning)
        mask = compute_epi_mask(nib.Nifti1Image(total / image.shape[3], grid_of(image, path).affine))
    inside = np.asarray(mask.dataobj) != 0
    if not inside.any():
        raise InputError(f"{path}: no brain can be told from its background; give the source a mask")
    return inside
