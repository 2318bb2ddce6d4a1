"""The description of a data set: clocks that agree or not by construction, and what is said about what is missing."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import gamma

from triphase.core.artefacts import write_arrays
from triphase.responses import timing
from triphase.responses.description import (
    decisive_regions,
    describe_runs,
    describe_subject,
    describe_timing,
    findings,
    group_series,
    overall,
    subject_series,
)
from triphase.responses.run_timing import Expected
from triphase.responses.timing import LAGS, chance_of_peak, check_timing, judge, lag_curves, rate_at_lags

TR = 2.0
ROIS = [
    {"name": "Aud", "language": False, "sensory": True},
    {"name": "LTemp", "language": True, "sensory": False},
]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def words_of(rng, seconds=400, run="run-1"):
    """Words in bursts, so that their rate varies as it does in speech."""
    onsets = np.cumsum(rng.gamma(2, 0.17, size=4 * seconds))
    onsets = onsets[(onsets < seconds) & (np.sin(onsets / 3) + np.sin(onsets / 7.7) > -0.7)]
    return pd.DataFrame({"run": run, "stimulus": run, "onset": onsets, "offset": onsets + 0.2})


def response_to(words, times, late=0.0):
    """What a region that hears words does, by a double gamma written down anew, sampled at 10 ms."""
    step = 0.01
    grid = np.arange(-40, times[-1] + 60, step)
    density = np.histogram((words["onset"] + words["offset"]) / 2, np.append(grid, grid[-1] + step))[0]
    seconds = np.arange(0, 32, step)
    course = np.convolve(density, gamma.pdf(seconds, 6) - gamma.pdf(seconds, 16) / 6)[: len(grid)]
    return np.interp(times + TR / 2 - late, grid, course)


def test_rate_at_lag_zero_counts_the_words_of_each_scan(rng):
    middle, times = np.sort(rng.uniform(0, 100, 200)), np.arange(0, 100, TR)
    counted = np.histogram(middle, np.append(times, 100))[0] / TR
    rates = rate_at_lags(middle, times, TR)
    zero = int(np.flatnonzero(LAGS == 0)[0])
    # The axis has steps of 0.1 s, so a word at a border may fall on either side.
    assert np.abs(rates[zero] - counted).max() <= 1 / TR and np.corrcoef(rates[zero], counted)[0, 1] > 0.95
    later = int(np.flatnonzero(LAGS == TR)[0])
    np.testing.assert_allclose(rates[later, 1:], rates[zero, :-1], atol=1e-9)
    assert rates.sum(axis=1)[zero] * TR == pytest.approx(200)


@pytest.mark.parametrize("late", [-6.0, -2.0, 0.0, 1.0, 5.0, 12.0])
def test_the_lag_of_the_convolved_rate_is_the_error_of_the_clock(rng, late):
    words, times = words_of(rng), np.arange(0, 400, TR)
    middle = ((words["onset"] + words["offset"]) / 2).to_numpy()
    heard = response_to(words, times, late)
    heard = heard + 0.3 * heard.std() * rng.normal(size=len(heard))
    found = check_timing({"r": middle}, {"r": heard[:, None]}, {"r": times}, TR, 0)
    assert abs(found["convolved"]["lag"][0] - late) <= 0.5
    assert found["convolved"]["p"][0] < 0.05 and found["convolved"]["r"][0] > 0.8
    # The rate itself peaks later by about the time to the peak of the response.
    assert 3 <= found["raw"]["lag"][0] - late <= 7 or late == 12
    assert judge(found["convolved"]["lag"][0], found["convolved"]["p"][0], TR)[0] is (abs(late) <= TR)


def test_noise_is_not_above_chance(rng):
    words, times = words_of(rng), np.arange(0, 400, TR)
    middle = ((words["onset"] + words["offset"]) / 2).to_numpy()
    noise = np.stack([np.convolve(rng.normal(size=210), np.ones(4))[4:204] for _ in range(150)], axis=1)
    found = check_timing({"r": middle}, {"r": noise}, {"r": times}, TR, 0)["convolved"]
    assert 0.01 < (found["p"] < 0.05).mean() < 0.12
    assert judge(3.0, 0.2, TR)[0] is None and judge(np.nan, np.nan, TR)[0] is None


def test_chance_is_the_share_of_shifts_by_brute_force(rng, monkeypatch):
    rates, responses = rng.normal(size=(5, 60)), rng.normal(size=(60, 3))
    monkeypatch.setattr(timing, "SHORTEST_SHIFT", 20.0)
    observed = lag_curves([(rates, responses)]).max(axis=0)
    null = [lag_curves([(rates, np.roll(responses, shift, axis=0))]).max(axis=0) for shift in range(10, 51)]
    expected = (1 + (np.array(null) >= observed).sum(axis=0)) / (len(null) + 1)
    np.testing.assert_allclose(chance_of_peak([(rates, responses)], TR, 0), expected)
    several = chance_of_peak([(rates, responses)] * 2, TR, 0)
    assert ((several >= 1 / 501) & (several <= 1)).all()


def test_a_rate_that_never_changes_says_nothing(rng):
    middle, times = np.arange(0.5, 300), np.arange(0, 300, 1.0)
    found = check_timing({"r": middle}, {"r": rng.normal(size=(300, 1))}, {"r": times}, 1.0, 0)
    assert judge(found["raw"]["lag"][0], found["raw"]["p"][0], 1.0)[0] is None
    assert check_timing({"r": middle[:5]}, {"r": rng.normal(size=(300, 1))}, {"r": times}, 1.0, 0) is None
    assert check_timing({}, {"r": rng.normal(size=(300, 1))}, {"r": times}, 1.0, 0) is None


def test_sensory_regions_decide_then_language_then_all():
    assert decisive_regions(ROIS) == ["Aud"]
    assert decisive_regions(ROIS[1:]) == ["LTemp"]
    assert decisive_regions([{"name": "x", "language": False}]) == ["all"]
    entries = {k: {"roi": k, "plausible": v, "reason": "why"} for k, v in {"a": True, "b": None, "c": False}.items()}
    assert overall(list(entries.values()), ["a", "b"])[0] is True
    assert overall(list(entries.values()), ["a", "c"]) == (False, "c: why")
    assert overall(list(entries.values()), ["b"])[0] is None


@pytest.mark.parametrize(("late", "plausible"), [(0.0, True), (8.0, False)])
def test_timing_of_a_study(rng, late, plausible):
    words, times = words_of(rng), np.arange(0, 400, TR)
    heard = response_to(words, times, late)
    series = {
        f"s{s}": {"run-1": np.stack([heard + heard.std() * rng.normal(size=200), rng.normal(size=200)] * 2, axis=1)}
        for s in range(3)
    }
    names = ["Aud", "LTemp", "language", "all"]
    found = describe_timing(words, series, {"run-1": times}, names, ROIS, Expected.of_rows("scan", TR), 0)
    assert found["plausible"] is plausible and found["decisive"] == ["Aud"]
    assert [entry["roi"] for entry in found["group"]] == ["Aud", "LTemp", "all"]
    assert len(found["subjects"]) == 9 and len(found["group"][0]["raw"]["curve"]) == len(LAGS)
    json.dumps(found, allow_nan=False)
    nobody = describe_timing(words, {}, {}, [], ROIS, Expected.of_rows("scan", TR), 0)
    assert nobody["plausible"] is None and "no subject" in nobody["reason"]


def test_group_series_averages_those_who_have_a_region(rng):
    a, b = rng.normal(size=(20, 2)), 5 + 3 * rng.normal(size=(22, 2))
    b[:, 1] = np.nan
    mean = group_series({"s1": {"r": a}, "s2": {"r": b}})["r"]
    z = [(v - v.mean(0)) / v.std(0) for v in (a, b[:20])]
    np.testing.assert_allclose(mean[:, 0], (z[0] + z[1])[:, 0] / 2)
    np.testing.assert_allclose(mean[:, 1], z[0][:, 1])


@pytest.fixture
def stored(tmp_path, rng):
    """A subject's file with two runs, one voxel that is not valid."""
    values = rng.normal(size=(30, 4)).astype(np.float32)
    values[:10, 3] = np.nan
    record = {"nonfinite": 1, "constant": 0, "mean_fd": 0.7, "max_fd": 2.0, "stimulus": "one", "sound_onset": 0.5}
    dataset = xr.Dataset(
        {"responses": (("time", "voxel"), values)},
        coords={
            "run": ("time", np.repeat(["run-1", "run-2"], [10, 20])),
            "time_s": ("time", np.r_[np.arange(10) * TR + 20, np.arange(20) * TR]),
            "roi": ("voxel", np.array(["Aud", "Aud", "LTemp", "LTemp"])),
            "valid": ("voxel", np.array([True, True, True, False])),
            **{axis: ("voxel", np.arange(4.0)) for axis in "xyz"},
        },
        attrs={
            "tr": TR,
            "runs": [{"run": "run-1", "volumes": 10, **record}, {"run": "run-2", "volumes": 20, **record}],
        },
    )
    path = tmp_path / "s1.zarr.zip"
    write_arrays(path, dataset)
    return path, values


