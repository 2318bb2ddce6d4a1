import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.encoding.bands import check_sound, nuisance_band, word_band
from triphase.encoding.features import position_basis
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


def words():
    one = pd.DataFrame(
        {"stimulus": "s", "index": [0, 1], "word": ["a", "bcd"], "onset": [0.0, 4.0], "offset": [1.0, 5.0]}
    )
    return pd.concat([one.assign(run="r1"), one.assign(run="r2", onset=one["onset"] + 2, offset=one["offset"] + 2)])


HEARD = pd.DataFrame({"stimulus": ["other", "s", "s"], "index": [0, 1, 0]})
VALUES = np.array([[9.0], [1.0], [5.0]])  # word 0 of s is 5, word 1 is 1


def test_a_repeated_stimulus_takes_the_same_activations_at_each_runs_own_times():
    scans = word_band(VALUES, words(), HEARD, RUNS, TIMES, 2.0, [0])[:, 0]
    np.testing.assert_array_equal(scans, [5, 0, 1, 0, 0, 0, 5, 0, 1, 0])


def test_delays_stay_inside_runs():
    band = word_band(VALUES, words(), HEARD, RUNS, TIMES, 2.0, [1, 3])
    np.testing.assert_array_equal(band.T, [[0, 5, 0, 1, 0, 0, 0, 5, 0, 1], [0, 0, 0, 5, 0, 0, 0, 0, 0, 5]])


def test_position_is_not_delayed():
    assert nuisance_band(words(), RUNS, TIMES, 2.0, ["word_rate", "position"], [1, 2]).shape == (10, 5)
    assert nuisance_band(words(), RUNS, TIMES, 2.0, ["word_rate"], [1, 2]).shape == (10, 2)
    alone = nuisance_band(words(), RUNS, TIMES, 2.0, ["position"], [1, 2])
    np.testing.assert_allclose(alone, np.tile(position_basis(5), (2, 1)))


def story(run, n, seed):
    """Words at random times of n scans of 2 s, some of them before the scan begins."""
    rng = np.random.default_rng(seed)
    onset = np.sort(rng.uniform(-12, 2 * n - 1, 3 * n))
    text = ["abcdef"[: rng.integers(1, 6)] for _ in onset]
    return pd.DataFrame(
        {"run": run, "stimulus": run, "index": range(len(onset)), "word": text, "onset": onset, "offset": onset + 0.5}
    )


@pytest.mark.parametrize("cut", [0, 1, 10])
def test_a_run_cut_at_its_start_has_the_rows_of_the_whole_run(cut):
    """Words heard during dropped volumes, an overlap that was cut, or before the scan began reach the rows after."""
    said = pd.concat([story("r1", 30, 1), story("r2", 40, 2)])
    runs, times = np.repeat(["r1", "r2"], [30, 40]), np.r_[np.arange(30), np.arange(40)] * 2.0
    values = np.random.default_rng(0).standard_normal((len(said), 4))
    sound = pd.DataFrame({"time_s": np.arange(0.5, 90)}).assign(envelope=lambda t: 2 + np.sin(t["time_s"]))
    sound = pd.concat([sound.assign(stimulus="r1"), sound.assign(stimulus="r2", envelope=sound["envelope"] ** 2)])
    names, delays = ["word_rate", "word_length", "envelope", "position"], [1, 2, 4]
    kept = np.r_[cut:30, 30:70]
    for scan_clock in (0.0, 0.7):  # the time of the first scan on the words' clock

        def design(rows, start=scan_clock):
            clock = times[rows] + start
            nuisance = nuisance_band(said, runs[rows], clock, 2.0, names, delays, sound)
            return np.hstack([word_band(values, said, said, runs[rows], clock, 2.0, delays), nuisance])

        whole = design(np.arange(70))
        np.testing.assert_allclose(design(kept), whole[kept])
        # Straight from the definition: what lies `delay` scans before a row, whether or not there is a row.
        for row, lag, column in [(kept[0], 4, 2), (kept[0], 1, 0), (30, 2, 1), (69, 4, 2)]:
            mine = said[said["run"] == runs[row]]
            middle = (mine["onset"] + mine["offset"]) / 2 - scan_clock - (times[row] - 2.0 * lag)
            heard = ((middle >= 0) & (middle < 2.0)).to_numpy()
            block = values[(said["run"] == runs[row]).to_numpy()][heard]
            expected = block.mean(0) if len(block) else np.zeros(4)
            np.testing.assert_allclose(whole[row, 4 * column : 4 * column + 4], expected, rtol=1e-5)
            assert whole[row, 12 + 3 * column] == heard.sum() / 2.0


def test_annotations_of_one_second_are_averaged_over_those_who_wrote():
    rows = [(0, 0.0), (1, 0.0), (2, 2.0)]  # (index, onset): two annotators on second 0, none on 1, one on 2
    said = pd.DataFrame(rows, columns=["index", "onset"]).assign(run="r", stimulus="r", word="x")
    said["offset"] = said["onset"] + 1
    band = word_band(np.array([[1.0], [4.0], [7.0]]), said, said, np.array(["r"] * 4), np.arange(4.0), 1.0, [0])
    np.testing.assert_array_equal(band[:, 0], [2.5, 0, 7, 0])


def test_a_sound_that_ends_before_the_words_is_refused():
    sound = pd.DataFrame({"time_s": [0.5, 1.5, 4.2]})
    check_sound(sound, words()[:2], "r1")
    with pytest.raises(InputError, match="r1: its sound ends at 1.5 s.*last word at 5 s"):
        check_sound(sound[:2], words()[:2], "r1")


def test_regions_of_draws():
    rois = [{"name": "A", "language": True}, {"name": "B", "language": False}]
    masks = region_masks(np.array(["A", "B", "A"]), rois)
    assert masks["language"].tolist() == [True, False, True]
    draws = region_draws(np.arange(6.0).reshape(2, 3), np.array(["s1", "s1", "s2"]), masks, ["s1", "s2"])
    assert draws.shape == (2, 4, 2)
    np.testing.assert_array_equal(draws[0, 3], [0.5, 3.5])
    assert np.isnan(draws[1, 1]).all()
