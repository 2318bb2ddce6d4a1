"""Recordings read word by word: windows at lags, places of electrodes, the clock of words, and the clock check."""

import numpy as np
import pandas as pd
import pytest

from triphase.config.jobs import CleanResponses
from triphase.config.modality import settle_rows
from triphase.core.artefacts import read_arrays
from triphase.core.errors import InputError
from triphase.encoding.features import scan_grid, words_to_scans
from triphase.encoding.word_rows import least_gap, on_rows, row_seconds
from triphase.responses.description import describe_timing, subject_series
from triphase.responses.electrodes import clean_recording, clean_recordings, windows
from triphase.responses.readers import open_reader
from triphase.responses.run_timing import Expected

mne = pytest.importorskip("mne", reason="MNE is an optional extra")

RATE, SECONDS = 128.0, 300
LAGS = [-0.2, 0.2, 0.6]
SOURCE = {
    "name": "highgamma", "reader": "fif", "modality": "ecog", "space": "mni", "lags": LAGS, "window": 0.2,
    "dropped_volumes": 0,
}  # fmt: skip
RUN = {"name": "podcast", "stimulus": "podcast", "test": False}


def words_of(seed=0):
    """Words in bursts, one of which begins before the recording has room for its windows."""
    rng = np.random.default_rng(seed)
    onsets = np.r_[0.05, 1 + np.cumsum(rng.gamma(3, 0.11, size=3 * SECONDS))]
    onsets = onsets[(onsets < SECONDS - 2) & (np.sin(onsets / 5) > -0.6)]
    table = pd.DataFrame({"stimulus": "podcast", "run": "podcast", "index": np.arange(len(onsets)), "onset": onsets})
    return table.assign(word="w", offset=onsets + 0.2)


def record(folder, words, late=0.0, seed=1):
    """A recording in which two electrodes rise 0.2 s after each onset, one is noise, one is bad; and their places."""
    rng, n = np.random.default_rng(seed), int(SECONDS * RATE)
    heard = np.zeros(n)
    for onset in words["onset"]:
        start = int((onset + 0.1 + late) * RATE)
        if 0 <= start < n:
            heard[start : start + int(0.2 * RATE)] += 1
    values = rng.normal(size=(4, n))
    values[:2] += 2 * heard
    info = mne.create_info(["G1", "G2", "G3", "G4"], RATE, "ecog")
    info["bads"] = ["G4"]
    path = folder / "sub-01_ieeg.fif"
    mne.io.RawArray(values, info, verbose="ERROR").save(path, overwrite=True, verbose="ERROR")
    places = folder / "electrodes.tsv"
    places.write_text("name\tx\ty\tz\tsize\nG1\t-50\t10\t5\t4\nG2\t-52\t-12\t8\t4\nG3\t40.5\t0\t0\t4\n")
    return {"response": {"podcast": {"path": str(path)}}, "electrodes": {"": {"path": str(places)}}}


def cleaned(tmp_path, words, late=0.0):
    files = record(tmp_path, words, late)
    cleaning = {"high_pass": 0.01, "confounds": False, "confound_expansion": []}
    settings = CleanResponses(
        study="s", rois=[], source=SOURCE, runs=[RUN], tr=1.0, brain="template", atlas=None, cleaning=cleaning,
        subject={"name": "sub-01"},
    )  # fmt: skip
    path = tmp_path / "sub-01.zarr.zip"
    clean_recordings(path, "sub-01", files, words, settings, {})
    return path


def test_a_voxel_is_an_electrode_at_a_lag_and_a_row_is_a_word(tmp_path):
    words = words_of()
    data = read_arrays(cleaned(tmp_path, words))
    assert data["electrode_name"].values.tolist() == ["G1"] * 3 + ["G2"] * 3 + ["G3"] * 3
    np.testing.assert_allclose(data["lag"].values[:3], LAGS)
    np.testing.assert_allclose(data["x"].values[::3], [-50, -52, 40.5])
    # The first word has no room for the window before it: its row is not there, and the others keep their index.
    assert data["time_s"].values.tolist() == list(range(1, len(words)))
    np.testing.assert_allclose(data["word_s"].values, words["onset"][1:])
    assert (data.attrs["row"], data.attrs["tr"]) == ("word", 1.0) and data.attrs["reach_seconds"] == pytest.approx(1.0)
    values = data["responses"].values
    np.testing.assert_allclose(values.std(axis=0, ddof=1), 1, atol=1e-4)


def test_windows_are_means_around_each_lag():
    values = np.arange(100.0)[:, None] * np.array([1.0, -2.0])
    found = windows(values, np.array([2.0, 3.0, 5.0]), np.array([-0.5, 1.0]), 0.4, 10.0)
    # Of a ramp the mean of a window is the ramp at its middle: z-scored over words, all alike but for the sign.
    expected = np.array([2.0, 3.0, 5.0])
    expected = (expected - expected.mean()) / expected.std(ddof=1)
    np.testing.assert_allclose(found, np.outer(expected, [1, 1, -1, -1]), atol=1e-6)


