"""The cortical surface that ships with nilearn (fsaverage5): values on its vertices, and quick pictures of it.

matplotlib draws each of 20,000 triangles of a hemisphere, which takes seconds a view. Here it is found once per view
which triangle every pixel shows, and each map is then a look-up.
"""

import warnings
from collections.abc import Sequence
from functools import cache

import numpy as np
from nibabel import Nifti1Image

from triphase.report.figures.glass import to_image
from triphase.report.figures.style import DIVERGING, plt

HEMISPHERES = ("left", "right")
# Hemisphere, and which way the camera looks along x (1: from the left).
VIEWS = {
    "left, lateral": ("left", 1),
    "left, medial": ("left", -1),
    "right, medial": ("right", 1),
    "right, lateral": ("right", -1),
}
PIXELS_PER_MM = 1.5
# Points of a triangle that are projected: with edges of 3 to 5 mm no pixel is missed.
SUBDIVISIONS = 8
# A vertex has a value where at least this share of what lies between white matter and pial surface was measured.
LEAST_COVERED = 0.25
FADED = 0.35  # what is left of a colour


@cache
def mesh(kind: str, hemisphere: str) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (vertex, 3) in mm and faces (face, 3) of a surface: pial, white or infl."""
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import load_surf_mesh

    surface = load_surf_mesh(fetch_surf_fsaverage("fsaverage5")[f"{kind}_{hemisphere}"])
    return np.asarray(surface.coordinates, float), np.asarray(surface.faces)


@cache
def folds(hemisphere: str) -> np.ndarray:
    """Grey of every vertex without a value, from 0 (black) to 1: sulci darker than gyri."""
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import load_surf_data

    depth = np.asarray(load_surf_data(fetch_surf_fsaverage("fsaverage5")[f"sulc_{hemisphere}"]), float)
    return np.where(depth > 0, 0.66, 0.8)


def volumes_on_surface(images: list, covered: Nifti1Image) -> list[dict[str, np.ndarray]]:
    """Values of volumes in MNI space on the vertices, linearly interpolated and averaged over the cortex's depth.

    Voxels that were not measured do not count, so that values keep their size at the border of what was.

    Parameters
    ----------
    images : list of nibabel.Nifti1Image
        0 where nothing was measured.
    covered : nibabel.Nifti1Image
        1 where something was measured.

    Returns
    -------
    list of dict of hemisphere to float array (vertex,), one for each image; NaN where nothing near was measured
    """
    from nilearn.image import concat_imgs
    from nilearn.surface import vol_to_surf

    stack, by_side = concat_imgs([*images, covered]), {}
    for hemisphere in HEMISPHERES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vertices outside the volume: NaN is meant
            values = vol_to_surf(stack, mesh("pial", hemisphere), inner_mesh=mesh("white", hemisphere)).T
        share = np.nan_to_num(values[-1])
        by_side[hemisphere] = np.where(share >= LEAST_COVERED, values[:-1] / np.maximum(share, LEAST_COVERED), np.nan)
    return by_map(by_side)


def vertices_on_surface(maps: Sequence[np.ndarray], xyz: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Values of vertices of fsaverage5 on its mesh, averaged over subjects.

    Parameters
    ----------
    maps : float array (map, target)
    xyz : float array (target, 3)
        Places on the pial surface, as the reader of surface data gives them.

    Returns
    -------
    as `volumes_on_surface`
    """
    from scipy.spatial import cKDTree

    places = {hemisphere: mesh("pial", hemisphere)[0] for hemisphere in HEMISPHERES}
    nearest = cKDTree(np.concatenate(list(places.values()))).query(xyz)[1]
    size = sum(map(len, places.values()))
    means = np.full((len(maps), size), np.nan)
    for row, values in zip(means, maps, strict=True):
        count, total = np.bincount(nearest, minlength=size), np.bincount(nearest, values, minlength=size)
        row[count > 0] = total[count > 0] / count[count > 0]
    return by_map(dict(zip(HEMISPHERES, np.split(means, [len(places["left"])], axis=1), strict=True)))


