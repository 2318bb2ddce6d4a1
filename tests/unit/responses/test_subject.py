"""A subject's responses: the clock of the volumes, what is kept of each run, and mistakes that are named."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from least_squares import HIGH_PASS, TR, residuals, zscore

from triphase.config.jobs import CleanResponses
from triphase.core.artefacts import read_arrays, write_arrays
from triphase.core.errors import InputError
from triphase.responses.cleaning import clean_run
from triphase.responses.subject import clean_subject, cut_volumes, load_responses


@pytest.fixture
def rng():
    return np.random.default_rng(4)


RUNS = [{"name": "run-1", "stimulus": "one", "test": False}, {"name": "run-2", "stimulus": "two", "test": True}]
SOURCE = {"name": "roi", "reader": "text", "space": "none", "columns": ["A", "B", "C"], "dropped_volumes": 4}
CLEANING = {"high_pass": HIGH_PASS, "confounds": True, "confound_expansion": []}


def words(end):
    rows = [("run-1", 0, "a", 8.0, 9.0), ("run-1", 1, "b", end - 1, end), ("run-2", 0, "c", 8.0, 9.0)]
    return pd.DataFrame(rows, columns=["run", "index", "word", "onset", "offset"])


def subject_files(tmp_path, values, confounds=None):
    files = {"response": {}, "confounds": {}}
    for number, run in enumerate(["run-1", "run-2"]):
        path = tmp_path / f"{run}.txt"
        np.savetxt(path, values[number])
        files["response"][run] = {"path": str(path)}
        if confounds is not None:
            np.savetxt(tmp_path / f"{run}-rp.txt", confounds[number])
            files["confounds"][run] = {"path": str(tmp_path / f"{run}-rp.txt")}
    return files


def clean(files, end=100.0, cleaning=CLEANING, runs=RUNS, source=SOURCE):
    path = Path(next(iter(files["response"].values()))["path"]).parent / "s1.zarr.zip"
    dataset = {"source": source, "runs": runs, "tr": TR, "brain": "template", "atlas": None, "rois": []}
    settings = CleanResponses(study="study", cleaning=cleaning, **dataset)
    clean_subject(path, "s1", files, words(end), settings, {})
    return read_arrays(path)


def test_runs_are_cleaned_one_by_one_on_the_words_clock(tmp_path, rng):
    values = [rng.normal(50, 2, size=(60, 3)), rng.normal(90, 9, size=(70, 3))]
    confounds = [rng.normal(size=(64, 2)), rng.normal(size=(70, 2))]
    dataset = clean(subject_files(tmp_path, values, confounds))
    assert dataset["responses"].dims == ("time", "voxel")
    assert dataset["run"].values.tolist() == ["run-1"] * 60 + ["run-2"] * 70
    np.testing.assert_allclose(dataset["time_s"][:60], (np.arange(60) + 4) * TR)
    np.testing.assert_allclose(dataset["time_s"][60:], (np.arange(70) + 4) * TR)
    assert dataset["roi"].values.tolist() == ["A", "B", "C"] and dataset["valid"].values.all()
    # The confounds of the first run start at volume 0, those of the second at the first volume kept.
    alone, _ = clean_run(values[0], tr=TR, confounds=confounds[0][4:], high_pass=HIGH_PASS)
    np.testing.assert_allclose(dataset["responses"].values[:60], alone, atol=1e-5)
    alone, _ = clean_run(values[1], tr=TR, confounds=confounds[1], high_pass=HIGH_PASS)
    np.testing.assert_allclose(dataset["responses"].values[60:], alone, atol=1e-5)


def test_confounds_can_be_left_alone(tmp_path, rng):
    values = [rng.normal(size=(60, 3))] * 2
    with_file = clean(
        subject_files(tmp_path, values, [np.full((64, 1), np.nan)] * 2), cleaning={**CLEANING, "confounds": False}
    )
    without = clean(subject_files(tmp_path, values))
    np.testing.assert_array_equal(with_file["responses"], without["responses"])


def test_voxel_must_be_usable_in_every_run(tmp_path, rng, caplog):
    values = [rng.normal(size=(60, 3)), rng.normal(size=(60, 3))]
    values[1][:, 1] = 7.0
    with caplog.at_level(logging.INFO):
        dataset = clean(subject_files(tmp_path, values))
    assert dataset["valid"].values.tolist() == [True, False, True]
    # The file keeps the run that is fine.
    assert np.isfinite(dataset["responses"].values[:60]).all() and np.isnan(dataset["responses"].values[60:, 1]).all()
    assert np.isfinite(dataset["responses"].values[:, [0, 2]]).all()
    counts = [(run["run"], run["nonfinite"], run["constant"]) for run in dataset.attrs["runs"]]
    assert counts == [("run-1", 0, 0), ("run-2", 0, 1)]
    assert np.isnan(load_responses(tmp_path / "s1.zarr.zip")["responses"].values[:, 1]).all()
    assert "2 of 3 voxels are valid" in caplog.text


def test_subject_without_a_valid_voxel_is_reported_whatever_its_confounds(tmp_path, caplog):
    values, confounds = [np.zeros((60, 3))] * 2, [np.zeros((63, 2))] * 2
    with caplog.at_level(logging.INFO):
        dataset = clean(subject_files(tmp_path, values, confounds))
    assert not dataset["valid"].values.any()
    assert "0 of 3 voxels are valid; the subject is left out" in caplog.text


def test_mistakes_are_named(tmp_path, rng):
    values = [rng.normal(size=(60, 3))] * 2
    files = subject_files(tmp_path, values)
    # 60 volumes and 4 dropped ones at 2 s: the scan ends at 128 s.
    clean(files, end=128.0)
    with pytest.raises(InputError, match=r"run-1 of s1: word 2 \('b'\) ends at 129 s, but the scan ends at 128 s"):
        clean(files, end=129.0)
    clean(files, end=129.0, source={**SOURCE, "dropped_at_end": 1})
    files = subject_files(tmp_path, values, [np.zeros((63, 2))] * 2)
    with pytest.raises(InputError, match=r"run-1-rp.txt: 63 rows, but the response has 60 volumes \(or 64"):
        clean(files)


def test_tr_of_the_header_must_be_that_of_the_data_set(tmp_path, rng):
    import nibabel as nib

    image = nib.Nifti1Image(rng.normal(size=(2, 2, 2, 60)).astype(np.float32), np.diag([8.0, 8, 8, 1]))
    image.header.set_zooms((8, 8, 8, 1.5))
    nib.save(image, tmp_path / "bold.nii")
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), image.affine), tmp_path / "mask.nii")
    files = {"response": {"": {"path": str(tmp_path / "bold.nii")}}, "mask": {"": {"path": str(tmp_path / "mask.nii")}}}
    source = {"name": "voxels", "reader": "nifti", "space": "mni", "dropped_volumes": 0}
    with pytest.raises(InputError, match=r"bold.nii: the header's TR is 1.5 s, but dataset.tr is 2 s"):
        clean(files, source=source, runs=RUNS[:1])


def test_overlap_is_cut_after_cleaning_and_before_standardising(tmp_path, rng):
    values = [rng.normal(50, 2, size=(60, 3)), rng.normal(90, 9, size=(70, 3))]
    # 20 s are rows up to t = 18 s, of which the first four (8 s) are missing from the file.
    runs = [RUNS[0], {**RUNS[1], "overlap": 20}]
    dataset = clean(subject_files(tmp_path, values), runs=runs)
    second = dataset["run"].values == "run-2"
    assert second.sum() == 64 and dataset["time_s"].values[second][0] == 20.0
    whole, _ = clean_run(values[1].copy(), tr=TR, high_pass=HIGH_PASS)
    np.testing.assert_allclose(dataset["responses"].values[second], zscore(whole[6:]), atol=1e-5)
    record = dataset.attrs["runs"][1]
    assert (record["volumes"], record["volumes_read"], record["cut_volumes"]) == (64, 70, 6)
    with pytest.raises(
        InputError, match="run-2.txt: 70 volumes, and all lie in what is left out .* run run-2: overlap 148 s"
    ):
        clean(subject_files(tmp_path, values), runs=[RUNS[0], {**RUNS[1], "overlap": 148}])


@pytest.mark.parametrize(("overlap", "dropped", "tr", "volumes"), [(20, 0, 1, 20), (20, 0, 1.5, 14), (3, 2, 2, 0)])
def test_volumes_of_an_overlap(overlap, dropped, tr, volumes):
    assert cut_volumes({"overlap": overlap}, dropped, tr) == volumes
    times = (np.arange(100) + dropped) * tr
    assert (times < overlap).sum() == volumes or dropped * tr > overlap


def test_confounds_are_chosen_and_expanded(tmp_path, rng):
    values, motion = rng.normal(50, 2, size=(90, 3)), rng.normal(size=(94, 2)).cumsum(axis=0)
    files = subject_files(tmp_path, [values, values])
    table = pd.DataFrame({"trans_x": motion[:, 0], "rot_z": motion[:, 1], "csf": np.nan})
    for run in ("run-1", "run-2"):
        table.to_csv(tmp_path / f"{run}.tsv", sep="\t", index=False, na_rep="n/a")
        files["confounds"][run] = {"path": str(tmp_path / f"{run}.tsv")}
    chosen = {"confounds": ["trans_*", "rot_*"], "confound_expansion": ["derivatives", "squares"]}
    dataset = clean(files, cleaning={**CLEANING, **chosen, "high_pass": None})
    change = np.diff(motion, axis=0, prepend=motion[:1])
    both = np.hstack([motion, change])
    trend = np.arange(90)[:, None]
    removed = residuals(np.hstack([both, both**2])[4:], trend)
    expected = zscore(residuals(residuals(values, trend), removed))
    np.testing.assert_allclose(dataset["responses"].values[:90], expected, atol=1e-4)
    assert [run["confounds"] for run in dataset.attrs["runs"]] == [8, 8]


def test_record_of_a_run(tmp_path, rng):
    values = [rng.normal(size=(60, 3)), rng.normal(size=(60, 3))]
    values[0][7, 1] = np.inf
    motion = np.zeros((64, 6))
    motion[10:, 0], motion[20:, 4] = 0.5, 0.01
    motion[:4, 2] = 9.0
    rest = rng.normal(size=(64, 6)) * 1e-9
    dataset = clean(subject_files(tmp_path, values, [motion + rest, motion[:, :5] + rest[:, :5]]))
    first, second = dataset.attrs["runs"]
    # 0.5 mm, and 0.01 rad on 50 mm. The fall of 9 mm at the first volume that is kept counts too.
    assert first.pop("mean_fd") == pytest.approx((0.5 + 0.5 + 9) / 60, abs=1e-6)
    assert first.pop("max_fd") == pytest.approx(9.0, abs=1e-6)
    assert first == {
        "run": "run-1", "stimulus": "one", "volumes": 60, "volumes_read": 60, "cut_volumes": 0,
        "sound_onset": None, "onset_applied": False, "tr_found": None,
        "nonfinite": 1, "constant": 0, "confounds": 6,
    }  # fmt: skip
    assert second["mean_fd"] is None and second["confounds"] == 5


def test_nothing_is_left_of_a_subject_whose_last_run_fails(tmp_path, rng):
    values = [rng.normal(size=(60, 3)), rng.normal(size=(60, 3))]
    files = subject_files(tmp_path, values, [rng.normal(size=(60, 2))] * 2)
    Path(files["confounds"]["run-2"]["path"]).write_text("1 2\n")
    with pytest.raises(InputError, match="run-2-rp.txt: 1 rows"):
        clean(files)
    assert not list(tmp_path.glob("*zarr*")) and not list(tmp_path.glob(".*"))


def test_voxel_that_is_not_valid_is_nan_in_every_run_when_read(tmp_path):
    import xarray as xr

    values = np.arange(15, dtype=np.float32).reshape(5, 3)
    stored = xr.Dataset(
        {"responses": (("time", "voxel"), values)},
        coords={"run": ("time", ["a", "a", "b", "b", "b"]), "valid": ("voxel", [True, False, True])},
        attrs={"tr": 2.0},
    )
    write_arrays(tmp_path / "s1.zarr.zip", stored, chunks={"responses": (2, 3)})
    data = load_responses(tmp_path / "s1.zarr.zip")
    expected = values.copy()
    expected[:, 1] = np.nan
    np.testing.assert_array_equal(data["responses"], expected)
    assert data.attrs == {"tr": 2.0}
    part = load_responses(tmp_path / "s1.zarr.zip", runs=["b"], voxels=slice(1, 3))
    np.testing.assert_array_equal(part["responses"], expected[2:, 1:])
    assert part["run"].values.tolist() == ["b"] * 3 and part["valid"].values.tolist() == [False, True]
