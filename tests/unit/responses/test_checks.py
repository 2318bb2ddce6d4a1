"""Whether a run's file is plausible: its TR, and its length beside what was heard in it."""

import json

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from triphase.core.errors import InputError
from triphase.responses.checks import Clock, check_length, check_tr
from triphase.responses.description import compare_lengths, remarks
from triphase.responses.readers import rows_of
from triphase.responses.readers.gifti import GiftiReader
from triphase.responses.readers.hdf5 import Hdf5Reader
from triphase.responses.readers.nifti import NiftiReader
from triphase.responses.readers.npy import NpyReader
from triphase.responses.readers.recording import Recording
from triphase.responses.readers.text import TextReader
from triphase.stimuli.checks import check_sound

RUN = {"name": "a", "stimulus": "s"}


def heard(seconds, number=200, unit="word"):
    times = np.linspace(0, seconds - 0.5, number)
    words = pd.DataFrame({"stimulus": "s", "run": "a", "index": range(number), "word": "x", "onset": times})
    words["offset"] = times + 0.5
    words.attrs = {"unit": unit, "seconds": {"s": seconds}}
    return words


def recording(path="b.nii.gz", volumes=300, tr=None, other=None):
    return Recording(str(path), volumes, tr, lambda: None, other)


def refused(call, *expected):
    with pytest.raises(InputError) as error:
        call()
    for text in expected:
        assert text in str(error.value), error.value


def test_kind_check_without_a_way_past_the_json_beside_a_file_overrules_its_header(tmp_path):
    names = ["b.nii.gz", "b.nii", "c.func.gii", "d.dtseries.nii"]
    for name in names:
        wrong = recording(tmp_path / name, tr=1.0)
        refused(lambda wrong=wrong: check_tr(wrong, 2.0), name, "1 s", "2 s", "header_tr to ignore", "overrides/tr")
    for stem in "bcd":
        (tmp_path / f"{stem}.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    for name in names:
        assert (
            check_tr(recording(tmp_path / name, tr=1000.0), 2.0) == f"1000 s in the header, overruled by {name[0]}.json"
        )
        assert check_tr(recording(tmp_path / name, tr=2.0000001), 2.0) is None
        assert check_tr(recording(tmp_path / name), 2.0) is None
    (tmp_path / "b.json").write_text(json.dumps({"RepetitionTime": 1.5}))
    refused(lambda: check_tr(recording(tmp_path / "b.nii.gz", tr=2.0), 2.0), "b.json", "RepetitionTime is 1.5 s")
    for content in ("[]", "{}", "/annex/objects/MD5E-s12--3e386c5ef0d8d36825a80d02db9a2b46.json"):
        (tmp_path / "b.json").write_text(content)
        refused(lambda: check_tr(recording(tmp_path / "b.nii.gz", tr=1.0), 2.0), "the header's TR is 1 s")


def test_kind_advice_a_json_that_cannot_be_read_is_told(tmp_path):
    beside, image = tmp_path / "b.json", recording(tmp_path / "b.nii.gz", tr=2.0)
    for content, expected in {
        "{": "not JSON",
        '{"RepetitionTime": "2"}': "RepetitionTime is '2'; it must be a number of seconds",
        '{"RepetitionTime": NaN}': "RepetitionTime is nan",
        '{"RepetitionTime": 2000}': "RepetitionTime is 2000 s, but dataset.tr is 2 s (is 2000 in milliseconds?)",
    }.items():
        beside.write_text(content)
        refused(lambda: check_tr(image, 2.0), "b.json", expected)
    beside.write_text('{"RepetitionTime": 2}', encoding="utf-8-sig")
    assert check_tr(recording(tmp_path / "b.nii.gz", tr=1.0), 2.0) == "1 s in the header, overruled by b.json"
    refused(lambda: check_tr(recording(tr=2000.0), 2.0), "2000 s", "(is 2000 in milliseconds?)")


def test_kind_check_without_a_way_past_an_override_is_told():
    remark = check_tr(recording(tr=1.0), 2.0, believed=False)
    assert remark == "1 s in the header, overruled by dataset/header_tr"
    record = {"run": "a", "end": 600.0, "tr_remark": remark}
    runs = [{"run": "a", "stimulus": "s", "last": 590.0}]
    subjects = {"s1": {"runs": [record]}}
    compare_lengths(runs, subjects, {})
    assert remarks(subjects, runs) == [f"Headers with another TR than the study's: s1 a ({remark})."]


@pytest.mark.parametrize(
    "pixdim, unit, tr", [(2, "sec", 2), (2000, "msec", 2), (0, "sec", None), (np.nan, "sec", None)]
)
def test_a_header_that_says_no_tr_says_none(tmp_path, pixdim, unit, tr):
    image = nib.Nifti1Image(np.ones((2, 2, 2, 4), np.float32), np.eye(4))
    image.header.set_xyzt_units("mm", unit)
    image.header["pixdim"][4] = pixdim
    nib.save(image, tmp_path / "b.nii")
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), tmp_path / "m.nii")
    reader = NiftiReader([str(tmp_path / "b.nii")], {"mask": [str(tmp_path / "m.nii")]}, {"space": "native"})
    assert reader.open([str(tmp_path / "b.nii")], RUN).tr == tr


