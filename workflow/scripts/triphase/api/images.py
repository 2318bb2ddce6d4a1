"""Values of voxels or vertices as images that other programs read."""

import nibabel
import numpy as np
import xarray as xr
from nibabel.filebasedimages import FileBasedImage

from triphase.report.figures.glass import to_image
from triphase.report.figures.surface import HEMISPHERES, vertices_on_surface

STRUCTURES = {"left": "CortexLeft", "right": "CortexRight"}


def images(values: xr.DataArray, space: str) -> dict[str, dict[str, FileBasedImage]]:
    """One map of each subject.

    Parameters
    ----------
    values : array (target,) with coordinates subject, x, y, z; NaN where a target has no value
    space : mni or fsaverage5

    Returns
    -------
    dict of subject to images: `volume`, a NIfTI image in MNI space (0 where nothing was measured), or `left` and
    `right`, GIFTI data of the vertices (NaN there)
    """
    found: dict[str, dict[str, FileBasedImage]] = {}
    for subject in dict.fromkeys(values["subject"].values.tolist()):
        mine = values.isel(target=values["subject"].values == subject)
        xyz = np.column_stack([mine[axis].values for axis in "xyz"])
        if space == "mni":
            found[str(subject)] = {"volume": to_image(mine.values, xyz)}
        else:
            (sides,) = vertices_on_surface([mine.values], xyz)
            found[str(subject)] = {side: _gifti(sides[side], side) for side in HEMISPHERES}
    return found


def _gifti(values: np.ndarray, side: str) -> nibabel.GiftiImage:
    array = nibabel.gifti.GiftiDataArray(values.astype(np.float32), intent="NIFTI_INTENT_NONE")
    meta = nibabel.gifti.GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[side]})
    return nibabel.GiftiImage(darrays=[array], meta=meta)
