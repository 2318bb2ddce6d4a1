"""Masks and label images, in every reader: laid over each other by place, NaN outside, names from their own tables."""

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triphase.core.errors import InputError
from triphase.responses.atlas import label_voxels
from triphase.responses.readers.cifti import CiftiReader
from triphase.responses.readers.gifti import GiftiReader
from triphase.responses.readers.hdf5 import Hdf5Reader
from triphase.responses.readers.images import inside_of, read_volume, whole_labels
from triphase.responses.readers.nifti import NiftiReader
from triphase.responses.readers.recording import read_label_table

# x from -27 to 27 mm, and the same places stored right to left, as FSL's templates are.
RAS = np.array([[6.0, 0, 0, -27], [0, 6, 0, -27], [0, 0, 6, -27], [0, 0, 0, 1]])
LAS = np.array([[-6.0, 0, 0, 27], [0, 6, 0, -27], [0, 0, 6, -27], [0, 0, 0, 1]])
SHAPE = (10, 10, 10)
SIDES = "index\tname\n1\tLeft\n2\tRight\n"


def save(path, values, affine=RAS, code=2):
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    nib.save(image, path)
    return str(path)


def sides(affine):
    """1 left of the middle, 2 right of it, by the places that an affine gives."""
    x = nib.affines.apply_affine(affine, np.argwhere(np.ones(SHAPE)))[:, 0].reshape(SHAPE)
    return np.where(x < 0, 1, 2).astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    bold = np.random.default_rng(0).normal(size=(*SHAPE, 12)).astype(np.float32)
    save(tmp_path / "bold.nii.gz", bold)
    with h5py.File(tmp_path / "r.hf5", "w") as file:
        file["data"] = bold.reshape(-1, 12, order="F").T
    save(tmp_path / "mask.nii.gz", np.ones(SHAPE, np.uint8))
    (tmp_path / "rois.tsv").write_text(SIDES)
    return tmp_path


def opened(folder, reader, space="mni", **files):
    paths = {role: [str(folder / name) for name in np.atleast_1d(names)] for role, names in files.items()}
    source = {"space": space, "brain": "template", "key": "data"}
    if reader == "nifti":
        return NiftiReader([str(folder / "bold.nii.gz")], paths, source)
    return Hdf5Reader([str(folder / "r.hf5")], paths, source)


def refused(call, *expected):
    with pytest.raises(InputError) as error:
        call()
    for text in expected:
        assert text in str(error.value), error.value


VOLUMES = pytest.mark.parametrize("reader", ["nifti", "hdf5"])


@VOLUMES
def test_kind_orientation_labels_are_laid_over_a_mask_by_place(folder, reader):
    for affine in (RAS, LAS, RAS[[1, 2, 0, 3]][:, [0, 1, 2, 3]]):
        save(folder / "rois.nii.gz", sides(affine), affine)
        table = opened(folder, reader, mask="mask.nii.gz", rois="rois.nii.gz", roi_table="rois.tsv").table
        assert ((table["x"] < 0) == (table["roi"] == "Left")).all() and len(table) == 1000


@VOLUMES
def test_kind_orientation_another_grid_is_refused_with_the_remedy(folder, reader):
    moved = RAS + np.array([[0, 0, 0, 3.0], [0] * 4, [0] * 4, [0] * 4])
    save(folder / "rois.nii.gz", sides(RAS), moved)
    files = {"mask": "mask.nii.gz", "rois": "rois.nii.gz", "roi_table": "rois.tsv"}
    refused(lambda: opened(folder, reader, **files), "rois.nii.gz", "affine", "mask.nii.gz", "nearest neighbours")
    save(folder / "rois.nii.gz", sides(RAS)[:5])
    refused(lambda: opened(folder, reader, **files), "rois.nii.gz", "(5, 10, 10)", "(10, 10, 10)")


def test_kind_orientation_a_mask_of_one_run_is_laid_over_that_of_another_by_place(folder):
    left = (sides(LAS) == 1).astype(np.uint8)
    save(folder / "other.nii.gz", left, LAS)
    table = opened(folder, "nifti", mask=["mask.nii.gz", "other.nii.gz"]).table
    assert len(table) == 500 and (table["x"] < 0).all()


def test_kind_orientation_a_reference_stored_the_other_way_gives_the_places_of_the_mask(folder):
    save(folder / "reference.nii.gz", np.zeros(SHAPE, np.float32), LAS)
    plain = opened(folder, "hdf5", mask="mask.nii.gz").table
    pd.testing.assert_frame_equal(opened(folder, "hdf5", mask="mask.nii.gz", reference="reference.nii.gz").table, plain)
    save(folder / "reference.nii.gz", np.zeros(SHAPE, np.float32), RAS * [[2], [1], [1], [1]])
    refused(lambda: opened(folder, "hdf5", mask="mask.nii.gz", reference="reference.nii.gz"), "reference.nii.gz")


