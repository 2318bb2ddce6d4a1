"""HDF5: files as LeBel et al. and Narrative Movie publish them, written here by h5py and scipy."""

import re

import h5py
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from triphase.core.errors import InputError
from triphase.responses.readers import hdf5, open_reader
from triphase.responses.readers.hdf5 import Hdf5Reader, read_indices, tiles

SHAPE = (3, 4, 2)
AFFINE = np.array([[-2.0, 0, 0, 40], [0, 2, 0, -60], [0, 0, 2, -20], [0, 0, 0, 1]])
RUN = {"name": "story", "stimulus": "story"}
INSIDE = [(0, 0, 0), (2, 0, 0), (1, 3, 0), (0, 1, 1)]  # x fastest


def refused(call, *expected):
    with pytest.raises(InputError) as error:
        call()
    for text in expected:
        assert text in str(error.value), error.value


def image(path, values):
    nib.save(nib.Nifti1Image(values, AFFINE), path)
    return str(path)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    mask = np.zeros(SHAPE, np.int16)
    for place in INSIDE:
        mask[place] = 1
    image(tmp_path / "mask.nii.gz", mask)
    with h5py.File(tmp_path / "story.hf5", "w") as file:
        file["data"] = rng.normal(size=(9, 4))
        file["individual_repeats"] = rng.normal(size=(5, 9, 4))
    # MATLAB writes its (voxel, time) matrix so that h5py sees (time, voxel).
    grid = rng.normal(size=(*SHAPE, 7))
    with h5py.File(tmp_path / "story.mat", "w") as file:
        file.create_dataset("dataDT", data=grid.reshape(-1, 7, order="F").T, chunks=(3, 5), compression="gzip")
    linear = [1 + x + SHAPE[0] * (y + SHAPE[1] * z) for x, y, z in INSIDE]
    savemat(tmp_path / "vset.mat", {"tvoxels": np.array(linear, dtype=float)[:, None]})
    with h5py.File(tmp_path / "vset73.mat", "w") as file:
        file["tvoxels"] = np.array([linear], dtype=float)
    image(tmp_path / "reference.nii.gz", np.zeros(SHAPE, np.float32))
    return tmp_path


LEBEL = {"name": "v", "reader": "hdf5", "space": "native", "key": "data", "repeats_key": "individual_repeats"}
NARRATIVE = {"name": "v", "reader": "hdf5", "space": "native", "key": "dataDT", "mask_key": "tvoxels", "first_index": 1}


def opened(folder, source, response, **roles):
    files = {role: {"": {"path": str(folder / name)}} for role, name in {"response": response, **roles}.items()}
    return open_reader(source, files)


def read(reader, path, run=RUN):
    recording = reader.open([str(path)], run)
    values = recording.read()
    assert values.shape == (recording.volumes, len(reader.table)) and values.dtype == np.float32
    return values


def test_columns_are_the_voxels_of_a_mask(folder):
    reader = opened(folder, LEBEL, "story.hf5", mask="mask.nii.gz")
    with h5py.File(folder / "story.hf5") as file:
        np.testing.assert_array_equal(read(reader, folder / "story.hf5"), file["data"][()].astype(np.float32))
        for hearing in (1, 5):
            values = read(reader, folder / "story.hf5", {**RUN, "repeat": hearing})
            np.testing.assert_array_equal(values, file["individual_repeats"][hearing - 1].astype(np.float32))
    places = [nib.affines.apply_affine(AFFINE, place) for place in INSIDE]
    np.testing.assert_allclose(reader.table[["x", "y", "z"]], places)


@pytest.mark.parametrize("mask", ["vset.mat", "vset73.mat"])
@pytest.mark.parametrize("slab", [8, 60, 10**6])
def test_columns_are_a_grid_that_a_mask_cuts(folder, monkeypatch, mask, slab):
    monkeypatch.setattr(hdf5, "SLAB_BYTES", slab)
    reader = opened(folder, NARRATIVE, "story.mat", mask=mask, reference="reference.nii.gz")
    values = read(reader, folder / "story.mat")
    with h5py.File(folder / "story.mat") as file:
        volumes = file["dataDT"][()].T.reshape(*SHAPE, 7, order="F")
    for number, place in enumerate(INSIDE):
        np.testing.assert_array_equal(values[:, number], volumes[place].astype(np.float32))
    places = [nib.affines.apply_affine(AFFINE, place) for place in INSIDE]
    np.testing.assert_allclose(reader.table[["x", "y", "z"]], places)


