"""Glass brains: values at places in MNI space as a volume, seen through the brain from four sides."""

import gc
import warnings
from typing import Any

import nibabel
import numpy as np
from matplotlib.figure import Figure

VIEWS = "lyrz"


def to_image(values: np.ndarray, xyz: np.ndarray) -> nibabel.Nifti1Image:
    """Average values that share a place and put them on a regular grid in MNI space.

    Parameters
    ----------
    values : array (targets,)
    xyz : array (targets, 3), mm

    Returns
    -------
    The image; its voxel size is the smallest distance between places along each axis.
    """
    known = np.isfinite(values) & np.isfinite(xyz).all(axis=1)
    values, xyz = values[known], np.round(xyz[known], 2)
    origin = xyz.min(axis=0)
    steps = [np.diff(np.unique(column)) for column in xyz.T]
    size = np.array([gaps.min() if len(gaps) else 1.0 for gaps in steps])
    index = np.round((xyz - origin) / size).astype(int)
    # A rim of empty voxels, so that resampling does not smear the border.
    shape = tuple(index.max(axis=0) + 3)
    total, count = np.zeros(shape), np.zeros(shape)
    place = tuple((index + 1).T)
    np.add.at(total, place, values)
    np.add.at(count, place, 1)
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = origin - size
    mean = np.divide(total, count, out=np.zeros(shape), where=count > 0)
    return nibabel.Nifti1Image(mean.astype(np.float32), affine)


def draw_glass(figure: Figure, place: tuple, image: nibabel.Nifti1Image, **style: Any) -> None:
    """Draw glass brains in a part of the figure: `place` is (left, bottom, width, height), `style` is nilearn's."""
    from nilearn.plotting import plot_glass_brain

    # nilearn collects garbage four times per brain; without the frozen objects this takes a third of the time.
    gc.freeze()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plot_glass_brain(image, display_mode=VIEWS, figure=figure, axes=place, plot_abs=False, threshold=1e-9, **style)
