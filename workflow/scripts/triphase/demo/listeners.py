"""Simulated listeners: fMRI responses of which the truth is known.

Every voxel's response is signal, motion, drift and AR(1) noise. The signal of a *language* voxel is a weighted sum of
the story's latent variables (discourse topic, the subject's number, embedding depth, thematic role), that of a
*sensory* voxel is the word rate, a *control* voxel has none; each passes through a haemodynamic response. Weights
differ between voxels and listeners. Every function is a pure function of its seed, so a test can ask for the truth
again; nothing of it is written to the data set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from triphase.core.types import Entries, Section
from triphase.demo.grammar import TOPICS
from triphase.demo.stories import random_state

RESOLUTION = 0.1  # s, of the latent time courses
HELD = 0.8  # s that a word's latents last at most before the next word
SHARES = {"topic": 0.6, "number": 0.15, "depth": 0.1, "role": 0.15}  # of the signal's variance, per group of latents
SIGNAL = {"language": 0.7, "sensory": 0.5, "control": 0.0}  # share of a voxel's variance (without drift and motion)
AUTOCORRELATION = (0.2, 0.5)
DRIFT, MOTION = 0.6, 0.3  # standard deviations relative to the noise's


@dataclass(frozen=True)
class Simulation:
    """What is said of a simulated data set, and what it is made of.

    Attributes
    ----------
    name, version, license, citation : of the data set; the licence as an SPDX identifier
    tr : s
    subjects : names of the listeners
    runs : name and stimulus of each run
    seed : of all listeners and stories
    volumes : per run
    rois : name, voxels (how many), kind ("language", "sensory" or "control") and centres (mm, MNI) of each region
    """

    name: str
    version: str
    license: str
    citation: str
    tr: float
    subjects: Sequence[str]
    runs: Entries
    seed: int
    volumes: int
    rois: Entries

    @property
    def duration(self) -> float:
        """Of a run, s."""
        return self.volumes * self.tr


def haemodynamic_response(peak: float = 5.0, undershoot: float = 0.1) -> np.ndarray:
    """A double-gamma response every `RESOLUTION` s over 30 s, of unit sum; `peak` in s, undershoot at 3 times that."""
    from scipy.stats import gamma

    time = np.arange(0, 30, RESOLUTION) + RESOLUTION / 2
    shape = gamma.pdf(time, peak + 1) - undershoot * gamma.pdf(time, 3 * peak + 1)
    return shape / shape.sum()


def latents(words: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Latent variables of every word.

    Returns
    -------
    values : ndarray, (word, latent)
        One indicator per topic, then number (plural 1, singular -1, else 0), depth (0 to 2) and role (agent 1,
        patient -1, else 0).
    groups : the group in `SHARES` that each column belongs to
    """
    topics = np.array([[topic == name for name in TOPICS] for topic in words["topic"]], dtype=float)
    number = words["number"].map({"plural": 1.0, "singular": -1.0, "none": 0.0}).to_numpy()
    role = words["role"].map({"agent": 1.0, "patient": -1.0, "none": 0.0}).to_numpy()
    values = np.column_stack([topics, number, words["depth"].to_numpy(dtype=float), role])
    return values, ["topic"] * len(TOPICS) + ["number", "depth", "role"]


def time_courses(
    words: pd.DataFrame, volumes: int, tr: float, response: np.ndarray, centre: float | np.ndarray = 0.0
) -> np.ndarray:
    """Latents and word rate of one story as they drive the responses.

    A latent holds its word's value from the word's onset to the next one's (at most `HELD` s) and is `centre` (latent,)
    in silence, else it would carry the word rate with it; the word rate is one impulse per onset. Both are convolved
    with the haemodynamic response and sampled in the middle of each volume.

    Returns
    -------
    ndarray, (volume, latent + 1)
        The word rate is the last column.
    """
    values, _ = latents(words)
    steps = int(round(volumes * tr / RESOLUTION))
    onset = words["onset"].to_numpy()
    until = np.minimum(np.append(onset[1:], words["offset"].iloc[-1]), onset + HELD)
    course = np.zeros((steps, values.shape[1] + 1))
    for row, start, stop in zip(
        values, np.round(onset / RESOLUTION).astype(int), np.round(until / RESOLUTION).astype(int), strict=True
    ):
        course[start:stop, :-1] = row - centre
        course[start, -1] += 1
    convolved = np.apply_along_axis(lambda column: np.convolve(column, response)[:steps], 0, course)
    middle = np.round((np.arange(volumes) + 0.5) * tr / RESOLUTION).astype(int)
    return convolved[middle]