def test_grid_under_an_image_as_mask_and_regions(folder):
    labels = np.zeros(SHAPE, np.int16)
    labels[2, 0, 0], labels[0, 1, 1] = 3, 8
    image(folder / "rois.nii.gz", labels)
    (folder / "rois.tsv").write_text("index\tname\n3\tA\n8\tB\n")
    source = {"name": "v", "reader": "hdf5", "key": "dataDT"}
    reader = opened(
        folder, source, "story.mat", mask="mask.nii.gz", rois="rois.nii.gz", roi_table="rois.tsv"
    )  # fmt: skip
    assert reader.table["roi"].tolist() == ["", "A", "", "B"]
    plain = opened(folder, NARRATIVE, "story.mat", mask="vset.mat", reference="reference.nii.gz")
    np.testing.assert_array_equal(read(reader, folder / "story.mat"), read(plain, folder / "story.mat"))


def test_without_a_mask_all_columns_are_voxels(folder):
    reader = opened(folder, {"reader": "hdf5", "key": "data"}, "story.hf5")
    assert read(reader, folder / "story.hf5").shape == (9, 4) and reader.table["x"].isna().all()
    refused(lambda: read(reader, folder / "story.hf5", {**RUN, "repeat": 1}), "repeats_key", "story.hf5")
    without = opened(folder, NARRATIVE, "story.mat", mask="vset.mat")
    assert read(without, folder / "story.mat").shape == (7, 4) and without.table["x"].isna().all()


def test_mistakes_are_named(folder):
    reader = opened(folder, LEBEL, "story.hf5", mask="mask.nii.gz")
    path = folder / "other.hf5"
    refused(lambda: read(reader, folder / "story.hf5", {**RUN, "repeat": 6}), "story.hf5", "5 hearings", "number 6")
    with h5py.File(path, "w") as file:
        file["bold"] = np.zeros((9, 4))
    refused(lambda: read(reader, path), "other.hf5", "no data under the key 'data'", "bold")
    for wrong in (np.zeros((9, 3)), np.zeros((9, 24))[:, :23]):
        with h5py.File(path, "w") as file:
            file["data"] = wrong
        refused(lambda: read(reader, path), "other.hf5", f"{wrong.shape[1]} voxels", "mask.nii.gz has 4", "grid of 24")
    for wrong in (np.zeros(9), np.zeros((9, 4, 1)), np.zeros((0, 4)), np.array([[b"a"]])):
        with h5py.File(path, "w") as file:
            file["data"] = wrong
        refused(lambda: read(reader, path), "other.hf5", "'data' has shape", "(time, voxel)")
    whole = (folder / "story.hf5").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text"):
        path.write_bytes(content)
        refused(lambda: read(reader, path), "other.hf5", "get the file again")
    refused(lambda: read(reader, folder / "absent.hf5"), "absent.hf5", "no such file")
    # A mask of another shape.
    image(folder / "small.nii.gz", np.ones((2, 2, 2), np.int16))
    both = {"mask": "mask.nii.gz", "reference": "small.nii.gz"}
    refused(lambda: opened(folder, LEBEL, "story.hf5", **both), "mask.nii.gz", "(2, 2, 2)")
    refused(
        lambda: opened(folder, LEBEL, "story.hf5", mask="mask.nii.gz", rois="small.nii.gz"), "small.nii.gz", "(3, 4, 2)"
    )
    refused(
        lambda: opened(folder, NARRATIVE, "story.mat", mask="vset.mat", reference="small.nii.gz"),
        "vset.mat",
        "(2, 2, 2)",
    )
    image(folder / "empty.nii.gz", np.zeros(SHAPE, np.int16))
    refused(lambda: opened(folder, LEBEL, "story.hf5", mask="empty.nii.gz"), "empty.nii.gz", "no voxel")


def test_damaged_chunk_is_named(folder):
    path = folder / "story.mat"
    with h5py.File(path) as file:
        at = file["dataDT"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)
    reader = opened(folder, NARRATIVE, "story.mat", mask="vset.mat")
    refused(lambda: read(reader, path), "story.mat", "damaged")


