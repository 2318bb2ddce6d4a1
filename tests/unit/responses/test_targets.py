import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.core.artefacts import write_arrays
from triphase.core.errors import InputError
from triphase.responses.targets import (
    Cohort,
    RegionMeans,
    check_layer,
    check_lengths,
    check_regions,
    region_masks,
)

RUNS, TIMES = np.repeat(["r1", "r2"], 40), np.tile(np.arange(40) * 2.0, 2)


@pytest.fixture
def subject(tmp_path):
    """Function that writes a subject's responses and gives their path: scan 100 x voxel + row, run and clock."""

    def write(name, valid, kept=slice(None), runs=RUNS, clock=0.0):
        values = np.arange(len(runs))[:, None] + 100.0 * np.arange(len(valid))
        # What is stored of a voxel that is not valid: nothing in one run, something in another.
        values[:3, ~np.array(valid)] = np.nan
        dataset = xr.Dataset(
            {"responses": (("time", "voxel"), values.astype(np.float32)[kept])},
            coords={
                "run": ("time", runs[kept]),
                "time_s": ("time", TIMES[: len(runs)][kept] + clock),
                "roi": ("voxel", ["A"] * len(valid)),
                "valid": ("voxel", list(valid)),
                **{axis: ("voxel", np.zeros(len(valid))) for axis in "xyz"},
            },
            attrs={"subject": name, "tr": 2.0},
        )
        write_arrays(tmp_path / f"{name}.zarr.zip", dataset)
        return tmp_path / f"{name}.zarr.zip"

    return write


def test_subjects_are_one_matrix_without_their_invalid_voxels(subject, monkeypatch):
    monkeypatch.setattr("triphase.responses.targets.STORED_VOXELS", 2)
    monkeypatch.setattr("triphase.responses.targets.FEWEST_TARGETS", 2)
    paths = [subject("s1", [True, False, True]), subject("s33", [False] * 3), subject("s2", [True] * 3)]
    with Cohort(paths) as cohort:
        assert cohort.targets["subject"].tolist() == ["s1", "s1", "s2", "s2", "s2"]
        assert cohort.targets["voxel"].tolist() == [0, 2, 0, 1, 2]
        batches = list(cohort.batches())
    assert [batch.shape[1] for batch in batches] == [2, 2, 1], "small ones come together"
    np.testing.assert_array_equal(np.concatenate(batches, axis=1)[5], [5, 205, 5, 105, 205])


def test_kind_advice_onsets_that_differ_by_part_of_a_scan_say_so(subject):
    with pytest.raises(InputError, match="'s2' are 0.7 s beside those of 's1', .* part of a scan .*one by one"):
        Cohort([subject("s1", [True]), subject("s2", [True], clock=0.7)])


@pytest.mark.parametrize("clock", [0.13, -0.13])
def test_kind_onsets_with_the_jitter_of_a_trigger_are_one_clock(subject, caplog, clock):
    with Cohort([subject("s1", [True]), subject("s2", [True], clock=clock)]) as cohort:
        assert cohort.runs.tolist() == RUNS.tolist()
        np.testing.assert_array_equal(cohort.times, TIMES)
    assert "0.13 s beside those of s1" in caplog.text


def test_kind_onsets_whole_scans_apart_share_the_scans_of_the_same_moment(subject):
    later = np.r_[1:40, 41:80]  # begins a scan later, by an onset of its own
    with Cohort([subject("s1", [True]), subject("s2", [True], later)]) as cohort:
        (together,) = cohort.batches()
    np.testing.assert_array_equal(together[:, 0], together[:, 1])


def test_subjects_are_cut_to_the_scans_that_all_have(subject):
    shorter = np.r_[0:39, 41:80]  # one scan less at the end of the first run and at the start of the second
    paths = [subject("s1", [True]), subject("s2", [True], shorter, clock=1e-4)]
    with Cohort(paths) as cohort:
        (together,) = cohort.batches()
        first, second = together[:, :1], together[:, 1:]
        assert cohort.runs.tolist() == RUNS[shorter].tolist()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[:, 0], shorter)


def test_subjects_with_other_runs_are_refused(subject):
    with pytest.raises(InputError, match="'s1' has 40 scans of run 'r2', but only 30 of them are there for 's2'"):
        Cohort([subject("s1", [True]), subject("s2", [True], slice(0, 70))])
    with pytest.raises(InputError, match="'s1' has 40 scans of run 'r2', but only 0 of them"):
        Cohort([subject("s1", [True]), subject("s2", [True], slice(0, 40))])


def test_a_study_without_any_valid_voxel_is_refused(subject):
    with pytest.raises(InputError, match="no subject has a voxel that varies"):
        Cohort([subject("s1", [False])])


def test_a_run_too_short_for_its_delays_is_named():
    check_lengths(np.repeat(["r1"], 50), [1, 4], 2.0)
    with pytest.raises(InputError, match="'r2' has 49 scans of 2.0 s.*at least 50"):
        check_lengths(np.repeat(["r1", "r2"], [50, 49]), [1, 4], 2.0)


def test_a_layer_that_does_not_exist_is_named_with_those_that_do():
    activations = xr.Dataset(coords={"layer": [0, 1, 2, 3]}, attrs={"repository": "org/name"})
    check_layer(3, activations)
    with pytest.raises(InputError, match=r"layer 4 of 'org/name' does not exist; it has 0 \(embedding\) to 3"):
        check_layer(4, activations)


def test_a_region_without_voxels_is_named_with_those_that_there_are():
    rois = [{"name": "A", "language": True}, {"name": "LIFGG", "language": True}]
    with pytest.raises(InputError, match=r"\['LIFGG'\] have no valid voxel in any subject.*: A, LIFG"):
        check_regions(np.array(["A", "LIFG"]), rois)


def test_draws_are_averaged_over_the_voxels_of_a_subject_and_region_that_have_them():
    rois = [{"name": "A", "language": True}, {"name": "B", "language": False}]
    targets = pd.DataFrame({"subject": ["s1", "s1", "s2", "s2"], "roi": ["A", "B", "A", "A"]})
    masks = region_masks(targets["roi"].to_numpy(str), rois)
    assert masks["language"].tolist() == [True, False, True, True]
    means, draws = RegionMeans(targets["subject"].to_numpy(str), masks), np.arange(8.0).reshape(2, 4)
    draws[1, 3] = np.nan
    for batch in (slice(0, 3), slice(3, 4)):
        means.add("r", batch, draws[:, batch])
    measures, values = means.means()
    assert measures == ["r"] and values.shape == (2, 4, 1, 2) and means.regions == ["A", "B", "language", "all"]
    np.testing.assert_array_equal(values[0, 3, 0], [0.5, 4.5])
    np.testing.assert_array_equal(values[1, 0, 0], [2, 6], "the voxel with a NaN counts not")
    assert np.isnan(values[1, 1]).all()
