"""ROI labels from an atlas: parcels of an image and spheres, merged by globs."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.image import resample_to_img

from triphase.core.errors import InputError
from triphase.responses.atlas import coordinate_set, label_voxels, merge_parcels, sphere_parcels

NAMES = ["LH_Default_Temp_1", "LH_Default_Temp_2", "RH_Vis_1"]


def refused(call, *expected):
    with pytest.raises(InputError) as error:
        call()
    for text in expected:
        assert text in str(error.value), error.value


@pytest.fixture
def atlas(tmp_path):
    rng = np.random.default_rng(0)
    affine = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -30], [0, 0, 3, -30], [0, 0, 0, 1]])
    image = nib.Nifti1Image(rng.integers(0, 4, (20, 20, 20)).astype(np.int16), affine)
    nib.save(image, tmp_path / "atlas.nii.gz")
    table = tmp_path / "atlas.tsv"
    rows = [f"{index + 1}\t{name}\t#ffffff" for index, name in enumerate(NAMES)]
    table.write_text("index\tname\tcolor\n" + "\n".join(rows) + "\n")
    return image, {"atlas": str(tmp_path / "atlas.nii.gz"), "atlas_table": str(table)}


ATLAS = {"name": "parcels", "kind": "image"}


def test_image_is_looked_up_at_the_nearest_voxel(atlas):
    image, files = atlas
    # A finer grid that is shifted and reaches beyond the atlas.
    affine = np.diag([1.9, 2.1, 2.0, 1])
    affine[:3, 3] = [-33.3, -28.1, -31.7]
    grid = nib.Nifti1Image(np.zeros((30, 31, 32), np.uint8), affine)
    indices = np.argwhere(np.ones(grid.shape, bool))
    xyz = nib.affines.apply_affine(affine, indices)
    table = pd.DataFrame(xyz, columns=list("xyz"))
    rois = [{"name": "LTemp", "labels": ["LH_Default_*"]}, {"name": "Vis", "labels": ["?H_Vis_1"]}]
    labels = label_voxels(table, ATLAS, rois, files, "mni")
    expected = resample_to_img(image, grid, interpolation="nearest", copy_header=True, force_resample=True)
    values = np.asarray(expected.dataobj).ravel().astype(int)
    # nilearn takes nothing from the outer half of the outermost voxels.
    place = nib.affines.apply_affine(np.linalg.inv(image.affine), xyz)
    tie = (np.abs(place % 1 - 0.5) < 1e-6).any(axis=1)
    inner, outer = ((place >= 0) & (place <= 19)).all(axis=1) & ~tie, ((place < -0.5) | (place > 19.5)).any(axis=1)
    names = np.array(["", "LTemp", "LTemp", "Vis"], dtype=object)
    assert inner.sum() > 10_000 and outer.any()
    np.testing.assert_array_equal(labels[inner], names[values[inner]])
    assert (labels[outer] == "").all()
    # Without `labels` a region is the parcel of its name.
    alone = label_voxels(table, ATLAS, [{"name": "RH_Vis_1"}], files, "mni")
    np.testing.assert_array_equal(alone == "RH_Vis_1", labels == "Vis")


def test_only_in_mni_space_and_with_coordinates(atlas):
    _, files = atlas
    table = pd.DataFrame({"x": [0.0], "y": [0.0], "z": [np.nan]})
    refused(lambda: label_voxels(table, ATLAS, [], files, "native"), "dataset.atlas", "parcels", "'native'")
    refused(lambda: label_voxels(table, ATLAS, [], files, "mni"), "parcels", "coordinates")


def test_label_without_a_name(atlas):
    image, files = atlas
    with open(files["atlas_table"], "w") as file:
        file.write("index\tname\n1\ta\n2\tb\n")
    table = pd.DataFrame(nib.affines.apply_affine(image.affine, np.argwhere(np.ones(image.shape))), columns=list("xyz"))
    refused(lambda: label_voxels(table, ATLAS, [], files, "mni"), files["atlas_table"], "label 3", files["atlas"])


def test_globs_merge_parcels_and_mistakes_are_named():
    names = [(name,) for name in NAMES]
    rois = [{"name": "A", "labels": ["LH_Default_Temp_1", "LH_Default_Temp_*"]}, {"name": "B", "labels": ["RH_*"]}]
    assert merge_parcels(names, rois, "atlas").tolist() == ["A", "A", "B"]
    refused(
        lambda: merge_parcels(names, [{"name": "A", "labels": ["RH_Vis_9"]}], "atlas"), "'RH_Vis_9'", "RH_Vis_1", "A"
    )
    rois.append({"name": "C", "labels": ["*_1"]})
    refused(lambda: merge_parcels(names, rois, "atlas"), "LH_Default_Temp_1", "in A", "in C")


def test_voxel_belongs_to_the_nearest_sphere():
    centres = np.array([[0.0, 0, 0], [8, 0, 0]])
    xyz = np.array([[3.9, 0, 0], [4.1, 0, 0], [0, 5, 0], [0, 5.1, 0], [12, 3, 0]])
    assert sphere_parcels(xyz, centres, 5).tolist() == [0, 1, 0, -1, 1]


@pytest.mark.parametrize(("name", "parcels"), [("dosenbach_2010", 160), ("power_2011", 264), ("seitzman_2018", 300)])
def test_coordinates_that_ship_with_nilearn(name, parcels):
    centres, names = coordinate_set(name)
    assert centres.shape == (parcels, 3) and len(names) == parcels
    for (x, _, _), called in zip(centres, names, strict=True):
        assert f"{'L' if x < 0 else 'R'}/" in called[-1]
    assert np.abs(centres).max() < 110


def test_spheres_of_a_network_and_of_a_side():
    centres, _ = coordinate_set("dosenbach_2010")
    table = pd.DataFrame(centres + [1.0, -1, 1], columns=list("xyz"))
    atlas = {"name": "dosenbach160", "kind": "coordinates", "set": "dosenbach_2010", "radius": 5}
    rois = [{"name": "Default", "labels": ["default"]}, {"name": "LSensory", "labels": ["sensorimotor/L/*"]}]
    labels = label_voxels(table, atlas, rois, {}, "mni")
    # 34 regions of the default network and 33 of the sensorimotor network (Dosenbach et al. 2010).
    assert (labels == "Default").sum() == 34
    assert 0 < (labels == "LSensory").sum() < 33 and (centres[labels == "LSensory", 0] < 0).all()
    refused(lambda: coordinate_set("yeo"), "'yeo'", "power_2011")
