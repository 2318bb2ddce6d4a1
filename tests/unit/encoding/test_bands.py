"""Bands as they enter a fit: what was heard, on the scanner's clock, each run for itself."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from triphase.core.errors import InputError
from triphase.encoding.bands import check_sound, nuisance_band, word_scans
from triphase.encoding.features import Timeline, delay, position_basis

TIMES = np.tile(np.arange(5) * 2.0, 2)
RUNS = np.repeat(["r1", "r2"], 5)
TIMELINE = Timeline(RUNS, TIMES, 2.0, [1, 2])


def words():
    one = pd.DataFrame(
        {"stimulus": "s", "index": [0, 1], "word": ["a", "bcd"], "onset": [0.0, 4.0], "offset": [1.0, 5.0]}
    )
    return pd.concat([one.assign(run="r1"), one.assign(run="r2", onset=one["onset"] + 2, offset=one["offset"] + 2)])


HEARD = pd.DataFrame({"stimulus": ["other", "s", "s"], "index": [0, 1, 0]})
VALUES = np.array([[9.0], [1.0], [5.0]])  # word 0 of s is 5, word 1 is 1


def delayed(values, words, heard, runs, times, tr, delays, how="mean"):
    features, rows = word_scans(values, words, heard, Timeline(runs, times, tr, delays, how))
    assert features.dtype == np.float32
    return delay(features, rows, delays)


def test_a_repeated_stimulus_takes_the_same_activations_at_each_runs_own_times():
    scans = delayed(VALUES, words(), HEARD, RUNS, TIMES, 2.0, [0])[:, 0]
    np.testing.assert_array_equal(scans, [5, 0, 1, 0, 0, 0, 5, 0, 1, 0])


def test_delays_stay_inside_runs():
    band = delayed(VALUES, words(), HEARD, RUNS, TIMES, 2.0, [1, 3])
    np.testing.assert_array_equal(band.T, [[0, 5, 0, 1, 0, 0, 0, 5, 0, 1], [0, 0, 0, 5, 0, 0, 0, 0, 0, 5]])


def test_the_mean_over_delays_is_that_of_their_columns():
    """Of word vectors, of nuisance features, of word identity alike; nothing reaches over from the run before."""
    averaged = replace(TIMELINE, delays=[1, 3], averaged=True)
    assert averaged.column_delays == [0] and TIMELINE.column_delays == [1, 2]
    features, rows = word_scans(VALUES, words(), HEARD, averaged)
    columns = delayed(VALUES, words(), HEARD, RUNS, TIMES, 2.0, [1, 3])
    np.testing.assert_allclose(delay(features, rows, averaged.column_delays)[:, 0], columns.mean(axis=1))
    names = ["word_rate", "word_length"]
    each = nuisance_band(words(), replace(averaged, averaged=False), names).reshape(10, 2, 2)
    np.testing.assert_allclose(nuisance_band(words(), averaged, names), each.mean(axis=1))
    assert nuisance_band(words(), averaged, [*names, "position"]).shape == (10, 5)


def test_position_is_not_delayed():
    assert nuisance_band(words(), TIMELINE, ["word_rate", "position"]).shape == (10, 5)
    assert nuisance_band(words(), TIMELINE, ["word_rate"]).shape == (10, 2)
    alone = nuisance_band(words(), TIMELINE, ["position"])
    np.testing.assert_allclose(alone, np.tile(position_basis(5), (2, 1)))


def story(run, n, seed):
    """Words at random times of n scans of 2 s, some of them before the scan begins."""
    rng = np.random.default_rng(seed)
    onset = np.sort(rng.uniform(-12, 2 * n - 1, 3 * n))
    text = ["abcdef"[: rng.integers(1, 6)] for _ in onset]
    return pd.DataFrame(
        {"run": run, "stimulus": run, "index": range(len(onset)), "word": text, "onset": onset, "offset": onset + 0.5}
    )


@pytest.mark.parametrize("how", ["mean", "sum", "last", "lanczos"])
@pytest.mark.parametrize("cut", [0, 1, 10])
def test_a_run_cut_at_its_start_has_the_rows_of_the_whole_run(cut, how):
    """Words heard during dropped volumes, an overlap that was cut, or before the scan began reach the rows after."""
    said = pd.concat([story("r1", 30, 1), story("r2", 40, 2)])
    runs, times = np.repeat(["r1", "r2"], [30, 40]), np.r_[np.arange(30), np.arange(40)] * 2.0
    values = np.random.default_rng(0).standard_normal((len(said), 4))
    sound = pd.DataFrame({"time_s": np.arange(0.5, 90)}).assign(envelope=lambda t: 2 + np.sin(t["time_s"]))
    sound = pd.concat([sound.assign(stimulus="r1"), sound.assign(stimulus="r2", envelope=sound["envelope"] ** 2)])
    names, delays = ["word_rate", "word_length", "envelope", "position"], [1, 2, 4]
    kept = np.r_[cut:30, 30:70]
    for start in (0.0, 0.7):  # the time of the first scan on the words' clock

        def design(rows, start=start):
            clock = times[rows] + start
            nuisance = nuisance_band(said, Timeline(runs[rows], clock, 2.0, delays, how), names, sound)
            return np.hstack([delayed(values, said, said, runs[rows], clock, 2.0, delays, how), nuisance])

        whole = design(np.arange(70))
        np.testing.assert_allclose(design(kept), whole[kept], atol=1e-12)


def seen(middles, values, begin, tr, how):
    """What a scan that begins at `begin` sees of a run's words, straight from the definition."""
    if how == "lanczos":
        total = np.zeros(values.shape[1])
        for middle, value in zip(middles, values, strict=True):
            x = (begin + tr / 2 - middle) / tr
            if x == 0:
                total += value
            elif abs(x) < 3:
                total += 3 * np.sin(np.pi * x) * np.sin(np.pi * x / 3) / (np.pi * x) ** 2 * value
        return total
    heard = [i for i, middle in enumerate(middles) if begin <= middle < begin + tr]
    if not heard:
        return np.zeros(values.shape[1])
    if how == "last":
        return values[max(heard, key=lambda i: (middles[i], i))]
    return values[heard].sum(0) / (len(heard) if how == "mean" else 1)