@pytest.mark.parametrize("role", ["mask", "rois", "bold"])
def test_kind_place_assumed_an_image_without_places_is_refused_in_mni_space(folder, role):
    save(folder / "rois.nii.gz", sides(RAS))
    values = {
        "mask": np.ones(SHAPE, np.uint8),
        "rois": sides(RAS),
        "bold": nib.load(folder / "bold.nii.gz").get_fdata(),
    }
    save(folder / f"{role}.nii.gz", values[role].astype(np.float32), np.diag([6.0, 6, 6, 1]), code=0)
    files = {"mask": "mask.nii.gz", "rois": "rois.nii.gz", "roi_table": "rois.tsv"}

    def read():
        opened(folder, "nifti", **files).open([str(folder / "bold.nii.gz")], {"name": "a"})

    refused(read, f"{role}.nii.gz", "no places", "fslcpgeom")
    if role == "bold":
        refused(lambda: opened(folder, "nifti"), "bold.nii.gz", "no places")


def test_kind_place_assumed_native_images_without_places_have_no_coordinates(folder):
    for name, values in {"mask": np.ones(SHAPE, np.uint8), "rois": sides(RAS)}.items():
        save(folder / f"{name}.nii.gz", values, np.diag([6.0, 6, 6, 1]), code=0)
    table = opened(folder, "nifti", "native", mask="mask.nii.gz", rois="rois.nii.gz", roi_table="rois.tsv").table
    assert table["x"].isna().all() and set(table["roi"]) == {"Left", "Right"}
    refused(lambda: opened(folder, "hdf5", "mni", mask="mask.nii.gz"), "mask.nii.gz", "no places", "native")


@VOLUMES
def test_kind_nan_is_outside_a_mask(folder, reader):
    mask = np.full(SHAPE, np.nan, np.float32)
    mask[4:6, 4:6, 4:6] = 1
    save(folder / "mask.nii.gz", mask)
    assert len(opened(folder, reader, mask="mask.nii.gz").table) == 8
    save(folder / "mask.nii.gz", np.full(SHAPE, np.nan, np.float32))
    refused(lambda: opened(folder, reader, mask="mask.nii.gz"), "mask.nii.gz", "no voxel is inside")


@VOLUMES
def test_kind_nan_in_a_label_image_is_no_region(folder, reader):
    labels = sides(RAS).astype(np.float32)
    labels[labels == 2] = np.nan
    save(folder / "rois.nii.gz", labels)
    table = opened(folder, reader, mask="mask.nii.gz", rois="rois.nii.gz").table
    assert set(table["roi"]) == {"roi-1", ""}
    if reader == "nifti":
        assert len(opened(folder, reader, rois="rois.nii.gz").table) == 500


def test_kind_nan_in_an_atlas_is_no_parcel(folder):
    labels = sides(RAS).astype(np.float32)
    labels[labels == 2] = np.nan
    files = {"atlas": save(folder / "atlas.nii.gz", labels), "atlas_table": str(folder / "rois.tsv")}
    xyz = pd.DataFrame({"x": [-27.0, 27.0], "y": 0.0, "z": 0.0})
    found = label_voxels(xyz, {"name": "mine", "kind": "image"}, [{"name": "Left"}], files, "mni")
    assert found.tolist() == ["Left", ""]
    save(folder / "atlas.nii.gz", labels, np.diag([6.0, 6, 6, 1]), code=0)
    refused(lambda: label_voxels(xyz, {"name": "mine", "kind": "image"}, [{"name": "Left"}], files, "mni"), "no places")


def test_kind_nan_and_its_like_interpolated_images_are_refused(folder):
    probability = np.linspace(0, 1, 1000, dtype=np.float32).reshape(SHAPE)
    save(folder / "mask.nii.gz", probability)
    for reader in ("nifti", "hdf5"):
        refused(lambda reader=reader: opened(folder, reader, mask="mask.nii.gz"), "mask.nii.gz", "threshold")
    save(folder / "rois.nii.gz", probability * 3)
    refused(lambda: opened(folder, "nifti", rois="rois.nii.gz"), "rois.nii.gz", "whole numbers", "nearest neighbours")
    save(folder / "rois.nii.gz", np.full(SHAPE, np.inf, np.float32))
    refused(lambda: opened(folder, "nifti", rois="rois.nii.gz"), "rois.nii.gz", "inf")
    # Smooth interpolation overshoots.
    refused(lambda: inside_of(np.array([-0.02, 0.0, 0.4, 1.03]), "mask.nii.gz"), "mask.nii.gz", "threshold")
    np.testing.assert_array_equal(inside_of(np.array([-3.1, 0.0, 2.4]), "a"), [True, False, True])
    # What scaling leaves of a whole number is one, and an image of intensities is a mask of all that is not zero.
    np.testing.assert_array_equal(whole_labels(np.array([2.9999998, 0.0]), "a"), [3, 0])
    np.testing.assert_array_equal(inside_of(np.array([0.0, 103.7, 0.2]), "a"), [False, True, True])