def test_kind_plausibility_a_scan_far_longer_than_its_transcript_is_refused():
    clock = Clock(2.0, 0)
    check_length(recording(), heard(500), "a", clock, 120)
    refused(
        lambda: check_length(recording(), heard(400), "a", clock, 120), "b.nii.gz: run a", "600 s", "400 s", "margin"
    )
    check_length(recording(), heard(400), "a", clock, 250)
    refused(
        lambda: check_length(recording(), heard(610), "a", clock, 120), "words lie beyond", "the scan ends at 600 s"
    )
    # What is dropped, and an onset that is applied, move the end.
    check_length(recording(volumes=280), heard(600), "a", Clock(2.0, 20), 120)
    check_length(recording(), heard(585), "a", Clock(2.0, 0, 15.0), 120)
    refused(lambda: check_length(recording(), heard(590), "a", Clock(2.0, 0, 15.0), 120), "585 s")


def test_kind_plausibility_a_sound_of_another_length_than_its_words_is_refused():
    check_sound(heard(300), "a.wav", 310.0, 120)
    refused(lambda: check_sound(heard(300), "a.wav", 500.0, 120), "a.wav", "500 s", "300 s")
    refused(lambda: check_sound(heard(300), "a.wav", 250.0, 120), "a.wav", "the sound ends at 250 s", "300 s")


def test_kind_plausibility_lengths_stand_in_the_report():
    runs = [{"run": "a", "stimulus": "s", "last": 500.0}, {"run": "b", "stimulus": "t", "last": None}]
    subjects = {"s1": {"runs": [{"run": "a", "end": 600.0}, {"run": "b", "end": 300.0}]}}
    compare_lengths(runs, subjects, {"s": 540.0})
    assert runs[0] | {"scan_end": 600.0, "sound_end": 540.0, "silence": 100.0} == runs[0]
    assert runs[1]["silence"] is None
    noted = remarks(subjects, runs, ["run 9.npy (its name)"])
    assert "a (100 s)" in noted[0] and "sound 540 s, scan 600 s" in noted[1] and "run 9.npy" in noted[2]


def test_kind_orientation_an_array_saved_voxel_by_time_is_refused_or_turned(tmp_path):
    values = np.random.default_rng(0).normal(size=(300, 1000)).astype(np.float32)
    np.save(tmp_path / "turned.npy", values.T)
    np.save(tmp_path / "right.npy", values)
    with h5py.File(tmp_path / "turned.mat", "w") as file:
        file.create_dataset("data", data=values.T, chunks=(64, 50))
    sources = {"turned.npy": NpyReader, "turned.mat": Hdf5Reader}
    for name, kind in sources.items():
        path, source = str(tmp_path / name), {"key": "data"}
        found = kind([path], {}, source).open([path], RUN)
        refused(lambda found=found: check_length(found, heard(590), "a", Clock(2.0, 0), 120), name, '"voxel, time"')
        found = kind([path], {}, {**source, "axes": "voxel, time"}).open([path], RUN)
        check_length(found, heard(590), "a", Clock(2.0, 0), 120, "voxel, time")
        assert found.volumes == 300
        np.testing.assert_array_equal(found.read(), values)
    right = str(tmp_path / "right.npy")
    check_length(NpyReader([right], {}, {}).open([right], RUN), heard(590), "a", Clock(2.0, 0), 120)


