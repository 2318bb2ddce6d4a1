import numpy as np
import pandas as pd
import pytest

from triphase.errors import InputError
from triphase.features import delay, delays_in_scans, nuisance_of_run, position_basis, words_to_scans


def test_words_count_for_the_scan_that_holds_their_midpoint():
    # midpoints 0.5, 1.5, 2.0, 7.0 with TR 2 from t = 0: scans 0, 0, 1, 3
    onsets, offsets = [0.0, 1.0, 1.5, 6.5], [1.0, 2.0, 2.5, 7.5]
    averaging = words_to_scans(onsets, offsets, np.arange(4) * 2.0, 2.0).toarray()
    np.testing.assert_allclose(averaging, [[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])


def test_words_outside_the_scan_count_for_none():
    averaging = words_to_scans([-5.0, 100.0], [-4.0, 101.0], np.arange(3) * 2.0, 2.0)
    assert averaging.sum() == 0


def test_dropped_volumes_move_the_clock():
    averaging = words_to_scans([20.0], [20.4], 20.0 + np.arange(3) * 2.0, 2.0).toarray()
    np.testing.assert_array_equal(averaging[:, 0], [1, 0, 0])


def test_delays_stay_inside_runs_and_do_not_wrap():
    runs = np.repeat(["a", "b"], [4, 5])
    x = np.arange(1.0, 10.0)[:, None]
    delayed = delay(x, runs, [0, 2])
    expected = np.zeros((9, 2))
    for row in range(9):  # straight from the definition
        for column, lag in enumerate([0, 2]):
            if row - lag >= 0 and runs[row - lag] == runs[row]:
                expected[row, column] = x[row - lag, 0]
    np.testing.assert_array_equal(delayed, expected)
    assert delayed[4, 1] == 0 and delayed[5, 1] == 0, "a delay crossed into the run before"


def test_delay_longer_than_a_run_is_zero():
    assert not delay(np.ones((3, 2)), np.array(["a"] * 3), [5]).any()


def test_delays_are_rounded_to_scans():
    assert delays_in_scans([2, 4, 6, 8], 2.0) == [1, 2, 3, 4]
    assert delays_in_scans([2, 4], 2.0045) == [1, 2]
    with pytest.raises(InputError, match="encoding/delays"):
        delays_in_scans([2.0, 2.4], 2.0)


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