def by_map(by_side: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Dict of hemisphere to array (map, vertex) as a list of dict of hemisphere to array (vertex,)."""
    return [dict(zip(HEMISPHERES, each, strict=True)) for each in zip(*(by_side[h] for h in HEMISPHERES), strict=True)]


@cache
def projection(view: str) -> tuple[tuple[int, int], np.ndarray, np.ndarray, np.ndarray]:
    """What each pixel of a view shows.

    Returns
    -------
    shape of the picture; pixels (n,) into its flattened form; corners (n, 3), vertices of the triangle there;
    weights (n, 3) of the corners
    """
    hemisphere, side = VIEWS[view]
    places, faces = mesh("infl", hemisphere)
    steps = np.arange(SUBDIVISIONS + 1)
    one, two = (grid.ravel() for grid in np.meshgrid(steps, steps))
    inside = one + two <= SUBDIVISIONS
    weights = np.column_stack([one, two, SUBDIVISIONS - one - two])[inside] / SUBDIVISIONS
    # Seen from the left, y runs to the left; faces that turn away are not seen.
    seen = places[:, [1, 2, 0]] * [-side, 1, -side]
    one, two = (seen[faces[:, i], :2] - seen[faces[:, 0], :2] for i in (1, 2))
    faces = faces[one[:, 0] * two[:, 1] > one[:, 1] * two[:, 0]]
    across, up, depth = np.einsum("pc,fcx->xfp", weights, seen[faces]).reshape(3, -1)
    columns = np.round((across - across.min()) * PIXELS_PER_MM).astype(int)
    rows = np.round((up - up.min()) * PIXELS_PER_MM).astype(int)
    shape = (rows.max() + 1, columns.max() + 1)
    flat = rows * shape[1] + columns
    # The nearest point of a pixel is the last of it.
    nearest_last = np.argsort(flat + 0.999 * (depth - depth.min()) / np.ptp(depth))
    pixels = flat[nearest_last]
    shown = nearest_last[np.r_[pixels[1:] != pixels[:-1], True]]
    return shape, flat[shown], faces[shown // len(weights)], weights[shown % len(weights)]


def picture(view: str, values: np.ndarray, sure: np.ndarray, limit: float) -> np.ndarray:
    """One map as it looks from one side: colours (row, column, 4), transparent outside the brain.

    Parameters
    ----------
    view : str, of VIEWS
    values : float array (vertex,) of that hemisphere; where it is NaN the folds are drawn in grey
    sure : bool array (vertex,); the colours of all others are faded
    limit : float, end of the symmetric colour scale
    """
    shape, pixels, corners, weights = projection(view)
    seen = (values[corners] * weights).sum(axis=1)
    grey = (folds(VIEWS[view][0])[corners] * weights).sum(axis=1)
    colours = np.column_stack([grey, grey, grey, np.ones_like(grey)])
    known = np.isfinite(seen)
    strength = np.where(sure[corners[np.arange(len(corners)), weights.argmax(1)]], 1, FADED)[known, None]
    colour = plt.get_cmap(DIVERGING)((seen[known] / limit + 1) / 2)
    colours[known] = strength * colour + (1 - strength) * colours[known]
    image = np.zeros((shape[0] * shape[1], 4))
    image[pixels] = colours
    return image.reshape(*shape, 4)


def on_surface(maps: Sequence[np.ndarray], xyz: np.ndarray, space: str) -> list[dict[str, np.ndarray]]:
    """Maps on the vertices of fsaverage5: a list of dict of hemisphere to float array (vertex,).

    Parameters
    ----------
    maps : float arrays (target,)
    xyz : float array (target, 3), mm
    space : mni or fsaverage5
    """
    if not maps:
        return []
    if space == "fsaverage5":
        return vertices_on_surface(maps, xyz)
    return volumes_on_surface([to_image(each, xyz) for each in maps], to_image(np.ones(len(xyz)), xyz))