def simulate_listener(
    name: str, stories: Mapping[str, pd.DataFrame], simulation: Simulation
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
    """Simulate what one listener's scanner records.

    Parameters
    ----------
    name : another name, another listener
    stories : transcript of each stimulus, from `tell_story`
    simulation : what is simulated

    Returns
    -------
    responses : dict of str to ndarray, (volume, voxel) float32; per run; voxels in the order of `rois`
    motion : dict of str to ndarray, (volume, 6); translations in mm, then rotations in rad
    truth : dict
        `courses`: per stimulus, the convolved latents and word rate (volume, latent + 1); `weights` (latent + 1, voxel)
        on courses that are centred and scaled by `scale` (latent + 1) over all stories.
    """
    runs, rois, volumes = simulation.runs, simulation.rois, simulation.volumes
    rng = random_state(simulation.seed, "listener", name)
    response = haemodynamic_response(peak=rng.uniform(4.7, 5.3))
    typical = np.concatenate([latents(words)[0] for words in stories.values()]).mean(0)
    courses = {name: time_courses(words, volumes, simulation.tr, response, typical) for name, words in stories.items()}
    everything = np.concatenate([courses[run["stimulus"]] for run in runs])
    groups = [*latents(next(iter(stories.values())))[1], "rate"]
    centre, scale = everything.mean(0), everything.std(0)
    scale = np.where(scale > 1e-9, scale, np.inf)  # a topic that no story has
    weights = np.concatenate([roi_weights(roi, groups, rng) for roi in rois], axis=1)
    signal = {stimulus: (course - centre) / scale @ weights for stimulus, course in courses.items()}
    spread = np.concatenate([signal[run["stimulus"]] for run in runs]).std(0)
    share = np.concatenate([np.full(roi["voxels"], SIGNAL[roi["kind"]]) for roi in rois])
    gain = np.divide(np.sqrt(share), spread, out=np.zeros_like(spread), where=spread > 0)
    count = len(share)
    sensitivity = rng.standard_normal((6, count))
    responses, motion = {}, {}
    for run in runs:
        moved = random_walks(rng, volumes)
        noise = autoregressive(rng, volumes, count)
        drifts = slow_drift(rng, volumes, count)
        jolts = (moved - moved.mean(0)) / moved.std(0) @ sensitivity / np.sqrt(6)
        total = signal[run["stimulus"]] * gain + np.sqrt(1 - share) * (noise + DRIFT * drifts + MOTION * jolts)
        responses[run["name"]] = (1000 + 10 * total).astype(np.float32)
        motion[run["name"]] = moved
    return responses, motion, {"courses": courses, "weights": weights * gain, "scale": scale}


def roi_weights(roi: Section, groups: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Random weights of one ROI's voxels on the scaled latents and the word rate, (latent + 1, voxel)."""
    weights = np.zeros((len(groups), roi["voxels"]))
    for row, group in enumerate(groups):
        if roi["kind"] == "language" and group in SHARES:
            weights[row] = rng.standard_normal(roi["voxels"]) * np.sqrt(SHARES[group] / groups.count(group))
        elif roi["kind"] == "sensory" and group == "rate":
            weights[row] = rng.uniform(0.5, 1.5, roi["voxels"])
    return weights


def autoregressive(rng: np.random.Generator, volumes: int, voxels: int) -> np.ndarray:
    """AR(1) noise with unit variance, (volume, voxel); its coefficient differs between voxels."""
    coefficient = rng.uniform(*AUTOCORRELATION, voxels)
    noise = rng.standard_normal((volumes, voxels))
    for row in range(1, volumes):
        noise[row] = coefficient * noise[row - 1] + np.sqrt(1 - coefficient**2) * noise[row]
    return noise


def slow_drift(rng: np.random.Generator, volumes: int, voxels: int) -> np.ndarray:
    """Trend and half-period cosines slower than a run, with unit variance on average, (volume, voxel)."""
    time = np.linspace(0, 1, volumes)
    basis = np.column_stack(
        [(time - 0.5) * np.sqrt(12), np.sqrt(2) * np.cos(np.pi * time), np.sqrt(2) * np.cos(2 * np.pi * time)]
    )
    return basis @ rng.standard_normal((3, voxels)) / np.sqrt(3)


def random_walks(rng: np.random.Generator, volumes: int) -> np.ndarray:
    """Six motion parameters as slow random walks, (volume, 6): three translations in mm, three rotations in rad."""
    return np.cumsum(rng.standard_normal((volumes, 6)), axis=0) * np.array([0.02] * 3 + [0.0004] * 3)
