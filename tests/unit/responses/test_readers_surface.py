"""GIFTI and CIFTI: surfaces as nibabel writes them."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, LabelAxis, ScalarAxis, SeriesAxis

from triphase.core.errors import InputError
from triphase.responses.readers import cifti, open_reader, open_run
from triphase.responses.readers.cifti import CiftiReader
from triphase.responses.readers.gifti import GiftiReader

RUN = {"name": "run-1", "stimulus": "one"}


def gifti_reader(example, paths, space="none"):
    return GiftiReader(example, paths, {"space": space})


def refused(call, *expected):
    with pytest.raises(InputError) as error:
        call()
    for text in expected:
        assert text in str(error.value), error.value


def surface(path, values, step=None, labels=None):
    """A surface file of values (vertex, time); `labels` are names of whole-number values."""
    kind = "NIFTI_TYPE_INT32" if values.dtype.kind == "i" else "NIFTI_TYPE_FLOAT32"
    arrays = [nib.gifti.GiftiDataArray(np.ascontiguousarray(v), datatype=kind) for v in values.T]
    image = nib.gifti.GiftiImage(darrays=arrays)
    if step is not None:
        image.meta = nib.gifti.GiftiMetaData({"TimeStep": str(step)})
    for key, name in (labels or {}).items():
        label = nib.gifti.GiftiLabel(key)
        label.label = name
        image.labeltable.labels.append(label)
    nib.save(image, path)
    return str(path)


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    return {side: rng.normal(size=(size, 9)).astype(np.float32) for side, size in (("L", 5), ("R", 4))}


def test_both_hemispheres_with_mask_and_regions(tmp_path, series):
    files = {}
    for side, values in series.items():
        labels = np.arange(len(values), dtype=np.int32)[:, None] % 3
        mask = np.ones((len(values), 1), np.int32)
        mask[1] = 0
        for role, path in {
            "response": surface(tmp_path / f"{side}.func.gii", values, step=1500.0),
            "mask": surface(tmp_path / f"{side}.shape.gii", mask),
            "rois": surface(tmp_path / f"{side}.label.gii", labels, labels={0: "???", 1: "A", 2: "B"}),
        }.items():
            files[f"{role}_{side}"] = {"run-1" if role == "response" else "": {"path": path}}
    reader = open_reader({"name": "s", "reader": "gifti", "space": "none"}, files)
    recording = open_run(reader, files, RUN)
    kept = {side: np.delete(values, 1, axis=0) for side, values in series.items()}
    np.testing.assert_array_equal(recording.read(), np.concatenate([kept["L"], kept["R"]]).T)
    assert recording.volumes == 9 and recording.tr == pytest.approx(1.5)
    assert reader.table["roi"].tolist() == ["", "B", "", "A", "", "B", ""] and reader.table["x"].isna().all()


@pytest.mark.parametrize(("step", "tr"), [(2.0, 2.0), (720, 0.72), (None, None), ("unknown", None), (0, None)])
def test_single_file_and_its_time_step(tmp_path, series, step, tr):
    path = surface(tmp_path / "x.func.gii", series["L"], step=step)
    recording = gifti_reader([path], {}).open([path], RUN)
    assert recording.tr == tr
    np.testing.assert_array_equal(recording.read(), series["L"].T)


def test_one_array_of_two_dimensions(tmp_path, series):
    array = nib.gifti.GiftiDataArray(series["L"], datatype="NIFTI_TYPE_FLOAT32")
    nib.save(nib.gifti.GiftiImage(darrays=[array]), tmp_path / "x.func.gii")
    path = str(tmp_path / "x.func.gii")
    np.testing.assert_array_equal(gifti_reader([path], {}).open([path], RUN).read(), series["L"].T)


def test_vertices_of_fsaverage5_have_coordinates(tmp_path):
    paths = [surface(tmp_path / f"{side}.func.gii", np.zeros((10242, 2), np.float32)) for side in "LR"]
    table = gifti_reader(paths, {}, space="fsaverage5").table
    assert table["x"][:10242].mean() < -20 and table["x"][10242:].mean() > 20
    small = [surface(tmp_path / "small.func.gii", np.zeros((5, 2), np.float32))]
    refused(lambda: gifti_reader(small, {}, space="fsaverage5"), "small.func.gii", "10242", "{hemi}")


def test_mistakes_in_surfaces_are_named(tmp_path, series):
    left, right = (surface(tmp_path / f"{side}.func.gii", series[side]) for side in "LR")
    reader = gifti_reader([left, right], {})
    short = surface(tmp_path / "short.func.gii", series["R"][:, :7])
    refused(lambda: reader.open([left, short], RUN), "short.func.gii", "7 time points", left, "9")
    small = surface(tmp_path / "small.func.gii", series["R"][:3])
    refused(lambda: reader.open([left, small], RUN), "small.func.gii", "3 vertices", right, "has 4")
    refused(lambda: gifti_reader([left, right], {"mask_L": [left]}), left, "1 file(s) of mask for 2")
    mask = surface(tmp_path / "mask.gii", np.ones((3, 1), np.int32))
    refused(lambda: gifti_reader([left], {"mask": [mask]}), "mask.gii", "3 vertices", "response has 5")
    empty = surface(tmp_path / "empty.gii", np.zeros((5, 1), np.int32))
    refused(lambda: gifti_reader([left], {"mask": [empty]}), "empty.gii", "no vertex")
    refused(lambda: reader.open([left, right], {**RUN, "repeat": 1}), "hearing 1", left)
    whole = (tmp_path / "L.func.gii").read_bytes()
    bad = tmp_path / "bad.func.gii"
    for content in (whole[: len(whole) // 2], whole[:-300], b"", b"<GIFTI/>", b"text"):
        bad.write_bytes(content)
        refused(lambda: reader.open([str(bad), right], RUN), "bad.func.gii", "get the file again")


AFFINE = np.diag([2.0, 2, 2, 1])


@pytest.fixture
def brain():
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = mask[2, 0, 1] = True
    cortex = BrainModelAxis.from_surface(np.array([0, 2, 3]), 6, name="CIFTI_STRUCTURE_CORTEX_LEFT")
    return cortex + BrainModelAxis.from_mask(mask, affine=AFFINE, name="CIFTI_STRUCTURE_THALAMUS_LEFT")


def dense(path, first, brain, values):
    nib.save(nib.Cifti2Image(values, (first, brain)), path)
    return str(path)


@pytest.fixture
def bold(tmp_path, brain):
    values = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    return dense(tmp_path / "run.dtseries.nii", SeriesAxis(0, 720, 9, unit="SECOND"), brain, values), values


def test_dense_series_with_mask_and_regions(tmp_path, brain, bold, monkeypatch):
    path, values = bold
    mask = dense(tmp_path / "m.dscalar.nii", ScalarAxis(["m"]), brain, np.array([[1, 0, 1, 1, 1]], np.float32))
    names = {0: ("???", (0, 0, 0, 0)), 1: ("A", (1, 0, 0, 1)), 7: ("B", (0, 1, 0, 1))}
    rois = dense(tmp_path / "r.dlabel.nii", LabelAxis(["r"], [names]), brain, np.array([[1, 1, 0, 7, 7]], np.float32))
    monkeypatch.setattr(cifti, "SLAB_BYTES", 2 * 8 * 5)
    files = {role: {"": {"path": p}} for role, p in {"response": path, "mask": mask, "rois": rois}.items()}
    reader = open_reader({"name": "c", "reader": "cifti", "space": "none"}, files)
    recording = open_run(reader, files, RUN)
    np.testing.assert_array_equal(recording.read(), values[:, [0, 2, 3, 4]])
    assert (recording.volumes, recording.tr) == (9, 720)
    assert reader.table["roi"].tolist() == ["A", "", "B", "B"]
    assert reader.table["x"].isna().tolist() == [True, True, False, False]
    np.testing.assert_allclose(reader.table[["x", "y", "z"]][2:], [[2, 2, 2], [4, 0, 2]])


def test_mistakes_in_dense_series_are_named(tmp_path, brain, bold):
    path, values = bold
    reader = CiftiReader([path], {}, {})
    fewer = dense(tmp_path / "few.dtseries.nii", SeriesAxis(0, 1, 9), brain[:4], values[:, :4])
    refused(lambda: reader.open([fewer], RUN), "few.dtseries.nii", "4 grayordinates", "the 5 of", path)
    scalars = dense(tmp_path / "s.dscalar.nii", ScalarAxis(list("abcdefghi")), brain, values)
    refused(lambda: reader.open([scalars], RUN), "s.dscalar.nii", "no time points")
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.float32), AFFINE), tmp_path / "volume.nii")
    refused(lambda: reader.open([str(tmp_path / "volume.nii")], RUN), "volume.nii", "not a dense CIFTI-2")
    whole = open(path, "rb").read()
    bad = tmp_path / "bad.dtseries.nii"
    for content in (whole[:-20], whole[:700], b"", b"text"):
        bad.write_bytes(content)
        refused(lambda: reader.open([str(bad)], RUN).read(), "bad.dtseries.nii", "get the file again")
    refused(lambda: reader.open([path], {**RUN, "repeat": 1}), "hearing 1", path)


def test_kind_orientation_dense_labels_are_laid_over_the_responses_by_place(tmp_path, brain, bold):
    path, values = bold
    names = {0: ("???", (0, 0, 0, 0)), 1: ("A", (1, 0, 0, 1)), 2: ("B", (0, 1, 0, 1))}
    first = LabelAxis(["r"], [names])

    def regions(axis, labels):
        rois = dense(tmp_path / "r.dlabel.nii", first, axis, np.array([labels], np.float32))
        return CiftiReader([path], {"rois": [rois]}, {}).table["roi"].tolist()

    assert regions(brain, [1, 2, 0, 1, 2]) == ["A", "B", "", "A", "B"]
    assert regions(brain[[3, 4, 2, 0, 1]], [1, 2, 0, 1, 2]) == ["A", "B", "", "A", "B"], "in another order"
    cortex = BrainModelAxis.from_surface(np.arange(6), 6, name="CIFTI_STRUCTURE_CORTEX_LEFT")
    assert regions(cortex, [1, 0, 2, 2, 0, 1]) == ["A", "B", "B", "", ""], "an atlas of all vertices of the cortex"
    other = BrainModelAxis.from_surface(np.arange(7), 7, name="CIFTI_STRUCTURE_CORTEX_LEFT")
    refused(lambda: regions(other, [1] * 7), "r.dlabel.nii", "7 vertices, and 6 in", "resample")
    right = BrainModelAxis.from_surface(np.arange(6), 6, name="CIFTI_STRUCTURE_CORTEX_RIGHT")
    refused(lambda: regions(right, [1] * 6), "r.dlabel.nii", "none of its 6 grayordinates")
    moved = BrainModelAxis.from_mask(np.ones((3, 3, 3), bool), "thalamus_left", affine=AFFINE + np.eye(4, k=3))
    refused(lambda: regions(moved, [1] * 27), "r.dlabel.nii", "affine is not that of", path)
    mask = dense(tmp_path / "m.dscalar.nii", ScalarAxis(["m"]), cortex, np.ones((1, 6), np.float32))
    assert len(CiftiReader([path], {"mask": [mask]}, {}).table) == 3


def test_kind_tables_of_several_maps_a_file_of_one_is_wanted(tmp_path, brain, bold, series):
    names = {1: ("A", (1, 0, 0, 1))}
    two = dense(tmp_path / "two.dlabel.nii", LabelAxis(["fine", "coarse"], [names] * 2), brain, np.ones((2, 5)))
    for role in ("rois", "mask"):
        refused(lambda role=role: CiftiReader([bold[0]], {role: [two]}, {}), "2 maps (fine, coarse)", "-cifti-merge")
    left = surface(tmp_path / "L.func.gii", series["L"])
    maps = surface(tmp_path / "maps.gii", np.ones((5, 2), np.int32))
    refused(lambda: gifti_reader([left], {"rois": [maps]}), "maps.gii: 2 maps", "-metric-merge")


def test_kind_advice_parcels_and_what_is_no_value_of_a_vertex(tmp_path, brain, series):
    parcels = nib.cifti2.ParcelsAxis.from_brain_models([("A", brain[:3]), ("B", brain[3:])])
    path = dense(tmp_path / "a.ptseries.nii", SeriesAxis(0, 1, 4, unit="SECOND"), parcels, np.ones((4, 2)))
    refused(lambda: CiftiReader([path], {}, {}), "its columns are parcels", "rois", "npy")
    points = nib.gifti.GiftiDataArray(np.ones((5, 3), np.float32), intent="NIFTI_INTENT_POINTSET")
    nib.save(nib.gifti.GiftiImage(darrays=[points]), tmp_path / "a.surf.gii")
    refused(lambda: gifti_reader([str(tmp_path / "a.surf.gii")], {}), "a.surf.gii: holds points", ".func.gii")


def test_kind_tables_one_key_of_a_label_surface_has_one_name(tmp_path, series):
    left = surface(tmp_path / "L.func.gii", series["L"])
    path = surface(tmp_path / "a.label.gii", np.ones((5, 1), np.int32), labels={1: "A"})
    image = nib.load(path)
    again = nib.gifti.GiftiLabel(1)
    again.label = "B"
    image.labeltable.labels.append(again)
    nib.save(image, path)
    refused(lambda: gifti_reader([left], {"rois": [path]}), "a.label.gii", "label 1 is 'B' and 'A'")