@pytest.mark.parametrize(("unit", "size"), [("meter", 0.001), ("micron", 1000.0), ("meter", 1.0)])
def test_kind_place_assumed_units_of_a_header_become_millimetres(folder, unit, size):
    """A header that names a unit its numbers cannot be in (voxels of 6 m) is taken to mean millimetres."""
    expected = opened(folder, "nifti", mask="mask.nii.gz").table
    image = nib.load(folder / "mask.nii.gz")
    scaled = nib.Nifti1Image(np.asarray(image.dataobj), np.diag([size] * 3 + [1]) @ RAS)
    scaled.set_sform(scaled.affine, 2)
    scaled.header.set_xyzt_units(unit)
    nib.save(scaled, folder / "other.nii.gz")
    found = opened(folder, "nifti", mask="other.nii.gz")
    np.testing.assert_allclose(found.table[["x", "y", "z"]], expected[["x", "y", "z"]], atol=1e-3)
    assert found.open([str(folder / "bold.nii.gz")], {"name": "a", "stimulus": "a"}).volumes == 12


def test_kind_types_assumed_complex_responses_are_refused(folder):
    save(folder / "complex.nii.gz", np.ones((*SHAPE, 12), np.complex64))
    reader = opened(folder, "nifti", mask="mask.nii.gz")
    run = {"name": "a", "stimulus": "a"}
    refused(lambda: reader.open([str(folder / "complex.nii.gz")], run), "complex.nii.gz", "complex64", "magnitude")


def surface(path, values, names=None, side=None):
    arrays = [nib.gifti.GiftiDataArray(np.asarray(column, np.float32)) for column in values]
    image = nib.gifti.GiftiImage(darrays=arrays)
    if side:
        image.darrays[0].meta = nib.gifti.GiftiMetaData(AnatomicalStructurePrimary=f"Cortex{side}")
    for key, name in (names or {}).items():
        label = nib.gifti.GiftiLabel(key=key)
        label.label = name
        image.labeltable.labels.append(label)
    nib.save(image, path)
    return str(path)


def test_kind_tables_of_several_files_each_hemisphere_has_its_own_names(tmp_path):
    series = np.random.default_rng(0).normal(size=(5, 3))
    bold = [surface(tmp_path / f"bold_{hemi}.func.gii", series) for hemi in "LR"]
    rois = {
        "rois_L": [surface(tmp_path / "l.label.gii", [[1, 2, 0]], {0: "", 1: "L_STG", 2: "L_IFG"})],
        "rois_R": [surface(tmp_path / "r.label.gii", [[1, 2, 2]], {0: "", 1: "R_STG", 2: "R_IFG"})],
    }
    names = ["L_STG", "L_IFG", "", "R_STG", "R_IFG", "R_IFG"]
    assert GiftiReader(bold, rois, {"space": "none"}).table["roi"].tolist() == names
    for hemi in "LR":
        (tmp_path / f"{hemi}.tsv").write_text(f"index\tname\n1\t{hemi}1\n2\t{hemi}2\n")
    tables = {f"roi_table_{hemi}": [str(tmp_path / f"{hemi}.tsv")] for hemi in "LR"}
    found = GiftiReader(bold, {**rois, **tables}, {"space": "none"}).table["roi"].tolist()
    assert found == ["L1", "L2", "", "R1", "R2", "R2"]
    one = GiftiReader(bold, {**rois, "roi_table": tables["roi_table_L"]}, {"space": "none"}).table["roi"].tolist()
    assert one == ["L1", "L2", "", "L1", "L2", "L2"]
    masked = {
        "mask_L": [surface(tmp_path / "m.gii", [[np.nan, 1, 0]])],
        "mask_R": [surface(tmp_path / "n.gii", [[1, 0, 1]])],
    }
    assert GiftiReader(bold, {**rois, **masked}, {"space": "none"}).table["roi"].tolist() == ["L_IFG", "R_STG", "R_IFG"]


