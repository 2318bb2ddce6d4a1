"""ROI labels from an atlas in MNI space: an image of parcels, or spheres around published coordinates."""

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.types import Entries, Section
from triphase.responses.readers.images import check_placed, read_volume, whole_labels
from triphase.responses.readers.recording import read_label_table, unlabelled


def label_voxels(
    table: pd.DataFrame,
    atlas: Section,
    rois: Entries,
    files: Mapping[str, str],
    space: str,
) -> np.ndarray:
    """The region of each voxel.

    Parameters
    ----------
    table : DataFrame, x, y and z (mm) of each voxel
    atlas : dict with name and kind. "image": a label image at `files["atlas"]` and the names of its labels in
        `files["atlas_table"]` (columns index and name, tab-separated). "coordinates": `set`, one that ships with
        nilearn, and `radius`, mm
    rois : list of dict, name of each region and the `labels` (globs) of the parcels that it is made of; without
        `labels` the parcel of its own name
    files : dict of role to path
    space : str, the space of the responses

    Returns
    -------
    array (voxel,) of str, "" outside the regions

    Raises
    ------
    InputError : responses that are not in MNI space, or a glob that matches no parcel or one of another region
    """
    if space != "mni":
        raise InputError(
            f"dataset.atlas: {atlas['name']} is in MNI space, but the source's space is {space!r}; use the source's "
            "own rois, or a source in MNI space"
        )
    xyz = table[["x", "y", "z"]].to_numpy(float)
    if not np.isfinite(xyz).all():
        raise InputError(f"dataset.atlas: {atlas['name']} needs coordinates, which the source's reader does not give")
    if atlas["kind"] == "image":
        names, parcels = image_parcels(xyz, files["atlas"], files["atlas_table"])
    else:
        centres, names = coordinate_set(atlas["set"])
        parcels = sphere_parcels(xyz, centres, atlas["radius"])
    region_of = merge_parcels(names, rois, atlas["name"])
    labels = unlabelled(len(xyz))
    inside = parcels >= 0
    labels[inside] = region_of[parcels[inside]]
    return labels


def image_parcels(xyz: np.ndarray, image: str, table: str) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The parcel of each voxel in a label image, that of the nearest voxel there.

    Returns
    -------
    names : list of tuple of str, one name per parcel
    parcels : int array (voxel,), -1 outside all
    """
    found, grid = read_volume(image)
    check_placed(grid, "mni")
    labels, known = whole_labels(found, image), read_label_table(table)
    voxel = np.floor(np.c_[xyz, np.ones(len(xyz))] @ np.linalg.inv(grid.affine)[:3].T + 0.5).astype(int)
    there = ((voxel >= 0) & (voxel < labels.shape)).all(axis=1)
    values = np.zeros(len(xyz), int)
    values[there] = labels[tuple(voxel[there].T)]
    if unnamed := sorted(set(values.tolist()) - set(known) - {0}):
        raise InputError(f"{table}: no row for the label {unnamed[0]}, which {image} holds")
    keys = [key for key in known if key != 0]
    place = {key: number for number, key in enumerate(keys)} | {0: -1}
    return [(known[key],) for key in keys], np.array([place[value] for value in values])


def sphere_parcels(xyz: np.ndarray, centres: np.ndarray, radius: float) -> np.ndarray:
    """The nearest centre of each voxel within `radius` (mm): int array (voxel,), -1 where there is none."""
    from scipy.spatial import KDTree

    distance, nearest = KDTree(centres).query(xyz)
    return np.where(distance <= radius, nearest, -1)


def coordinate_set(name: str) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Coordinates that ship with nilearn.

    Parameters
    ----------
    name : "dosenbach_2010", "power_2011" or "seitzman_2018"

    Returns
    -------
    centres : array (parcel, 3), mm, MNI
    names : list of tuple of str
        What each parcel can be called in `labels`: its network, its label, and network/side/label, such as
        default/L/vmPFC 1, with side L or R of x = 0. Power's have neither network nor label, but the number that the
        publication gives them; Seitzman's have no label, but a structure (cortexL).
    """
    from nilearn import datasets

    if name not in ("dosenbach_2010", "power_2011", "seitzman_2018"):
        raise InputError(f"dataset.atlas.set: {name!r} is not dosenbach_2010, power_2011 or seitzman_2018")
    found = getattr(datasets, f"fetch_coords_{name}")()
    rois = found["rois"]
    centres = np.stack([np.asarray(rois[axis], dtype=float) for axis in "xyz"], axis=1)
    sides = np.where(centres[:, 0] < 0, "L", "R")
    networks = [str(value) for value in found.get("networks", [])]
    labels = found.get("labels", found.get("regions"))
    labels = [str(value) for value in (rois["roi"] if labels is None else labels)]
    columns = [networks, sides, labels] if networks else [sides, labels]
    full = ["/".join(parts) for parts in zip(*columns, strict=True)]
    return centres, list(zip(*([networks] if networks else []), labels, full, strict=True))


def merge_parcels(names: Sequence[tuple[str, ...]], rois: Entries, atlas: str) -> np.ndarray:
    """The region that each parcel belongs to: array (parcel,) of str, "" for none.

    Parameters
    ----------
    names : list of tuple of str, what each parcel can be called
    rois : list of dict with name and labels, as in `label_voxels`
    atlas : str, for messages
    """
    regions = unlabelled(len(names))
    for roi in rois:
        for pattern in roi.get("labels") or [roi["name"]]:
            found = [i for i, called in enumerate(names) if any(fnmatchcase(name, pattern) for name in called)]
            if not found:
                every = sorted({name for called in names for name in called})
                near = difflib.get_close_matches(pattern, every, n=3, cutoff=0.3) or every[:3]
                raise InputError(
                    f"dataset.rois: {pattern!r} (region {roi['name']}) matches no parcel of {atlas}; it has, among "
                    f"{len(names)}, {', '.join(near)}"
                )
            for i in found:
                if regions[i] not in ("", roi["name"]):
                    raise InputError(
                        f"dataset.rois: the parcel {names[i][-1]} of {atlas} is in {regions[i]} and in {roi['name']}; "
                        "it belongs to one region"
                    )
                regions[i] = roi["name"]
    return regions
