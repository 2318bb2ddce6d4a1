"""Series that begin at other moments of what is heard: laid together by their clocks, not by their first rows."""

import numpy as np
import pytest

from triphase.responses.ceiling import common_starts, reliability_from_repeats
from triphase.responses.description import group_series, on_one_clock
from triphase.responses.starts import rows_before, steps_from

RUNS = [{"name": "a", "stimulus": "one"}, {"name": "b", "stimulus": "one"}, {"name": "c", "stimulus": "two"}]


@pytest.mark.parametrize(
    ("starts", "rows", "told"),
    [
        ({"a": 0.0, "b": 4.0, "c": 2.0}, {"a": 2, "b": 0, "c": 1}, False),
        ({"a": 0.0, "b": 0.1}, {"a": 0, "b": 0}, False),
        ({"a": -5.0, "b": 0.3}, {"a": 3, "b": 0}, True),
        ({}, {}, False),
    ],
)
def test_kind_onsets_rows_before_the_latest_beginning(caplog, starts, rows, told):
    assert rows_before(starts, 2.0, "stimulus x") == rows
    assert ("stimulus x" in caplog.text) == told


def test_kind_onsets_places_on_the_grid_of_another_run():
    places, apart = steps_from(np.array([4.1, 6.1, 10.0]), 0.0, 2.0)
    assert places.tolist() == [2, 3, 5] and apart == pytest.approx(0.1)


def test_kind_onsets_hearings_that_begin_apart_agree_where_they_hear_the_same():
    signal = np.random.default_rng(0).normal(size=(60, 3))
    starts = {"s1": {"a": 0.0, "b": 10.0, "c": 0.0}, "s2": {"a": 2.0, "c": 6.0}}
    before = common_starts(starts, RUNS, 2.0)
    assert before == {("s1", "a"): 5, ("s1", "b"): 0, ("s2", "a"): 4, ("s1", "c"): 3, ("s2", "c"): 0}
    heard = {"a": signal, "b": signal[5:]}
    cut = {run: values[before["s1", run] :] for run, values in heard.items()}
    np.testing.assert_allclose(reliability_from_repeats(cut, {"one": ["a", "b"]}), 1, atol=1e-3)


def test_kind_onsets_the_group_is_averaged_moment_by_moment():
    signal, times = np.random.default_rng(0).normal(size=(60, 2)), 2.0 * np.arange(60)
    series = {"s1": {"a": signal}, "s2": {"a": signal[7:]}, "s3": {"b": signal[:9]}}
    clocks = {"s1": {"a": times}, "s2": {"a": times[7:] + 0.01}, "s3": {"b": times[:9]}}
    cut, found = on_one_clock(series, clocks)
    np.testing.assert_allclose(found["a"], times[7:] + 0.01)
    np.testing.assert_array_equal(cut["s1"]["a"], cut["s2"]["a"])
    later = signal[7:]
    np.testing.assert_allclose(group_series(cut)["a"], (later - later.mean(axis=0)) / later.std(axis=0))
    assert cut["s3"]["b"].shape == (9, 2)
