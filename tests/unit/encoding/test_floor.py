"""The autocorrelation floor: blind to the text, and to all that lies in runs of their own."""

import numpy as np
import pytest

from triphase.encoding.floor import floor_band
from triphase.encoding.folds import HELD_OUT, TRAIN, UNUSED, make_splits

RUNS, TIMES = np.repeat("r", 100), np.arange(100) * 2.0


def test_whole_runs_that_are_held_out_have_no_columns():
    runs = np.repeat(["a", "b"], [40, 60])
    outer = np.where(runs == "a", TRAIN, HELD_OUT)[None].astype(np.int8)
    assert floor_band(runs, np.r_[TIMES[:40], TIMES[:60]], 2.0, outer, 5).shape == (1, 100, 0)


def test_columns_overlap_as_the_response_is_correlated():
    outer = np.where(np.arange(100) < 90, TRAIN, HELD_OUT)[None].astype(np.int8)
    lag = 6 * np.sqrt(4 * np.log(10))  # columns six scans apart
    (band,) = floor_band(RUNS, TIMES, 2.0, outer, lag)
    assert band.shape == (100, 17 + 5)  # and columns four times as wide, 24 scans apart
    assert np.flatnonzero(~band.any(0)).tolist() == [15, 16, 21]
    assert band[:, 17 + 2].argmax() == 48 and band[72, 19] == pytest.approx(np.exp(-0.5))
    assert band[:, 7].argmax() == 42 and band[42, 7] == 1
    assert band[48, 7] == pytest.approx(np.exp(-0.5))
    norm = np.linalg.norm(band[:, 5:11], axis=0)
    overlap = band[:, 5] @ band[:, 5:11] / norm / norm[0]
    np.testing.assert_allclose(np.interp(lag / 6, np.arange(6), overlap), 0.1, atol=0.02)


def test_stretches_that_do_not_train_have_no_column():
    outer = np.full((1, 100), TRAIN, np.int8)
    outer[0, 30:70] = UNUSED
    outer[0, 40:60] = HELD_OUT
    (band,) = floor_band(RUNS, TIMES, 2.0, outer, 9)
    centres = band.argmax(0)[band.any(0)]
    assert len(centres) and not ((centres >= 30) & (centres < 70)).any()
    # A gap of ten scans is more than the lag of nine: narrow columns end in it, wide ones reach the held-out block.
    narrow = 34
    assert band[29, 9] > 0.5 and not band[40:60, :narrow].any() and band[40:60, narrow:].max() > 0.5


@pytest.mark.parametrize("gap", [0, 32])
def test_a_run_that_is_cut_is_covered_by_the_stretches_of_others(gap):
    outer, _ = make_splits(
        np.repeat("r", 400), np.repeat("s", 400), [], {"kind": "outer_cv", "folds": 5, "inner": 4}, gap=gap
    )
    band = floor_band(np.repeat("r", 400), np.arange(400) * 2.0, 2.0, outer, 6)
    reached = [band[split][mask == HELD_OUT].max() for split, mask in enumerate(outer)]
    assert min(reached) > 0.2 if gap == 0 else max(reached) < 1e-12
