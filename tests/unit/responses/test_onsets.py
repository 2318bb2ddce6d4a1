"""When what is heard begins in a run: events by column and trial type, one table for all runs; told, or applied."""

import numpy as np
import pandas as pd
import pytest

from triphase.config.jobs import CleanResponses
from triphase.core.artefacts import read_arrays
from triphase.core.errors import InputError
from triphase.responses.onsets import read_onset
from triphase.responses.subject import clean_subject

MUSIC = "onset\tduration\ttrial_type\tstim_file\n0.0\t13.0\tmusic\ta.wav\n15.0\t422.0\tstory\ta.wav\n"
EVENTS = {"column": "onset", "where": {"trial_type": "story", "stim_file": "{stimulus}.wav"}}
NAMES = {"subject": "sub-1", "run": "pieman", "stimulus": "a"}


def write(path, text):
    path.write_text(text)
    return path


def test_kind_the_story_begins_after_the_music(tmp_path):
    path = write(tmp_path / "events.tsv", MUSIC)
    assert read_onset(path, EVENTS, NAMES) == 15.0
    with pytest.raises(InputError, match=r"2 rows .* could tell .*dataset/events/where, such as .*trial_type: story"):
        read_onset(path, EVENTS | {"where": {}}, NAMES)
    twice = write(tmp_path / "twice.tsv", "onset\ttrial_type\n15\tstory\n15\tstory\n")
    assert read_onset(twice, EVENTS | {"where": {"trial_type": "story"}}, NAMES) == 15.0
    with pytest.raises(InputError, match="'stim_file' is 'b.wav'"):
        read_onset(path, EVENTS, NAMES | {"stimulus": "b"})
    with pytest.raises(InputError, match=r"no column 'start' \(dataset/events/column\)"):
        read_onset(path, EVENTS | {"column": "start"}, NAMES)


def test_kind_one_table_of_onsets_for_all_runs(tmp_path):
    text = "participant,scan,start\nsub-1,pieman,4.5\nsub-1,tunnel,n/a\nsub-2,pieman,soon\n"
    path = write(tmp_path / "onsets.csv", text)
    events = {"column": "start", "where": {"participant": "{subject}", "scan": "{run}"}}
    assert read_onset(path, events, NAMES) == 4.5
    assert read_onset(path, events, NAMES | {"run": "tunnel"}) is None
    with pytest.raises(InputError, match="row 4: start is 'soon'"):
        read_onset(path, events, NAMES | {"subject": "sub-2"})


def cleaned(tmp_path, applied, onsets=(15.0, 4.5), **settings):
    tr, rng, runs = 1.5, np.random.default_rng(0), [{"name": f"run-{i}", "stimulus": "ab"[i]} for i in (0, 1)]
    files = {"response": {}, "events": {}}
    for run, onset in zip(runs, onsets, strict=True):
        np.save(tmp_path / f"{run['name']}.npy", rng.normal(size=(60, 3)))
        files["response"][run["name"]] = {"path": str(tmp_path / f"{run['name']}.npy")}
        text = f"onset\ttrial_type\n0\tmusic\n{onset}\tstory\n"
        files["events"][run["name"]] = {"path": str(write(tmp_path / f"{run['name']}.tsv", text))}
    words = pd.DataFrame({"run": ["run-0"], "index": [0], "word": ["x"], "onset": [70.0], "offset": [74.0]})
    events = {"root": "local_data", "column": "onset", "where": {"trial_type": "story"}, "applied": applied}
    source = {"name": "a", "reader": "npy", "space": "none", "dropped_volumes": 0}
    cleaning = {"high_pass": None, "confounds": False, "confound_expansion": []}
    about = CleanResponses(
        study="s", rois=[], source=source, runs=runs, tr=tr, brain="template", atlas=None, cleaning=cleaning,
        events=events, **settings,
    )  # fmt: skip
    clean_subject(tmp_path / "s.zarr.zip", "s", files, words, about, {})
    return read_arrays(tmp_path / "s.zarr.zip")


def test_kind_onsets_of_every_run_are_applied_and_told(tmp_path):
    data = cleaned(tmp_path, applied=True)
    for run, onset in (("run-0", 15.0), ("run-1", 4.5)):
        times = data["time_s"].values[data["run"].values == run]
        # Scans begun before the story are left out; the others keep their clock.
        np.testing.assert_allclose(times, np.arange(60)[int(onset / 1.5) :] * 1.5 - onset)
    records = data.attrs["runs"]
    assert [(r["sound_onset"], r["onset_applied"], r["cut_volumes"]) for r in records] == [
        (15.0, True, 10), (4.5, True, 3),
    ]  # fmt: skip


def test_kind_onsets_that_are_only_told_move_nothing(tmp_path):
    data = cleaned(tmp_path, applied=False)
    assert len(data["time_s"]) == 120 and data["time_s"].values[0] == 0
    assert [r["sound_onset"] for r in data.attrs["runs"]] == [15.0, 4.5]
    assert not any(r["onset_applied"] for r in data.attrs["runs"])


def test_kind_an_onset_that_is_applied_has_to_be_known_and_leave_room_for_the_words(tmp_path):
    with pytest.raises(InputError, match=r"run-0.tsv: the onset of run 'run-0' is not known \(n/a\)"):
        cleaned(tmp_path, applied=True, onsets=("n/a", 4.5))
    # Words end at 74 s, and the scan 70 s after the onset.
    with pytest.raises(InputError, match="word 1 .*ends at 74 s, but the scan ends at 70 s"):
        cleaned(tmp_path, applied=True, onsets=(20.0, 4.5))
