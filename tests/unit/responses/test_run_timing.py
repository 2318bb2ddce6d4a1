"""Every run against its own words and those of the others: a swap, one clock apart, and how often noise is flagged."""

import numpy as np
import pytest

from triphase.responses.run_timing import Expected, check_runs, misfits
from triphase.responses.timing import LAGS, haemodynamic_response, rate_at_lags
from triphase.stats.autocorrelation import effective_size

TR = 1.5
RUNS = ["one", "two", "three", "four"]
EXPECTED = Expected(TR, haemodynamic_response(), -TR, TR)


def study(rng, scans=200, noise=1.0):
    """Words of four stimuli, and what a region that hears them does in scans that begin 6 s before the words' clock."""
    times = np.arange(scans) * TR - 6
    events, courses = {}, {}
    for run in RUNS:
        onsets = np.cumsum(rng.gamma(2, 0.17, size=4 * scans))
        phase = rng.uniform(0, 6, size=2)
        events[run] = onsets[
            (onsets < times[-1]) & (np.sin(onsets / 3 + phase[0]) + np.sin(onsets / 7.7 + phase[1]) > -0.7)
        ]
        heard = rate_at_lags(events[run], times, TR, haemodynamic_response())[int(np.flatnonzero(LAGS == 0)[0])]
        courses[run] = (heard - heard.mean()) / heard.std() + noise * rng.normal(size=scans)
    return events, courses, dict.fromkeys(RUNS, times)


def checked(events, courses, times):
    return {entry["run"]: entry for entry in check_runs(events, {run: run for run in RUNS}, courses, times, EXPECTED)}


@pytest.mark.parametrize("seed", range(3))
def test_kind_runs_in_their_order_and_on_their_clock_are_plausible(seed):
    found = checked(*study(np.random.default_rng(seed)))
    assert all(entry["plausible"] and entry["other"] is None for entry in found.values()), found
    assert misfits(list(found.values())) is None


@pytest.mark.parametrize("seed", range(3))
def test_kind_a_swap_of_two_runs_is_flagged_and_named(seed):
    events, courses, times = study(np.random.default_rng(seed))
    courses["two"], courses["three"] = courses["three"], courses["two"]
    found = checked(events, courses, times)
    assert (found["two"]["other"], found["three"]["other"]) == ("three", "two")
    assert found["one"]["plausible"] and found["four"]["plausible"]
    assert "two follows the words of three" in misfits(list(found.values()))


@pytest.mark.parametrize("late", [15.0, -9.0])
def test_kind_one_run_of_several_on_a_clock_of_its_own_is_flagged(late):
    events, courses, times = study(np.random.default_rng(7))
    times = times | {"two": times["two"] - late}
    found = checked(events, courses, times)
    assert found["two"]["plausible"] is False and abs(found["two"]["lag"] + late) <= TR
    assert all(found[run]["plausible"] for run in RUNS if run != "two")


def test_noise_is_seldom_flagged():
    """Slow noise, as of scans, follows nothing: at 5 % of all comparisons of a study, few studies are flagged."""
    flagged = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        events, courses, times = study(rng)
        courses = {run: np.convolve(rng.normal(size=205), np.ones(6))[3:203] for run in RUNS}
        flagged += any(entry["plausible"] is False for entry in checked(events, courses, times).values())
    assert flagged <= 7


def test_short_runs_and_runs_without_words_do_not_tell():
    events, courses, times = study(np.random.default_rng(0))
    del events["two"]
    courses["three"], times["three"] = courses["three"][:20], times["three"][:20]
    courses["four"] = np.full(200, np.nan)
    found = checked(events, courses, times)
    assert [found[run]["plausible"] for run in RUNS] == [True, None, None, None]


def test_effective_size_of_independent_and_of_slow_series():
    rng = np.random.default_rng(3)
    sizes = [effective_size(*rng.normal(size=(2, 400))) for _ in range(20)]
    assert 250 < np.median(sizes) <= 400
    # Of two AR(1) series with coefficient a it is n (1 - a^2) / (1 + a^2).
    slow = []
    for _ in range(40):
        x = rng.normal(size=(500, 2))
        for t in range(1, 500):
            x[t] = 0.7 * x[t - 1] + np.sqrt(1 - 0.49) * x[t]
        slow.append(effective_size(*x[100:].T))
    assert np.median(slow) == pytest.approx(400 * (1 - 0.49) / (1 + 0.49), rel=0.35)