@pytest.mark.parametrize("values, expected", [
    ([3, 2, 9], "ascending"), ([0, 2], "from 1"), ([1, 1], "ascending"), ([1.5, 2], "whole numbers"),
    ([], "whole numbers"),
])  # fmt: skip
def test_indices_that_are_no_mask(tmp_path, values, expected):
    path = tmp_path / "vset.mat"
    savemat(path, {"tvoxels": np.array(values, dtype=float)})
    refused(lambda: read_indices(str(path), "tvoxels"), "vset.mat", expected)


def test_indices_can_start_at_zero_and_their_key_must_be_there(tmp_path):
    path = str(tmp_path / "vset.mat")
    savemat(path, {"tvoxels": np.array([0, 5])})
    assert read_indices(path, "tvoxels", 0).tolist() == [0, 5]
    refused(lambda: read_indices(path, "voxels"), "vset.mat", "'voxels'", "the file has tvoxels")
    refused(lambda: read_indices(str(tmp_path / "none.mat"), "tvoxels"), "none.mat", "no such file")


def test_a_damaged_mat_file_is_named_and_does_not_take_the_job_with_it(tmp_path):
    path = tmp_path / "vset.mat"
    savemat(path, {"tvoxels": np.arange(1.0, 50.0)})
    content = path.read_bytes()
    for cut in (0, 40, 140, 190, len(content) - 8):
        path.write_bytes(content[:cut])
        refused(lambda: read_indices(str(path), "tvoxels"), "vset.mat", "truncated, damaged", "get the file again")
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(300))
    refused(lambda: read_indices(str(path), "tvoxels"), "vset.mat", "truncated, damaged")
    # The tag that says what type the numbers have: scipy follows it out of its own memory.
    path.write_bytes(content[:184] + b"\xff" + content[185:])
    refused(lambda: read_indices(str(path), "tvoxels"), "vset.mat", "reading it crashes")


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.none() | st.tuples(st.integers(1, 50), st.integers(1, 50)),
    st.integers(1, 4000),
)
@settings(max_examples=200)
def test_tiles_cover_each_value_once_in_whole_chunks(shape, chunks, budget):
    if chunks:
        chunks = tuple(min(c, s) for c, s in zip(chunks, shape, strict=True))
    before, hdf5.SLAB_BYTES = hdf5.SLAB_BYTES, budget
    try:
        found = list(tiles(shape, chunks, 8))
    finally:
        hdf5.SLAB_BYTES = before
    count = np.zeros(shape, int)
    for part in found:
        count[part] += 1
    assert (count == 1).all()
    for rows, columns in found:
        for piece, size, step in zip((rows, columns), shape, chunks or (1, 1), strict=True):
            assert piece.start % step == 0 and (piece.stop % step == 0 or piece.stop == size)
        least = chunks[0] * chunks[1] if chunks else shape[1]
        assert (rows.stop - rows.start) * (columns.stop - columns.start) <= max(budget // 8, least)


def test_kind_types_assumed_arrays_of_matlab_that_hold_no_numbers(tmp_path):
    path = str(tmp_path / "a.mat")
    with h5py.File(path, "w") as file:
        file["#refs#/a"] = np.ones((4, 3))
        file.create_dataset("runs", (1, 1), dtype=h5py.ref_dtype)[0, 0] = file["#refs#/a"].ref
        file["name"], file["flags"] = np.array([[104], [105]], "u2"), np.ones((4, 3), "u1")
        for key, kind in {"runs": "cell", "name": "char", "flags": "logical"}.items():
            file[key].attrs["MATLAB_class"] = np.bytes_(kind)
        file.create_group("sparse").attrs["MATLAB_sparse"] = np.uint64(4)
        file["sparse/data"] = np.ones(3)
    for key, expected in {
        "runs": "MATLAB's cell (1, 1); it must be numbers (time, voxel); save each",
        "name": "MATLAB's char",
        "flags": "MATLAB's logical",
        "sparse": "a sparse array; save full(sparse)",
    }.items():
        with pytest.raises(InputError, match=re.escape(expected)):
            Hdf5Reader([path], {}, {"key": key})