@pytest.mark.parametrize("tr", [2.0, 0.7])
@pytest.mark.parametrize("how", ["mean", "sum", "last", "lanczos"])
def test_sampling_and_delays_are_those_of_their_definition(how, tr):
    """Row by row and word by word; a delay into the run before, or around its end, would not agree."""
    rng = np.random.default_rng(3)
    said = pd.concat([story("r1", 12, 1), story("r2", 15, 2)])
    said = said.sample(frac=1, random_state=4)  # in whatever order
    runs, times = np.repeat(["r1", "r2"], [12, 15]), np.r_[np.arange(12), np.arange(3, 18)] * tr + 0.3
    values, delays = rng.standard_normal((len(said), 3)), [0, 2, 5]
    band = delayed(values, said, said, runs, times, tr, delays, how)
    middle = ((said["onset"] + said["offset"]) / 2).to_numpy()
    for row, (run, time) in enumerate(zip(runs, times, strict=True)):
        mine = (said["run"] == run).to_numpy()
        for place, lag in enumerate(delays):
            expected = seen(middle[mine], values[mine], time - lag * tr, tr, how)
            np.testing.assert_allclose(band[row, 3 * place : 3 * place + 3], expected, atol=2e-6)


@pytest.mark.parametrize("how", ["mean", "sum", "last", "lanczos"])
def test_nuisance_of_words_is_sampled_as_their_vectors_are(how):
    said = story("r", 20, 5)
    runs, times, names = np.repeat("r", 20), np.arange(20) * 2.0, ["word_rate", "word_length"]
    rate, length = nuisance_band(said, Timeline(runs, times, 2.0, [0], how), names).T
    ones, lengths = np.ones((len(said), 1)), said["word"].str.len().to_numpy(float)[:, None]
    np.testing.assert_allclose(length, delayed(lengths, said, said, runs, times, 2.0, [0], how)[:, 0], atol=1e-5)
    counting = "lanczos" if how == "lanczos" else "sum"
    np.testing.assert_allclose(2 * rate, delayed(ones, said, said, runs, times, 2.0, [0], counting)[:, 0], atol=1e-5)


def test_annotations_of_one_second_are_averaged_over_those_who_wrote():
    rows = [(0, 0.0), (1, 0.0), (2, 2.0)]  # (index, onset): two annotators on second 0, none on 1, one on 2
    said = pd.DataFrame(rows, columns=["index", "onset"]).assign(run="r", stimulus="r", word="x")
    said["offset"] = said["onset"] + 1
    band = delayed(np.array([[1.0], [4.0], [7.0]]), said, said, np.array(["r"] * 4), np.arange(4.0), 1.0, [0])
    np.testing.assert_array_equal(band[:, 0], [2.5, 0, 7, 0])


def test_a_sound_that_ends_before_the_words_is_refused():
    sound = pd.DataFrame({"time_s": [0.5, 1.5, 4.2]})
    check_sound(sound, words()[:2], "r1")
    with pytest.raises(InputError, match="r1: its sound ends at 1.5 s.*last word at 5 s"):
        check_sound(sound[:2], words()[:2], "r1")