def test_kind_orientation_a_surface_of_the_other_hemisphere_is_refused(tmp_path):
    series = np.random.default_rng(0).normal(size=(5, 3))
    left, right = (surface(tmp_path / f"{side}.func.gii", series, side=side) for side in ("Left", "Right"))
    GiftiReader([left, right], {}, {"space": "none"})
    refused(lambda: GiftiReader([right, left], {}, {"space": "none"}), "Right.func.gii", "of the right hemisphere")
    rois = {"rois": [surface(tmp_path / "rois.gii", [[1, 2, 0]], side="Right")]}
    refused(lambda: GiftiReader([left], rois, {"space": "none"}), "rois.gii", "right hemisphere, where the left one")
    reader = GiftiReader([left], {}, {"space": "none"})
    refused(lambda: reader.open([right], {"name": "run-1"}), "Right.func.gii", "left one is meant")


def test_kind_nan_in_grayordinates(tmp_path):
    brain = nib.cifti2.BrainModelAxis.from_surface(np.arange(4), 10, "CortexLeft")
    first = {"s": nib.cifti2.SeriesAxis(0, 1, 3), "m": nib.cifti2.ScalarAxis(["mask"])}

    def dense(name, axis, values):
        nib.save(nib.Cifti2Image(np.asarray(values, np.float32), (axis, brain)), tmp_path / name)
        return str(tmp_path / name)

    bold = dense("a.dtseries.nii", first["s"], np.zeros((3, 4)))
    mask = dense("mask.dscalar.nii", first["m"], [[np.nan, 1, 0, 1]])
    rois = dense("rois.dscalar.nii", first["m"], [[1, np.nan, 2, 2]])
    assert CiftiReader([bold], {"mask": [mask], "rois": [rois]}, {}).table["roi"].tolist() == ["", "roi-2"]
    refused(lambda: CiftiReader([bold], {"mask": [mask, mask]}, {}), "stands for 2 files", "leave {run}")


@VOLUMES
def test_kind_template_a_label_image_per_run_is_refused(folder, reader):
    for name in ("a.nii.gz", "b.nii.gz"):
        save(folder / name, sides(RAS))
    files = {"mask": "mask.nii.gz", "rois": ["a.nii.gz", "b.nii.gz"]}
    refused(lambda: opened(folder, reader, **files), "b.nii.gz", "`rois` stands for 2 files")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("index\tname\n1\tNA\n2\tnull\n3\tNone\n4\tnan\n", {1: "NA", 2: "null", 3: "None", 4: "nan"}),
        ('index\tname\tcolor\n0\t"Unknown"\t#000\n1\t"Left-Cortex"\t#468\n', {0: "Unknown", 1: "Left-Cortex"}),
        ("name\tindex\nA\t1.0\nn/a\t2\nA\t3\n", {1: "A", 3: "A"}),
        ("index\tname\n1.5\tA\n", "row 2: index is '1.5'"),
        ("index\tname\n1\tA\n1\tB\n", "row 3: the label 1 is 'B' and 'A'"),
        ("1\tA\n2\tB\n", "seems to have no header"),
        ("index,name\n1,A\n", "set apart by commas"),
    ],
)  # fmt: skip
def test_kind_dialect_names_of_a_label_table_are_what_is_written(tmp_path, text, expected):
    (tmp_path / "t.tsv").write_text(text)
    if isinstance(expected, dict):
        assert read_label_table(tmp_path / "t.tsv") == expected
    else:
        refused(lambda: read_label_table(tmp_path / "t.tsv"), expected)


VALUES = st.one_of(st.floats(width=32), st.integers(-3, 300), st.sampled_from([np.nan, np.inf, 0, 0.5, 1, 1e30]))
TYPES = st.sampled_from([np.float32, np.int16, np.uint8, np.complex64, [("R", "u1"), ("G", "u1"), ("B", "u1")]])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=8, max_size=8), TYPES, st.integers(0, 2), st.booleans())
def test_any_mask_or_label_image_is_read_or_refused(tmp_path, values, kind, code, flipped):
    with np.errstate(all="ignore"):
        array = np.zeros(8, kind) if isinstance(kind, list) else np.array(values).astype(kind)
    path = save(tmp_path / "a.nii", array.reshape(2, 2, 2), LAS if flipped else RAS, code)
    try:
        found, _ = read_volume(path)
        inside, labels = inside_of(found, path), whole_labels(found, path)
    except InputError as error:
        assert path in str(error) and "\n" not in str(error)
    else:
        assert inside.dtype == bool and labels.dtype == int
        np.testing.assert_array_equal(labels, np.nan_to_num(found).round())
