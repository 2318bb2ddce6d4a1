"""Left and right of a brain: regions whose names are each other's, and voxels that mirror each other in MNI space."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.types import Entries
from triphase.responses.targets import region_masks

MIRRORED, HOMOLOGOUS = "mirrored voxels", "homologous regions"
OTHER = {"l": "r", "lh": "rh", "left": "right", "L": "R", "LH": "RH", "Left": "Right", "LEFT": "RIGHT"}
# A side as a word of its own (lh.IFG, L_IFG, IFG-left, 7Networks_LH_Vis), or before a capital (leftIFG, LIFG).
SIDE = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(OTHER)})(?![A-Za-z])|^(?:l|lh|[Ll]eft|L)(?=[A-Z])")


@dataclass(frozen=True)
class Pair:
    """Two sides that are compared.

    Attributes
    ----------
    roi : str, a region: the left one of two, or the one that is compared with its own mirror image
    partner : str, the right region, `MIRRORED` or `HOMOLOGOUS` (all regions with a partner)
    left, right : tuple of str, names of their targets among the masks of `Hemispheres`: left by left the partner of a
        right one, of which a subject's difference is the mean
    """

    roi: str
    partner: str
    left: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(frozen=True)
class Hemispheres:
    """What can be compared between the hemispheres of some targets.

    Attributes
    ----------
    masks : dict of name to bool array (n_targets,); summary regions as `region_masks` has them, then the sides of
        pairs that are none of these
    pairs : list of Pair
    unpaired : list of str, regions without a partner
    """

    masks: dict[str, np.ndarray]
    pairs: list[Pair]
    unpaired: list[str]


def right_of(name: str, names: set[str]) -> str | None:
    """The region of the right that has the name of one of the left; None where there is none among `names`."""
    for match in SIDE.finditer(name):
        right = name[: match.start()] + OTHER[match.group()] + name[match.end() :]
        if right in names:
            return right
    return None


def mirror_images(targets: pd.DataFrame) -> np.ndarray:
    """Of every target with x < 0 the one of the same subject at -x, y, z, on the grid of its voxels; else -1.

    Where a grid is not symmetric about the midline, a voxel's mirror image is the nearest one to the mirrored place.

    Parameters
    ----------
    targets : DataFrame with subject, x, y, z in mm of MNI space, one row per target

    Returns
    -------
    int array (n_targets,), rows of `targets`
    """
    image = np.full(len(targets), -1)
    subjects = targets["subject"].to_numpy(str)
    places = targets[["x", "y", "z"]].to_numpy(float)
    for subject in dict.fromkeys(subjects):
        mine = np.flatnonzero((subjects == subject) & np.isfinite(places).all(axis=1))
        x, rest = places[mine, 0], np.round(places[mine, 1:], 2)
        steps = np.diff(np.unique(np.round(x, 2)))
        if not len(steps):
            continue
        width, first = steps.min(), x.min()
        column = np.round((x - first) / width).astype(int)
        mirrored = np.round((-x - first) / width - 1e-6).astype(int)
        there = {key: row for key, row in zip(zip(column, *rest.T, strict=True), mine, strict=True)}
        for row, to, own, yz in zip(mine, mirrored, column, rest, strict=True):
            other = there.get((to, *yz), -1)
            if to > own and other >= 0 and places[row, 0] < 0:
                image[row] = other
    return image


def hemispheres(targets: pd.DataFrame, rois: Entries, space: str) -> Hemispheres:
    """Pairs of sides: regions by their names; in MNI space other regions, and all voxels, by mirrored voxels.

    A region is compared with its mirror image by all pairs of mirrored voxels of which one is in it. `language` and
    `all` are compared by mirrored voxels where there are some, else by the regions that have a partner: region by
    region, each pair counting alike, so that a region with more voxels on one side weighs no more there [ours].

    Parameters
    ----------
    targets : DataFrame with subject, roi, x, y, z of every target
    rois : list of dict with name and language
    space : str, of the source

    Raises
    ------
    InputError
        In MNI space, a region that is left by its name lies on the right, and its partner on the left.
    """
    roi_of_target = targets["roi"].to_numpy(str)
    masks, unpaired = region_masks(roi_of_target, rois), []
    names = [roi["name"] for roi in rois]
    by_name = {name: right for name in names if (right := right_of(name, set(names)))}
    pairs = [Pair(name, right, (name,), (right,)) for name, right in by_name.items()]
    if space == "mni":
        _check_sides(targets["x"].to_numpy(float), masks, by_name)
    image = mirror_images(targets) if space == "mni" else np.full(len(targets), -1)
    left = np.flatnonzero(image >= 0)
    sides: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, mask in list(masks.items()):
        if name in by_name or name in by_name.values():
            continue
        inside = left[mask[left] | mask[image[left]]]
        if len(inside):
            sides[name] = inside, image[inside]
        elif name in names:
            unpaired.append(name)
    if not len(left):
        marked = {roi["name"] for roi in rois if roi.get("language")}
        for name, wanted in {"language": marked, "all": set(names)}.items():
            chosen = {a: b for a, b in by_name.items() if {a, b} & wanted}
            if chosen:
                pairs.append(Pair(name, HOMOLOGOUS, tuple(chosen), tuple(chosen.values())))
    for name, both in sides.items():
        keys = f"left of {name}", f"right of {name}"
        masks |= {key: np.isin(np.arange(len(targets)), picked) for key, picked in zip(keys, both, strict=True)}
        pairs.append(Pair(name, MIRRORED, keys[:1], keys[1:]))
    return Hemispheres(masks, pairs, unpaired)


def _check_sides(x, masks, by_name):
    """InputError where names and places tell the opposite: lateralisation would have the wrong sign."""
    for left, right in by_name.items():
        ours, theirs = (x[masks[name] & np.isfinite(x)] for name in (left, right))
        if len(ours) and len(theirs) and ours.mean() > 0 > theirs.mean():
            raise InputError(
                f"dataset/rois: {left!r} lies at x = {ours.mean():.0f} mm on average, right of the midline of MNI "
                f"space, and {right!r} at {theirs.mean():.0f} mm, left of it: names or images are flipped; correct the "
                "names of the regions, or the affine of the atlas or of the images"
            )
