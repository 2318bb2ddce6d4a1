import numpy as np
import pandas as pd
import pytest

from triphase.config.delays import alternative_delays, delays_in_scans
from triphase.core.errors import InputError
from triphase.encoding.features import (
    SAMPLINGS,
    delay,
    nuisance_of_run,
    position_basis,
    scan_grid,
    shared_reach,
    words_to_scans,
)


def test_words_count_for_the_scan_that_holds_their_midpoint():
    # midpoints 0.5, 1.5, 2.0, 7.0 with TR 2 from t = 0: scans 0, 0, 1, 3
    onsets, offsets = [0.0, 1.0, 1.5, 6.5], [1.0, 2.0, 2.5, 7.5]
    averaging = words_to_scans(onsets, offsets, np.arange(4) * 2.0, 2.0).toarray()
    np.testing.assert_allclose(averaging, [[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])


def test_words_outside_the_scan_count_for_none():
    averaging = words_to_scans([-5.0, 100.0], [-4.0, 101.0], np.arange(3) * 2.0, 2.0)
    assert averaging.sum() == 0


def test_sum_and_last_take_the_same_words():
    onsets, offsets, times = [1.0, 0.0, 1.5, 6.5], [2.0, 1.0, 2.5, 7.5], np.arange(4) * 2.0
    summed = words_to_scans(onsets, offsets, times, 2.0, "sum").toarray()
    np.testing.assert_array_equal(summed, [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    last = words_to_scans(onsets, offsets, times, 2.0, "last").toarray()  # of the words at 1.5 and 0.5, the later one
    np.testing.assert_array_equal(last, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    # Of two at once the one that comes last in the table.
    assert words_to_scans([0, 0], [1, 1], times, 2.0, "last").toarray()[0].tolist() == [0, 1]


def test_lanczos_reads_the_middle_of_a_scan():
    times = np.arange(9) * 2.0
    weights = words_to_scans([8.9], [9.1], times, 2.0, "lanczos").toarray()[:, 0]  # in the middle of scan 4
    np.testing.assert_allclose(weights, np.eye(9)[4], atol=1e-12)
    between = words_to_scans([10.0], [10.0], times, 2.0, "lanczos").toarray()[:, 0]  # where scan 5 begins
    expected = [0.024317, -0.135095, 0.607927, 0.607927, -0.135095, 0.024317]  # L(2.5), L(1.5), L(0.5)
    np.testing.assert_allclose(between, [0, 0, *expected, 0], atol=1e-6)


def test_lanczos_keeps_slow_and_removes_fast_modulations():
    """Ten words per scan whose value goes in waves below and above the Nyquist frequency of the scans."""
    times, middle = np.arange(200) * 2.0, np.arange(0, 400, 0.2)
    weights = words_to_scans(middle, middle, times, 2.0, "lanczos")
    np.testing.assert_allclose((weights @ np.ones(len(middle)))[5:-5], 10, rtol=0.01)
    slow, fast = (weights @ np.cos(2 * np.pi * hertz * middle) for hertz in (0.05, 0.45))
    np.testing.assert_allclose(slow[5:-5], 10 * np.cos(2 * np.pi * 0.05 * (times[5:-5] + 1)), atol=0.2)
    assert np.abs(fast[5:-5]).max() < 0.2
    assert [shared_reach(how) for how in SAMPLINGS] == [0, 0, 0, 5]
    with pytest.raises(ValueError, match="mean, sum, last, lanczos"):
        words_to_scans(middle, middle, times, 2.0, "median")


@pytest.mark.parametrize(("distance", "share"), [(5, True), (6, False)])
def test_scans_further_apart_than_the_reach_share_no_word(distance, share):
    middle = np.linspace(-5, 45, 20_000)
    weights = np.abs(words_to_scans(middle, middle, np.arange(20) * 2.0, 2.0, "lanczos").toarray())
    assert ((weights[4] * weights[4 + distance]).max() > 1e-9) == share


def test_dropped_volumes_move_the_clock():
    averaging = words_to_scans([20.0], [20.4], 20.0 + np.arange(3) * 2.0, 2.0).toarray()
    np.testing.assert_array_equal(averaging[:, 0], [1, 0, 0])


def test_delays_look_back_from_each_row():
    x = np.arange(10.0)[:, None] * [1, 100]
    np.testing.assert_array_equal(delay(x, [4, 5, 8], [0, 3]), [[4, 400, 1, 100], [5, 500, 2, 200], [8, 800, 5, 500]])
    with pytest.raises(ValueError, match="longest delay"):
        delay(x, [2], [0, 3])


def test_the_grid_begins_one_lead_before_the_clock_and_ends_with_the_last_row():
    grid, rows = scan_grid(20.0 + 2 * np.array([0, 1, 2, 5]), 2.0, lead=3)
    np.testing.assert_allclose(grid, np.arange(-6, 31, 2.0))
    np.testing.assert_array_equal(rows, [13, 14, 15, 18])
    np.testing.assert_allclose(grid[rows], [20, 22, 24, 30])


@pytest.mark.parametrize("tr", [2.0, 2.0045, 1.5, 1.0, 0.7, 1 / 3])
@pytest.mark.parametrize("start", [0.0, 0.3])
@pytest.mark.parametrize("dropped", [0, 1, 7, 10])
def test_the_grid_is_aligned_with_the_rows(tr, start, dropped):
    times = (np.arange(600) + dropped) * tr + start
    grid, rows = scan_grid(times, tr, lead=4)
    assert rows[0] == dropped + 4 and len(grid) == dropped + 604
    np.testing.assert_allclose(grid[rows], times, atol=1e-9)
    assert 0 <= round(grid[4], 9) < tr


def test_rows_off_the_grid_are_refused():
    for times in ([0.0, 2.0, 5.0], [0.0, 2.0, 2.0], [4.0, 2.0, 0.0]):
        with pytest.raises(InputError, match="multiples of the TR"):
            scan_grid(times, 2.0)


def test_delays_are_rounded_to_scans():
    assert delays_in_scans([2, 4, 6, 8], 2.0) == [1, 2, 3, 4]
    assert delays_in_scans([2, 4], 2.0045) == [1, 2]
    with pytest.raises(InputError, match="encoding/delays"):
        delays_in_scans([2.0, 2.4], 2.0)


def test_alternative_delays_have_every_scan_from_the_first_to_the_last():
    assert alternative_delays([[2, 5], [6, 6]], [2, 4, 6, 8], 2.0) == {"2-5": [1, 2], "6-6": [3]}
    assert alternative_delays([[2.5, 4]], [4, 6], 1.0) == {"2.5-4": [2, 3, 4]}
    assert alternative_delays([], [2, 4], 2.0) == {}
    # The study's own may leave scans out; what fills them is another analysis.
    assert alternative_delays([[4, 6]], [4, 6], 1.0) == {"4-6": [4, 5, 6]}


def test_position_basis_is_orthogonal_and_centred():
    basis = position_basis(40)
    gram = basis.T @ basis
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-10)
    np.testing.assert_allclose(basis.sum(0), 0, atol=1e-10)


def test_nuisance_columns():
    words = pd.DataFrame(
        {
            "onset": [0.0, 1.0, 2.0],
            "offset": [0.5, 1.5, 2.5],
            "word": ["a", "bcd", "ef"],
            "log_frequency": [1.0, np.nan, 3.0],
        }
    )
    band = nuisance_of_run(words, np.arange(2) * 2.0, 2.0, ["word_rate", "word_length", "log_frequency"])
    # the missing frequency takes the mean of the others (2)
    np.testing.assert_allclose(band, [[1.0, 2.0, 1.5], [0.5, 2.0, 3.0]])
    with pytest.raises(InputError, match="'sentiment'"):
        nuisance_of_run(words, np.arange(2) * 2.0, 2.0, ["sentiment"])


def test_the_envelope_is_averaged_over_each_scan():
    words = pd.DataFrame({"onset": [0.0], "offset": [0.5], "word": ["a"]})
    sound = pd.DataFrame({"time_s": [0.5, 1.5, 2.5, 3.5], "envelope": [1.0, 2.0, 4.0, 8.0]})
    band = nuisance_of_run(words, np.arange(-1, 3) * 2.0, 2.0, ["word_rate", "envelope"], sound)
    np.testing.assert_allclose(band[:, 1], [0, 1.5, 6, 0])
    with pytest.raises(InputError, match="'envelope'"):
        nuisance_of_run(words, np.arange(2) * 2.0, 2.0, ["envelope"])
