"""Readers of responses and confounds: what is read, and what is refused with a name."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from triphase.errors import InputError
from triphase.readers import ImageResponses, TextResponses, match_rows, open_responses, read_confounds

AFFINE = np.array([[-8.0, 0, 0, 40], [0, 8, 0, -60], [0, 0, 8, -20], [0, 0, 0, 1]])
SHAPE = (4, 3, 2)


def image(path, values, affine=AFFINE, tr=2.0, unit="sec"):
    out = nib.Nifti1Image(values, affine)
    if values.ndim == 4:
        out.header.set_zooms((8, 8, 8, tr))
        out.header.set_xyzt_units("mm", unit)
    nib.save(out, path)
    return str(path)


@pytest.fixture
def volume():
    return np.random.default_rng(0).normal(100, 5, (*SHAPE, 7)).astype(np.float32)


@pytest.fixture
def paths(tmp_path, volume):
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3] = 1
    labels = np.zeros(SHAPE, np.int16)
    labels[1, :, 0], labels[2, :, 1], labels[3] = 4, 9, 9
    table = tmp_path / "rois.tsv"
    table.write_text("index\tname\n4\tLTemp\n9\tAud\n")
    return {
        "bold": image(tmp_path / "bold.nii.gz", volume),
        "mask": image(tmp_path / "mask.nii.gz", mask),
        "rois": image(tmp_path / "rois.nii.gz", labels),
        "table": str(table),
    }


def test_voxels_of_the_mask_with_place_and_name(paths, volume):
    reader = ImageResponses(paths["bold"], mask=paths["mask"], rois=paths["rois"], roi_table=paths["table"])
    values, tr = reader.read(paths["bold"])
    assert tr == 2.0
    assert values.shape == (7, 12) and values.dtype == np.float32
    inside = [(i, j, k) for i in (1, 2) for j in range(3) for k in range(2)]
    for number, (i, j, k) in enumerate(inside):
        np.testing.assert_array_equal(values[:, number], volume[i, j, k])
        place = nib.affines.apply_affine(AFFINE, (i, j, k))
        np.testing.assert_allclose(reader.table.loc[number, ["x", "y", "z"]].to_numpy(float), place)
        expected = "LTemp" if (i, k) == (1, 0) else "Aud" if (i, k) == (2, 1) else ""
        assert reader.table.loc[number, "roi"] == expected


def test_label_image_alone_is_the_mask(paths):
    reader = ImageResponses(paths["bold"], rois=paths["rois"], roi_table=paths["table"])
    assert reader.table["roi"].value_counts().to_dict() == {"Aud": 9, "LTemp": 3}


def test_brain_of_the_template_where_there_is_no_mask(tmp_path):
    affine = np.diag([12.0, 12, 12, 1])
    affine[:3, 3] = [-90, -126, -72]
    shape = (16, 19, 16)
    path = image(tmp_path / "bold.nii", np.ones((*shape, 3), np.float32), affine=affine)
    reader = ImageResponses(path)
    # The brain of the MNI152 template has about 1.9 litres.
    assert 1.5e6 < len(reader.table) * 12**3 < 2.3e6
    assert (reader.table["roi"] == "").all()
    assert abs(reader.table["x"].mean()) < 5


@pytest.mark.parametrize("unit, tr", [("sec", 2.0), ("msec", 2000.0)])
def test_tr_in_the_header_has_a_unit(tmp_path, volume, paths, unit, tr):
    path = image(tmp_path / "timed.nii.gz", volume, tr=tr, unit=unit)
    assert ImageResponses(path, mask=paths["mask"]).read(path)[1] == pytest.approx(2.0)


def test_header_without_tr(tmp_path, volume, paths):
    path = image(tmp_path / "untimed.nii.gz", volume, tr=0.0)
    assert ImageResponses(path, mask=paths["mask"]).read(path)[1] is None


def refused(call, *expected):
    with pytest.raises(InputError) as error:
        call()
    for text in expected:
        assert text in str(error.value), error.value


def test_images_that_do_not_fit_the_mask(tmp_path, volume, paths):
    reader = ImageResponses(paths["bold"], mask=paths["mask"])
    small = image(tmp_path / "small.nii.gz", volume[:3])
    refused(lambda: reader.read(small), small, "(3, 3, 2)", paths["mask"], "(4, 3, 2)")
    moved = image(tmp_path / "moved.nii.gz", volume, affine=AFFINE + np.diag([1.0, 0, 0, 0]))
    refused(lambda: reader.read(moved), moved, "affine", paths["mask"])
    flat = image(tmp_path / "flat.nii.gz", volume[..., 0])
    refused(lambda: reader.read(flat), flat, "3 dimensions")
    other = image(tmp_path / "other_rois.nii.gz", np.ones((2, 2, 2), np.int16))
    refused(lambda: ImageResponses(paths["bold"], mask=paths["mask"], rois=other), other, "(2, 2, 2)", paths["mask"])
    empty = image(tmp_path / "empty_mask.nii.gz", np.zeros(SHAPE, np.uint8))
    refused(lambda: ImageResponses(paths["bold"], mask=empty), empty, "no voxel")


def test_truncated_images_are_named(tmp_path, paths):
    reader = ImageResponses(paths["bold"], mask=paths["mask"])
    whole = open(paths["bold"], "rb").read()
    for name, content in {
        "cut.nii.gz": whole[: len(whole) // 2],
        "cut.nii": gzip.decompress(whole)[:600],
        "nothing.nii.gz": b"",
        "text.nii": b"no image",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        refused(lambda path=path: reader.read(str(path)), str(path), "get the file again")


def test_label_without_a_row_in_the_table(tmp_path, paths):
    table = tmp_path / "short.tsv"
    table.write_text("index\tname\n4\tLTemp\n")
    refused(lambda: ImageResponses(paths["bold"], rois=paths["rois"], roi_table=str(table)), str(table), "label 9")
    table.write_text("number\tname\n4\tLTemp\n")
    refused(lambda: ImageResponses(paths["bold"], rois=paths["rois"], roi_table=str(table)), str(table), "index")


def test_text_responses(tmp_path):
    path = tmp_path / "s18.txt"
    path.write_text("   1.0e+00  2 \n 3 NaN\n")
    source = {"name": "roi", "columns": ["LATL", "RATL"]}
    reader = open_responses(source, {"response": {"": {"path": str(path)}}})
    values, tr = reader.read(str(path))
    np.testing.assert_array_equal(values, [[1, 2], [3, np.nan]])
    assert tr is None
    assert reader.table["roi"].tolist() == ["LATL", "RATL"] and reader.table["x"].isna().all()
    refused(lambda: TextResponses(["LATL"]).read(str(path)), str(path), "2 columns", "LATL")
    path.write_text("1 2\n3 x\n")
    refused(lambda: reader.read(str(path)), str(path), "table of numbers")
    path.write_text("1 2\n3\n")
    refused(lambda: reader.read(str(path)), str(path), "equal length")


def test_confounds_with_and_without_a_header(tmp_path):
    (tmp_path / "a.tsv").write_text("trans_x\trot_x\n1\t2\nn/a\t4\n")
    (tmp_path / "b.txt").write_text("1 2\n3 4\n")
    np.testing.assert_array_equal(read_confounds(tmp_path / "a.tsv"), [[1, 2], [np.nan, 4]])
    np.testing.assert_array_equal(read_confounds(tmp_path / "b.txt"), [[1, 2], [3, 4]])
    (tmp_path / "c.tsv").write_text("trans_x\trot_x\n1\tabc\n")
    refused(lambda: read_confounds(tmp_path / "c.tsv"), "c.tsv", "abc")


def test_confounds_lose_the_rows_of_dropped_volumes():
    confounds = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(match_rows(confounds, 4, 2, "rp.txt"), confounds[2:])
    np.testing.assert_array_equal(match_rows(confounds, 6, 2, "rp.txt"), confounds)
    refused(lambda: match_rows(confounds, 5, 2, "rp.txt"), "rp.txt", "6 rows", "5 volumes", "7")
    confounds[3, 1] = np.nan
    refused(lambda: match_rows(confounds, 6, 0, "rp.txt"), "rp.txt", "column 2", "volume 3")
