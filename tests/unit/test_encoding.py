import numpy as np
import pytest
import xarray as xr

from triphase.encoding.subjects import (
    check_layer,
    check_lengths,
    check_regions,
    region_draws,
    region_masks,
    stack_subjects,
)
from triphase.errors import InputError

TIMES = np.tile(np.arange(5) * 2.0, 2)
RUNS = np.repeat(["r1", "r2"], 5)


def subject(name, valid, runs=RUNS):
    values = np.arange(len(runs) * len(valid), dtype=np.float32).reshape(len(runs), -1)
    # What is stored of a voxel that is not valid: nothing in one run, something in another.
    values[:3, ~np.array(valid)] = np.nan
    return xr.Dataset(
        {"responses": (("time", "voxel"), values)},
        coords={
            "run": ("time", runs),
            "time_s": ("time", TIMES[: len(runs)]),
            "roi": ("voxel", ["A"] * len(valid)),
            "valid": ("voxel", list(valid)),
            **{axis: ("voxel", np.zeros(len(valid))) for axis in "xyz"},
        },
        attrs={"subject": name},
    )


def test_subjects_are_stacked_without_their_invalid_voxels():
    stacked = stack_subjects(
        [subject("s1", [True, False, True]), subject("s33", [False] * 3), subject("s2", [True] * 3)]
    )
    assert list(stacked["subject"].values) == ["s1", "s1", "s2", "s2", "s2"]
    assert list(stacked["voxel"].values) == [0, 2, 0, 1, 2]
    assert np.isfinite(stacked["responses"].values).all()


def test_subjects_with_other_runs_are_refused():
    with pytest.raises(InputError, match="'s2' has other runs or run lengths than 's1'"):
        stack_subjects([subject("s1", [True]), subject("s2", [True], RUNS[:9])])


def test_a_study_without_any_valid_voxel_is_refused():
    with pytest.raises(InputError, match="no subject has a voxel that varies"):
        stack_subjects([subject("s1", [False])])


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


def test_regions_of_draws():
    rois = [{"name": "A", "language": True}, {"name": "B", "language": False}]
    masks = region_masks(np.array(["A", "B", "A"]), rois)
    assert masks["language"].tolist() == [True, False, True]
    draws = region_draws(np.arange(6.0).reshape(2, 3), np.array(["s1", "s1", "s2"]), masks, ["s1", "s2"])
    assert draws.shape == (2, 4, 2)
    np.testing.assert_array_equal(draws[0, 3], [0.5, 3.5])
    assert np.isnan(draws[1, 1]).all()