def test_trend_and_slow_cosines_leave_a_recording():
    rng, time = np.random.default_rng(0), np.arange(6400) / 64
    fast = rng.normal(size=(6400, 1))
    values = fast + 5 * time[:, None] + 20 * np.cos(2 * np.pi * 0.005 * time)[:, None]
    left, counts = clean_recording(values, 1 / 64, 0.02)
    assert np.corrcoef(left[:, 0], fast[:, 0])[0, 1] > 0.99 and counts == {"nonfinite": 0, "constant": 0}
    left, counts = clean_recording(np.c_[values, np.full(6400, 3.0), np.r_[np.nan, values[1:, 0]]], 1 / 64, None)
    assert counts == {"nonfinite": 1, "constant": 1} and np.isnan(left[0, 1:]).all()


def test_the_clock_of_words_gives_every_word_its_own_row():
    words = words_of()
    clocked, _ = on_rows(words, None, "word")
    times = np.arange(3, len(words), dtype=float)
    grid, rows = scan_grid(times, 1.0)
    sampled = words_to_scans(clocked["onset"], clocked["offset"], grid, 1.0).toarray()[rows]
    np.testing.assert_array_equal(sampled, np.eye(len(words))[3:])
    np.testing.assert_allclose(clocked["rate"][1:], 1 / np.maximum(np.diff(words["onset"]), 0.05))
    assert on_rows(words, None, "scan")[0] is words
    assert (row_seconds({}, 2.0), row_seconds({"row_seconds": 0.35}, 1.0)) == (2.0, 0.35)
    assert (least_gap({}, 20), least_gap({"reach_seconds": 30.0}, 20)) == (20, 30.0)


def test_sound_of_a_word_lasts_until_the_next():
    words = words_of()
    seconds = np.arange(0.005, SECONDS, 0.01)
    sound = pd.DataFrame({"stimulus": "podcast", "time_s": seconds, "envelope": np.sin(seconds)})
    _, clocked = on_rows(words, sound, "word")
    ninth = clocked[clocked["time_s"] == 8.5]["envelope"].to_numpy()
    inside = (seconds >= words["onset"][8]) & (seconds < words["onset"][9])
    np.testing.assert_allclose(ninth, np.sin(seconds[inside]))


@pytest.mark.parametrize(("late", "plausible"), [(0.0, True), (15.0, False), (-15.0, False)])
def test_kind_the_clock_of_a_recording_is_checked_without_a_haemodynamic_response(tmp_path, late, plausible):
    words = words_of()
    path = cleaned(tmp_path, words, late)
    series, times, names = subject_series(path, [])
    found = describe_timing(words, {"sub-01": series}, times, names, [], Expected.of_rows("word", 1.0), 0)
    assert found["plausible"] is plausible, found["reason"]
    assert abs(found["group"][0]["raw"]["lag"] - late) <= 1.0


def test_delays_have_no_meaning_for_rows_that_are_words():
    encoding = {"delays": [2, 4], "delay_alternatives": [], "downsampling": "mean"}
    config = {"dataset": {"source": SOURCE}, "encoding": encoding}
    assert settle_rows(config, {})["delays"] == [0]
    assert settle_rows({**config, "dataset": {"source": {"reader": "nifti"}}}, {}) is encoding
    with pytest.raises(InputError, match="encoding/delays: .*locked to words"):
        settle_rows(config, {"encoding": {"delays": [2, 4]}})
    with pytest.raises(InputError, match="encoding/downsampling: 'lanczos'"):
        settle_rows({**config, "encoding": {**encoding, "downsampling": "lanczos"}}, {})


def test_recordings_that_cannot_be_read_are_named(tmp_path):
    files = record(tmp_path, words_of())
    (tmp_path / "electrodes.tsv").write_text("name\tx\ty\tz\nG1\t0\t0\t0\n")
    with pytest.raises(InputError, match="electrodes.tsv: no row for 2 of the 3 electrodes"):
        open_reader(SOURCE, files)
    (tmp_path / "sub-01_ieeg.fif").write_bytes(b"no recording")
    with pytest.raises(InputError, match="sub-01_ieeg.fif: not a readable recording of MNE"):
        open_reader(SOURCE, files)


def test_kind_place_assumed_electrodes_of_a_table_are_in_millimetres_and_stand_there_once(tmp_path):
    files = record(tmp_path, words_of())
    del files["electrodes"]
    with pytest.raises(InputError, match="sub-01_ieeg.fif: .*the coordinates of a head; give `electrodes`"):
        open_reader(SOURCE, files)
    assert open_reader({**SOURCE, "space": "native"}, files).table["electrode"].tolist() == ["G1", "G2", "G3"]
    for text, expected in {
        "G1\t-0.05\t0.01\t0\nG2\t-0.05\t0\t0\nG3\t0.04\t0\t0\n": "x, y and z is 0.05: these seem to be metres",
        "G1\t-50\t1\t0\nG2\t-5\t0\t0\nG3\t4\t0\t0\nG2\t9\t0\t0\n": "row 5: a second row of the electrode 'G2'",
    }.items():
        (tmp_path / "electrodes.tsv").write_text("name\tx\ty\tz\n" + text)
        with pytest.raises(InputError, match=expected):
            open_reader(SOURCE, files | {"electrodes": {"": {"path": str(tmp_path / "electrodes.tsv")}}})