def test_kind_orientation_axes_that_could_both_be_time_have_to_be_declared(tmp_path):
    path = str(tmp_path / "a.npy")
    np.save(path, np.zeros((300, 320), np.float32))
    found = NpyReader([path], {}, {}).open([path], RUN)
    refused(lambda: check_length(found, heard(590), "a", Clock(2.0, 0), 120), "300 x 320", "both could be", "`axes`")
    check_length(found, heard(590), "a", Clock(2.0, 0), 120, "time, voxel")
    named = NpyReader([path], {}, {"columns": [f"r{i}" for i in range(320)]}).open([path], RUN)
    check_length(named, heard(590), "a", Clock(2.0, 0), 120)


@pytest.mark.parametrize("kind", ["npy", "text", "h5", "masked", "grid"])
def test_kind_orientation_as_many_parcels_as_scans_have_to_be_declared_whatever_names_them(tmp_path, kind):
    values = np.zeros((27, 27), np.float32)
    columns = {"columns": [f"r{i}" for i in range(27)]}
    np.save(tmp_path / "a.npy", values)
    np.savetxt(tmp_path / "a.txt", values)
    mask = np.zeros((3, 3, 3), np.uint8)
    mask.flat[: 27 if kind == "masked" else 9] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "m.nii")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = values
    paths = {"mask": [str(tmp_path / "m.nii")]} if kind in ("masked", "grid") else {}
    reader, name, source = {
        "npy": (NpyReader, "a.npy", columns),
        "text": (TextReader, "a.txt", columns),
    }.get(kind, (Hdf5Reader, "a.h5", {"key": "data"}))
    path = str(tmp_path / name)
    for words in (heard(50), heard(50)[::10]):
        found = reader([path], paths, source).open([path], RUN)
        refused(
            lambda found=found, words=words: check_length(found, words, "a", Clock(2.0, 0), 120), "27 x 27", "`axes`"
        )
        sliced = {**RUN, "first": 0, "last": 9}
        refused(lambda found=found, run=sliced: rows_of(found, run), name, "nothing says that these are time", "`axes`")
    told = reader([path], paths, {**source, "axes": "voxel, time"}).open([path], RUN)
    check_length(told, heard(50), "a", Clock(2.0, 0), 120, "voxel, time")
    assert rows_of(told, {**RUN, "first": 3, "last": 9}).part == (3, 27)


def test_kind_orientation_annotations_tell_which_axis_is_time(tmp_path):
    path = str(tmp_path / "a.npy")
    words = heard(400, unit="annotation")
    for shape, expected in {(90, 200): '"voxel, time"', (200, 200): "both could be", (200, 90): None}.items():
        np.save(path, np.zeros(shape, np.float32))
        found = NpyReader([path], {}, {}).open([path], RUN)
        check = lambda found=found: check_length(found, words, "a", Clock(2.0, 0), 120)  # noqa: E731
        refused(check, expected) if expected else check()


def test_kind_orientation_a_text_table_with_a_row_per_region(tmp_path):
    values = np.random.default_rng(0).normal(size=(40, 3))
    np.savetxt(tmp_path / "a.txt", values.T)
    path, source = str(tmp_path / "a.txt"), {"columns": ["x", "y", "z"]}
    refused(lambda: TextReader([path], {}, source).open([path], RUN), "40 columns", "`axes: voxel, time`")
    found = TextReader([path], {}, {**source, "axes": "voxel, time"}).open([path], RUN)
    np.testing.assert_allclose(found.read(), values, rtol=1e-6)


def test_kind_orientation_a_masked_array_that_is_turned_is_told_so(tmp_path):
    mask = np.zeros((3, 3, 3), np.uint8)
    mask[0] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "m.nii")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((9, 40))
    path = str(tmp_path / "a.h5")
    reader = Hdf5Reader([path], {"mask": [str(tmp_path / "m.nii")]}, {"key": "data"})
    refused(lambda: reader.open([path], RUN), "40 voxels", "set the source's `axes`")


def test_a_surface_of_one_file_has_no_other_axis(tmp_path):
    image = nib.gifti.GiftiImage(darrays=[nib.gifti.GiftiDataArray(np.zeros(5, np.float32)) for _ in range(3)])
    nib.save(image, tmp_path / "a.func.gii")
    path = str(tmp_path / "a.func.gii")
    assert GiftiReader([path], {}, {"space": "none"}).open([path], RUN).other is None