def test_facts_and_series_of_a_subject(stored):
    path, values = stored
    manifest = {"files": {"response": {"a": {"path": "x", "bytes": 5}, "b": {"path": "x", "bytes": 5}}, "mask": {}}}
    facts = describe_subject(path, manifest)
    assert (facts["voxels"], facts["valid"], facts["volumes"], facts["seconds"]) == (4, 3, 30, 60)
    assert (facts["files"], facts["bytes"]) == (1, 5)
    assert facts["runs"][0] | {"start": 20, "end": 40, "sound_onset": 0.5} == facts["runs"][0]
    series, times, names = subject_series(path, ROIS)
    assert names == ["Aud", "LTemp", "language", "all"] and times["run-1"][0] == 20
    expected = np.stack([values[10:, :2].mean(1), values[10:, 2], values[10:, 2], values[10:, :3].mean(1)], axis=1)
    np.testing.assert_allclose(series["run-2"], expected, rtol=1e-5)

    runs = [{"name": name, "stimulus": "one", "test": False} for name in ("run-1", "run-2", "run-3")]
    words = pd.DataFrame({"run": "run-1", "onset": [1.0, 2.0], "offset": [1.5, 3.0]})
    described = describe_runs(words, runs, {"s1": facts})
    assert described[0]["rate"] == pytest.approx(1.0) and described[0]["volumes"] == [10]
    assert described[2]["subjects"] == 0 and described[2]["first"] is None
    late = {"plausible": False, "reason": "late"}
    noted = findings({"s1": facts}, described, late, [{"ceiling": None}], "word", ["run-4", "run-5"])
    for text in (
        "not plausible (late)",
        "s1 (1 of 4)",
        "missing: s1 (run-3)",
        "left out because not every subject has them: run-4, run-5",
        "s1 run-1 (0.70 mm)",
        "No word in: run-2",
    ):
        assert any(text in item for item in noted), (text, noted)
