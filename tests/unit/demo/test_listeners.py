"""Simulated listeners: timing, signal and noise as documented, and a pure function of the seed."""

import numpy as np
import pytest

from triphase.core.errors import InputError
from triphase.demo.dataset import tell_stories
from triphase.demo.listeners import (
    DRIFT,
    SIGNAL,
    Simulation,
    autoregressive,
    haemodynamic_response,
    latents,
    simulate_listener,
    slow_drift,
    time_courses,
)
from triphase.demo.stories import FIRST_WORD, SILENCE, tell_story

TR, VOLUMES = 2.0, 150
RUNS = [
    {"name": "run-1", "stimulus": "one"},
    {"name": "run-2", "stimulus": "two"},
    {"name": "run-3", "stimulus": "one"},
]
ROIS = [
    {"name": "Lang", "voxels": 60, "kind": "language"},
    {"name": "Aud", "voxels": 40, "kind": "sensory"},
    {"name": "Ctrl", "voxels": 40, "kind": "control"},
]
SIMULATION = Simulation("small", "1", "CC0-1.0", "nobody", TR, ["sub-01"], RUNS, seed=4, volumes=VOLUMES, rois=ROIS)


@pytest.fixture(scope="module")
def stories():
    return tell_stories(SIMULATION)


@pytest.fixture(scope="module")
def listener(stories):
    return simulate_listener("sub-01", stories, SIMULATION)


def test_words_are_in_order_and_inside_the_scan(stories):
    for words in stories.values():
        assert words["onset"].iloc[0] == FIRST_WORD
        assert (words["offset"] > words["onset"]).all()
        assert (words["onset"].to_numpy()[1:] >= words["offset"].to_numpy()[:-1]).all()
        assert words["offset"].iloc[-1] <= VOLUMES * TR - SILENCE
        assert words["offset"].iloc[-1] > VOLUMES * TR - SILENCE - 30
        assert 1.5 < len(words) / (VOLUMES * TR) < 2.5


def test_stories_differ_by_name_and_seed_alone():
    assert tell_story("a", 100, 1).equals(tell_story("a", 100, 1))
    assert not tell_story("a", 100, 1)["word"].equals(tell_story("b", 100, 1)["word"])
    assert not tell_story("a", 100, 1)["word"].equals(tell_story("a", 100, 2)["word"])


def test_a_story_needs_room_for_a_sentence():
    with pytest.raises(InputError, match=r"dataset.simulate.volumes.*18.*'short'"):
        tell_story("short", 18.0, 1)


def test_response_peaks_where_it_says():
    response = haemodynamic_response(peak=5.0)
    assert response.sum() == pytest.approx(1)
    assert response.argmax() * 0.1 == pytest.approx(5.0, abs=0.2)
    assert response.min() < 0


def test_one_word_drives_one_response():
    """A single word's rate is the response itself, sampled in the middle of the volumes."""
    import pandas as pd

    word = {"word": "x", "onset": 10.0, "offset": 10.3, "topic": "sea", "number": "plural", "depth": 1, "role": "agent"}
    response = haemodynamic_response()
    course = time_courses(pd.DataFrame([word]), 30, TR, response)
    middle = (np.arange(30) + 0.5) * TR
    lag = np.round((middle - 10.0) / 0.1).astype(int)
    expected = [response[i] if 0 <= i < len(response) else 0 for i in lag]
    np.testing.assert_allclose(course[:, -1], expected, atol=1e-12)
    values, groups = latents(pd.DataFrame([word]))
    assert values[0, groups.index("number")] == 1 and values[0, groups.index("depth")] == 1
    # held for 0.3 s: three steps of the same response
    np.testing.assert_allclose(
        course[:, groups.index("depth")],
        [sum(response[i - k] if 0 <= i - k < len(response) else 0 for k in range(3)) for i in lag],
        atol=1e-12,
    )


def test_signal_has_its_share_of_variance(listener, stories):
    """Signal, predicted from the truth, explains the planted share of the response (noise, drift and motion apart)."""
    responses, _, truth = listener
    courses = truth["courses"]
    everything = np.concatenate([courses[run["stimulus"]] for run in RUNS])
    signal = (everything - everything.mean(0)) / truth["scale"] @ truth["weights"]
    share = signal.var(0)
    roi = np.repeat(["Lang", "Aud", "Ctrl"], [60, 40, 40])
    for name, kind in (("Lang", "language"), ("Aud", "sensory"), ("Ctrl", "control")):
        np.testing.assert_allclose(share[roi == name], SIGNAL[kind], atol=1e-9)
    measured = np.concatenate([responses[run["name"]] for run in RUNS])
    correlation = [np.corrcoef(signal[:, v], measured[:, v])[0, 1] for v in np.flatnonzero(roi != "Ctrl")]
    assert 0.4 < np.mean(correlation) < 0.8


def test_sensory_voxels_hear_the_word_rate_alone(listener):
    weights = listener[2]["weights"][:, 60:100]
    assert not weights[:-1].any() and (weights[-1] > 0).all()
    assert not listener[2]["weights"][-1, :60].any()
    assert not listener[2]["weights"][:, 100:].any()


def test_listeners_differ_and_repeat(stories):
    one, _, truth = simulate_listener("sub-01", stories, SIMULATION)
    again, _, _ = simulate_listener("sub-01", stories, SIMULATION)
    other, _, others = simulate_listener("sub-02", stories, SIMULATION)
    np.testing.assert_array_equal(one["run-1"], again["run-1"])
    assert np.abs(np.corrcoef(truth["weights"][:-1, :60].ravel(), others["weights"][:-1, :60].ravel())[0, 1]) < 0.2
    assert not np.allclose(one["run-1"], other["run-1"])
    assert not np.allclose(one["run-1"], one["run-3"])  # the same story, other noise


def test_motion_enters_the_responses(listener):
    responses, motion, _ = listener
    control = responses["run-1"][:, 100:].astype(float)
    design = np.column_stack([np.ones(VOLUMES), motion["run-1"]])
    residual = control - design @ np.linalg.lstsq(design, control, rcond=None)[0]
    random = np.column_stack([np.ones(VOLUMES), np.random.default_rng(0).standard_normal((VOLUMES, 6))])
    by_chance = control - random @ np.linalg.lstsq(random, control, rcond=None)[0]
    assert residual.var(0).mean() < 0.9 * by_chance.var(0).mean()


def test_noise_is_autoregressive():
    noise = autoregressive(np.random.default_rng(1), 4000, 20)
    lag = [np.corrcoef(noise[1:, v], noise[:-1, v])[0, 1] for v in range(20)]
    assert 0.15 < min(lag) and max(lag) < 0.55
    assert noise.var(0) == pytest.approx(1, abs=0.15)


def test_drift_is_slow_and_has_unit_variance():
    drift = slow_drift(np.random.default_rng(1), 150, 4000)
    assert drift.var(0).mean() == pytest.approx(1, abs=0.1)
    power = np.abs(np.fft.rfft(drift - drift.mean(0), axis=0)) ** 2
    assert power[4:].sum() / power.sum() < 0.12
    assert DRIFT < 1
