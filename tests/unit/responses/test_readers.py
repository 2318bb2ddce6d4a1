"""Readers of NIfTI images, text and npy arrays: what is read, and what is refused with a name."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from nilearn.masking import compute_epi_mask

from triphase.core.errors import InputError
from triphase.responses.masks import brain_mask
from triphase.responses.readers import nifti, npy, open_reader, open_run
from triphase.responses.readers.nifti import NiftiReader
from triphase.responses.readers.npy import NpyReader
from triphase.responses.readers.text import TextReader

RUN = {"name": "run-1", "stimulus": "one"}

AFFINE = np.array([[-8.0, 0, 0, 40], [0, 8, 0, -60], [0, 0, 8, -20], [0, 0, 0, 1]])
SHAPE = (4, 3, 2)


def image(path, values, affine=AFFINE, tr=2.0, unit="sec"):
    out = nib.Nifti1Image(values, affine)
    if values.ndim == 4:
        out.header.set_zooms((8, 8, 8, tr))
        out.header.set_xyzt_units("mm", unit)
    nib.save(out, path)
    return str(path)


def nifti_reader(path, paths):
    return NiftiReader([path], paths, {"space": "mni", "brain": "template"})


def read(reader, path, run=RUN):
    """Values and TR of one run, checked against what was promised."""
    recording = reader.open([str(path)], run)
    values = recording.read()
    assert values.shape == (recording.volumes, len(reader.table)) and values.dtype == np.float32
    return values, recording.tr


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
    reader = nifti_reader(
        paths["bold"], {"mask": [paths["mask"]], "rois": [paths["rois"]], "roi_table": [paths["table"]]}
    )
    values, tr = read(reader, paths["bold"])
    assert tr == 2.0
    assert values.shape == (7, 12)
    inside = [(i, j, k) for i in (1, 2) for j in range(3) for k in range(2)]
    for number, (i, j, k) in enumerate(inside):
        np.testing.assert_array_equal(values[:, number], volume[i, j, k])
        place = nib.affines.apply_affine(AFFINE, (i, j, k))
        np.testing.assert_allclose(reader.table.loc[number, ["x", "y", "z"]].to_numpy(float), place)
        expected = "LTemp" if (i, k) == (1, 0) else "Aud" if (i, k) == (2, 1) else ""
        assert reader.table.loc[number, "roi"] == expected


def test_label_image_alone_is_the_mask(paths):
    reader = nifti_reader(paths["bold"], {"rois": [paths["rois"]], "roi_table": [paths["table"]]})
    assert reader.table["roi"].value_counts().to_dict() == {"Aud": 9, "LTemp": 3}


def test_brain_of_the_template_where_there_is_no_mask(tmp_path):
    affine = np.diag([12.0, 12, 12, 1])
    affine[:3, 3] = [-90, -126, -72]
    shape = (16, 19, 16)
    path = image(tmp_path / "bold.nii", np.ones((*shape, 3), np.float32), affine=affine)
    reader = nifti_reader(path, {})
    # The brain of the MNI152 template has about 1.9 litres.
    assert 1.5e6 < len(reader.table) * 12**3 < 2.3e6
    assert (reader.table["roi"] == "").all()
    assert abs(reader.table["x"].mean()) < 5


@pytest.mark.parametrize("unit, tr", [("sec", 2.0), ("msec", 2000.0)])
def test_tr_in_the_header_has_a_unit(tmp_path, volume, paths, unit, tr):
    path = image(tmp_path / "timed.nii.gz", volume, tr=tr, unit=unit)
    assert read(nifti_reader(path, {"mask": [paths["mask"]]}), path)[1] == pytest.approx(2.0)


def test_header_without_tr(tmp_path, volume, paths):
    path = image(tmp_path / "untimed.nii.gz", volume, tr=0.0)
    assert read(nifti_reader(path, {"mask": [paths["mask"]]}), path)[1] is None


def refused(call, *expected):
    with pytest.raises(InputError) as error:
        call()
    for text in expected:
        assert text in str(error.value), error.value


def test_images_that_do_not_fit_the_mask(tmp_path, volume, paths):
    reader = nifti_reader(paths["bold"], {"mask": [paths["mask"]]})
    small = image(tmp_path / "small.nii.gz", volume[:3])
    refused(lambda: read(reader, small), small, "(3, 3, 2)", paths["mask"], "(4, 3, 2)")
    moved = image(tmp_path / "moved.nii.gz", volume, affine=AFFINE + np.diag([1.0, 0, 0, 0]))
    refused(lambda: read(reader, moved), moved, "affine", paths["mask"])
    flat = image(tmp_path / "flat.nii.gz", volume[..., 0])
    refused(lambda: read(reader, flat), flat, "3 dimensions")
    other = image(tmp_path / "other_rois.nii.gz", np.ones((2, 2, 2), np.int16))
    refused(
        lambda: nifti_reader(paths["bold"], {"mask": [paths["mask"]], "rois": [other]}),
        other,
        "(2, 2, 2)",
        paths["mask"],
    )
    empty = image(tmp_path / "empty_mask.nii.gz", np.zeros(SHAPE, np.uint8))
    refused(lambda: nifti_reader(paths["bold"], {"mask": [empty]}), empty, "no voxel")


def test_truncated_images_are_named(tmp_path, paths):
    reader = nifti_reader(paths["bold"], {"mask": [paths["mask"]]})
    whole = open(paths["bold"], "rb").read()
    for name, content in {
        "cut.nii.gz": whole[: len(whole) // 2],
        "cut.nii": gzip.decompress(whole)[:600],
        "nothing.nii.gz": b"",
        "text.nii": b"no image",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        refused(lambda path=path: read(reader, str(path)), str(path), "get the file again")


def test_label_without_a_row_in_the_table(tmp_path, paths):
    table = tmp_path / "short.tsv"
    table.write_text("index\tname\n4\tLTemp\n")
    refused(
        lambda: nifti_reader(paths["bold"], {"rois": [paths["rois"]], "roi_table": [str(table)]}), str(table), "label 9"
    )
    table.write_text("number\tname\n4\tLTemp\n")
    refused(
        lambda: nifti_reader(paths["bold"], {"rois": [paths["rois"]], "roi_table": [str(table)]}), str(table), "index"
    )


def test_slabs_make_no_difference(paths, volume, monkeypatch):
    reader = nifti_reader(paths["bold"], {"mask": [paths["mask"]]})
    whole, _ = read(reader, paths["bold"])
    for volumes in (1, 2, 3):
        monkeypatch.setattr(nifti, "SLAB_BYTES", volumes * 8 * 24)
        np.testing.assert_array_equal(read(reader, paths["bold"])[0], whole)


def test_scaled_integers_are_read_as_their_values(tmp_path, paths, volume):
    scaled = nib.Nifti1Image(np.round(volume * 10).astype(np.int16), AFFINE)
    scaled.header.set_slope_inter(0.1, 3.0)
    # nibabel writes what it is given as scaled values; the header alone is what is tested.
    path = tmp_path / "scaled.nii.gz"
    nib.save(scaled, path)
    values, _ = read(nifti_reader(paths["bold"], {"mask": [paths["mask"]]}), path)
    np.testing.assert_allclose(values, np.asarray(nib.load(path).get_fdata())[1:3].reshape(-1, 7).T, rtol=1e-6)


def test_voxels_are_those_inside_the_mask_of_every_run(tmp_path, paths):
    other = np.zeros(SHAPE, np.uint8)
    other[2:] = 1
    second = image(tmp_path / "second_mask.nii.gz", other)
    reader = nifti_reader(paths["bold"], {"mask": [paths["mask"], second]})
    assert len(reader.table) == 6 and set(reader.table["x"]) == {24.0}
    first = np.zeros(SHAPE, np.uint8)
    first[0] = 1
    apart = image(tmp_path / "apart.nii.gz", first)
    refused(
        lambda: nifti_reader(paths["bold"], {"mask": [paths["mask"], apart]}), "no voxel is inside the mask and in 1"
    )
    small = image(tmp_path / "small_mask.nii.gz", other[:2])
    refused(lambda: nifti_reader(paths["bold"], {"mask": [paths["mask"], small]}), small, "(2, 3, 2)", "(4, 3, 2)")


def test_brain_where_there_is_no_mask(tmp_path):
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = [-90, -126, -72]
    shape = (46, 55, 46)
    x, y, z = np.indices(shape) * 4 + affine[:3, 3, None, None, None]
    # A bright ball on a dark ground, noisy in time.
    ball = (x**2 + (y + 18) ** 2 + (z - 18) ** 2 < 60**2).astype(np.float32)
    noise = np.random.default_rng(0).normal(size=(*shape, 3)).astype(np.float32)
    path = image(tmp_path / "bold.nii", 1000 * ball[..., None] + 10 * noise + 50, affine=affine)
    computed, found = brain_mask(path, "computed", "native")
    np.testing.assert_array_equal(found, affine)
    assert (computed & (ball > 0)).sum() > 0.98 * ball.sum() and computed.sum() < 1.25 * ball.sum()
    np.testing.assert_array_equal(computed, compute_epi_mask(path).get_fdata() != 0)
    brain, _ = brain_mask(path, "template")
    gray, _ = brain_mask(path, "gray_matter")
    # The ribbon is a part of the brain; most of the white matter's middle is not in it.
    assert (gray & ~brain).sum() < 0.02 * gray.sum() and 0.3 * brain.sum() < gray.sum() < 0.9 * brain.sum()
    middle = tuple(np.rint((np.array([26, -20, 32]) - affine[:3, 3]) / 4).astype(int))
    assert brain[middle] and not gray[middle]
    refused(lambda: brain_mask(path, "template", "native"), "dataset.brain", "'template'", "'native'", "computed")


def test_text_responses(tmp_path):
    path = tmp_path / "s18.txt"
    path.write_text("   1.0e+00  2 \n 3 NaN\n")
    source = {"name": "roi", "reader": "text", "columns": ["LATL", "RATL"]}
    files = {"response": {"": {"path": str(path)}}}
    reader = open_reader(source, files)
    recording = open_run(reader, files, RUN)
    np.testing.assert_array_equal(recording.read(), [[1, 2], [3, np.nan]])
    assert (recording.volumes, recording.tr, recording.path) == (2, None, str(path))
    assert reader.table["roi"].tolist() == ["LATL", "RATL"] and reader.table["x"].isna().all()
    refused(lambda: read(TextReader([], {}, {"columns": ["LATL"]}), path), str(path), "2 columns", "LATL")
    for content, expected in {"1 2\n3 x\n": "table of numbers", "1 2\n3\n": "equal length", "": "empty"}.items():
        path.write_text(content)
        refused(lambda: read(reader, path), str(path), expected)
    refused(lambda: read(reader, path, {**RUN, "repeat": 2}), "hearing 2", str(path))


def test_arrays_of_numpy(tmp_path, monkeypatch):
    values = np.random.default_rng(0).normal(size=(9, 4))
    path = tmp_path / "run-1.npy"
    np.save(path, values)
    monkeypatch.setattr(npy, "SLAB_BYTES", 2 * values[0].nbytes)
    files = {"response": {"run-1": {"path": str(path)}}}
    reader = open_reader({"name": "arrays", "reader": "npy"}, files)
    np.testing.assert_array_equal(read(reader, path)[0], values.astype(np.float32))
    assert (reader.table["roi"] == "").all() and reader.table["x"].isna().all()
    assert NpyReader([path], {}, {"columns": list("abcd")}).table["roi"].tolist() == list("abcd")
    refused(lambda: NpyReader([path], {}, {"columns": ["a"]}), str(path), "4 columns", "names 1")
    np.save(tmp_path / "wide.npy", values[:, :3])
    refused(lambda: read(reader, tmp_path / "wide.npy"), "wide.npy", "3 voxels", "has 4")
    whole = path.read_bytes()
    for content in (whole[:100], whole[: len(whole) // 2], b"", b"text"):
        path.write_bytes(content)
        refused(lambda: read(reader, path), str(path), "get the file again")
    for wrong in (values[0], values.astype(complex), np.array([["a"]]), np.zeros((0, 4))):
        np.save(path, wrong)
        refused(lambda: read(reader, path), str(path), "numbers (time, voxel)")
    np.savez(path.with_suffix(""), values)
    refused(lambda: read(reader, path.with_suffix(".npz")), "an archive")
    refused(lambda: read(reader, tmp_path / "absent.npy"), "absent.npy", "no such file")


def test_reader_that_there_is_not(tmp_path):
    refused(lambda: open_reader({"reader": "mgh"}, {"response": {"": {"path": "x"}}}), "'mgh'", "nifti, npy")
