"""Which regions and which voxels are each other's on the other side."""

import numpy as np
import pandas as pd
import pytest

from triphase.core.errors import InputError
from triphase.responses.hemispheres import HOMOLOGOUS, MIRRORED, Pair, hemispheres, mirror_images, right_of


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("lh.IFG", "rh.IFG"), ("L_IFG", "R_IFG"), ("left IFG", "right IFG"), ("IFG_left", "IFG_right"),
        ("IFG-L", "IFG-R"), ("leftIFG", "rightIFG"), ("LIFG", "RIFG"), ("7Networks_LH_Vis_1", "7Networks_RH_Vis_1"),
        ("ctx-lh-bankssts", "ctx-rh-bankssts"), ("Left-Amygdala", "Right-Amygdala"), ("L L_x", "L R_x"),
    ],
)  # fmt: skip
def test_a_region_and_the_one_of_the_other_side_have_one_name_but_for_the_side(left, right):
    assert right_of(left, {left, right}) == right
    assert right_of(right, {left, right}) is None and right_of(left, {left}) is None


@pytest.mark.parametrize(("name", "other"), [("Lingual", "Ringual"), ("control", "controR"), ("ball", "barr")])
def test_letters_within_a_word_are_no_side(name, other):
    assert right_of(name, {name, other}) is None


def voxels(places, roi, subject="s1"):
    return pd.DataFrame(places, columns=["x", "y", "z"], dtype=float).assign(roi=roi, subject=subject)


def test_a_voxel_is_mirrored_on_the_grid_of_its_own_subject():
    whole = voxels([(-4, 0, 0), (0, 0, 0), (4, 0, 0), (-2, 0, 0), (2, 0, 2), (6, 0, 0)], "A")
    other = voxels([(-6, 0, 0), (-4, 0, 0)], "A", "s2")
    assert mirror_images(pd.concat([whole, other])).tolist() == [2, -1, -1, -1, -1, -1, -1, -1]
    shifted = voxels([(x, 0, 0) for x in (-4.5, -2.5, -0.5, 1.5, 3.5)], "A")
    pairs = mirror_images(shifted)
    assert sorted(pairs[pairs >= 0]) == [3, 4] or sorted(pairs[pairs >= 0]) == [2, 3, 4]
    assert len(set(pairs[pairs >= 0])) == (pairs >= 0).sum(), "no voxel is the image of two"
    assert (mirror_images(voxels([(np.nan,) * 3] * 3, "A")) == -1).all()


ROIS = [{"name": "L_T", "language": True}, {"name": "R_T"}, {"name": "Aud"}, {"name": "L_X"}]


def test_regions_by_name_come_first_and_others_are_mirrored_in_mni_space():
    table = pd.concat([
        voxels([(-40, 0, 0), (-42, 0, 0)], "L_T"), voxels([(40, 2, 0)], "R_T"),
        voxels([(-20, 0, 0), (20, 0, 0), (18, 0, 0)], "Aud"), voxels([(-30, 8, 0)], "L_X"),
    ])  # fmt: skip
    found = hemispheres(table, ROIS, "mni")
    assert found.pairs == [
        Pair("L_T", "R_T", ("L_T",), ("R_T",)),
        Pair("Aud", MIRRORED, ("left of Aud",), ("right of Aud",)),
        Pair("all", MIRRORED, ("left of all",), ("right of all",)),
    ]
    assert found.masks["left of Aud"].nonzero()[0].tolist() == [3] and found.unpaired == ["L_X"]
    assert found.masks["right of all"].nonzero()[0].tolist() == [4]


@pytest.mark.parametrize("space", ["mni", "none"])
def test_names_that_contradict_the_places_are_refused_where_places_are_known(space):
    table = pd.concat([voxels([(40, 0, 0), (-2, 0, 0)], "L_T"), voxels([(-40, 0, 0)], "R_T")])
    if space == "mni":
        with pytest.raises(InputError, match=r"'L_T' lies at x = 19 mm .*'R_T' at -40 mm.*flipped"):
            hemispheres(table, ROIS, space)
    else:
        assert hemispheres(table, ROIS, space).pairs


def test_without_places_the_summary_is_of_the_regions_that_have_a_partner():
    table = pd.DataFrame({"subject": "s1", "roi": ["L_T", "R_T", "Aud", "L_X"], "x": np.nan, "y": np.nan, "z": np.nan})
    found = hemispheres(table, ROIS, "none")
    assert [pair.roi for pair in found.pairs] == ["L_T", "language", "all"]
    assert found.pairs[-1] == Pair("all", HOMOLOGOUS, ("L_T",), ("R_T",)) and found.unpaired == ["Aud", "L_X"]
    assert set(found.masks) == {"L_T", "R_T", "Aud", "L_X", "language", "all"}
    assert hemispheres(table, ROIS[2:], "none").pairs == [], "nothing is compared, and no draws are made"
