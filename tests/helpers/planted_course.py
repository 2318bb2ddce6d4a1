"""Checkpoints on a planted course, and listeners who follow another network: an instrument that knows the answer.

A checkpoint's weights lie between those of a random and of a trained model. Listeners respond to a network that is none
of the checkpoints, so alignment follows the share of the trained weights, as far as that was measured (`Scale`). All is
written as a user brings it: a folder for each checkpoint, arrays of responses, tables of words. Used by
`tests/integration/test_planted_course.py` (small) and `benchmarks/bench_control.py`.
"""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from embedded_truth import PROJECT, extract_source, fit, prepare_fits
from safetensors.torch import load_file, save_file
from scipy.signal import fftconvolve
from transformers import AutoModelForCausalLM, AutoTokenizer

from triphase.config.resolve import resolve_config
from triphase.demo.listeners import HELD, RESOLUTION, autoregressive, haemodynamic_response
from triphase.demo.stories import random_state, tell_story
from triphase.demo.training import train

WEIGHTS = "model.safetensors"
RATE = 0.05  # share of a voxel's variance that follows the rate of words
# Where a course turns, as shares of the grid: end of the first rise, end of the fall.
TURNS = (0.3, 0.6)
# Levels keep off the ends of the scale, so that checkpoints may deviate to either side, by this share of the rise.
LOWEST, SPAN, DEVIATION = 0.03, 0.94, 0.01


def course(kind, number, fall=0.5):
    """Noise-free alignment at each checkpoint after step 0, as a share of the first rise: array (number,).

    `kind` is "triple" (rise, fall by `fall`, return), "stays" (rise, plateau) or "rise-fall" (rise, fall, plateau).
    """
    low = 1 - fall
    corners = {"triple": (0, 1, low, 1), "stays": (0, 1, 1, 1), "rise-fall": (0, 1, low, low)}[kind]
    return np.interp(np.arange(number), (0, *turns(number), number - 1), corners)


def turns(number):
    """Places of the end of the first rise and of the end of the fall among so many checkpoints."""
    return [round(share * (number - 1)) for share in TURNS]


def blend(random, trained, weight, target):
    """Write the checkpoint `weight` of the way from the folder `random` to the folder `trained`; returns its folder."""
    shutil.copytree(trained, target, ignore=shutil.ignore_patterns(WEIGHTS))
    start, end = load_file(Path(random) / WEIGHTS), load_file(Path(trained) / WEIGHTS)
    mixed = {name: torch.lerp(start[name], end[name], float(weight)) for name in end}
    save_file(mixed, Path(target) / WEIGHTS, metadata={"format": "pt"})
    return Path(target)


def deviating(levels, seed):
    """The same levels as training might leave them: off the ends of the scale, each with a deviation of its own."""
    return LOWEST + SPAN * levels + DEVIATION * np.random.default_rng(seed).standard_normal(len(levels))


@dataclass(frozen=True)
class Scale:
    """Noise-free alignment as a function of the share of trained weights, measured at increasing `weights`."""

    weights: np.ndarray
    alignment: np.ndarray

    def __post_init__(self):
        if (np.diff(self.alignment) <= 0).any():
            raise ValueError(f"alignment does not grow with the share of trained weights: {self.alignment.round(4)}")

    @property
    def rise(self):
        """From the least to the greatest alignment."""
        return self.alignment[-1] - self.alignment[0]

    def weight_at(self, levels):
        """Share of trained weights at which the alignment is so many shares of the rise above the least."""
        return np.interp(levels, (self.alignment - self.alignment[0]) / self.rise, self.weights)


def contextual_states(folder, layer, stories, components):
    """What a network holds of each word beyond which word it is: dict of story to array (word, components).

    Hidden states of each word's last token, which sees half a context of tokens before it, less their mean over all
    places of the same word, as standardised principal components over all stories.
    """
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    states = {name: _states(model, tokenizer, list(table["word"]), layer) for name, table in stories.items()}
    words = np.concatenate([table["word"].to_numpy(str) for table in stories.values()])
    everything = np.concatenate(list(states.values()))
    everything = everything - pd.DataFrame(everything).groupby(words).transform("mean").to_numpy()
    left, size, _ = np.linalg.svd(everything, full_matrices=False)
    found = left[:, :components] * np.sqrt(len(left))
    ends = np.cumsum([len(table) for table in stories.values()])[:-1]
    return dict(zip(stories, np.split(found, ends), strict=True))


def _states(model, tokenizer, words, layer):
    """One window per word, up to the model's context: the plain loop, in batches."""
    pieces = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    ends, stream = np.cumsum([len(piece) for piece in pieces]), np.concatenate(pieces)
    before = model.config.max_position_embeddings // 2
    rows = [[tokenizer.eos_token_id, *stream[max(end - before, 0) : end]] for end in ends]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.eos_token_id] * (longest - len(row)) for row in rows])
    last = torch.tensor([len(row) - 1 for row in rows])
    with torch.no_grad():
        parts = [model.base_model(part, output_hidden_states=True).hidden_states[layer] for part in ids.split(64)]
    return torch.cat(parts)[torch.arange(len(rows)), last].double().numpy()


@dataclass(frozen=True)
class Audience:
    """Who listens, and how well.

    Attributes
    ----------
    subjects, voxels : how many, and of each
    signal : share of a voxel's variance that follows the network, noise included
    tr : s
    volumes : of a run
    """

    subjects: int
    voxels: int
    signal: float
    tr: float
    volumes: int

    @property
    def names(self):
        return [f"sub-{number + 1:02d}" for number in range(self.subjects)]


def tell_stories(names, audience, seed):
    """Transcript of each story, as long as a run."""
    return {name: tell_story(name, audience.volumes * audience.tr, seed) for name in names}


def listen(stories, states, audience, seed):
    """Responses of all listeners: dict of subject to dict of story to float32 array (volume, voxel).

    Each voxel weighs the network's states and the rate of words by random numbers of its own, blurred by its listener's
    haemodynamic response, with AR(1) noise.
    """
    responses = {}
    for subject in audience.names:
        rng = random_state(seed, subject)
        response = haemodynamic_response(peak=rng.uniform(4.7, 5.3))
        courses = {name: heard(table, states[name], audience, response) for name, table in stories.items()}
        every = np.concatenate(list(courses.values()))
        centre, scale = every.mean(0), every.std(0)
        mixing = rng.standard_normal((every.shape[1] - 1, audience.voxels))
        driven = {name: (values - centre) / scale for name, values in courses.items()}
        spread = np.concatenate([values[:, :-1] @ mixing for values in driven.values()]).std(0)
        share = audience.signal * (1 - RATE)
        responses[subject] = {
            name: (
                np.sqrt(share) * values[:, :-1] @ mixing / spread
                + np.sqrt(RATE) * values[:, -1:]
                + np.sqrt(1 - share - RATE) * autoregressive(rng, audience.volumes, audience.voxels)
            ).astype(np.float32)
            for name, values in driven.items()
        }
    return responses


def heard(words, states, audience, response):
    """A story's states and word rate as a brain has them, in the middle of each volume: (volume, states + 1)."""
    steps = int(round(audience.volumes * audience.tr / RESOLUTION))
    onset = words["onset"].to_numpy()
    until = np.minimum(np.append(onset[1:], words["offset"].iloc[-1]), onset + HELD)
    fine = np.zeros((steps, states.shape[1] + 1))
    starts, stops = np.round(onset / RESOLUTION).astype(int), np.round(until / RESOLUTION).astype(int)
    for row, start, stop in zip(states, starts, stops, strict=True):
        fine[start:stop, :-1] = row
        fine[start, -1] += 1
    blurred = fftconvolve(fine, response[:, None], axes=0)[:steps]
    return blurred[np.round((np.arange(audience.volumes) + 0.5) * audience.tr / RESOLUTION).astype(int)]


def write_listeners(folder, stories, responses):
    """The user's folder: `stimuli/<run>_words.tsv` and `responses/<subject>/<run>.npy`."""
    folder = Path(folder)
    (folder / "stimuli").mkdir(parents=True, exist_ok=True)
    for name, table in stories.items():
        table.to_csv(folder / "stimuli" / f"{name}_words.tsv", sep="\t", index=False)
    for subject, runs in responses.items():
        (folder / "responses" / subject).mkdir(parents=True, exist_ok=True)
        for name, values in runs.items():
            np.save(folder / "responses" / subject / f"{name}.npy", values)


@dataclass(frozen=True)
class Plan:
    """Sizes of an instrument.

    Attributes
    ----------
    audience : Audience
    runs, test_runs : names; each run has a story of its own
    steps : of checkpoints, the first is 0
    courses : dict of name to kind and fall, see `course`
    layer, components : of the models' layer that is fitted and of the network's that is listened with; of its states
    recipes : as `train:` in a config, each with two saves, of the checkpoints' model and of the network behind the
        listeners; with one recipe the trained end itself stands behind them
    encoding : the study's section of that name
    lattice : shares of trained weights at which the scale is measured
    many : listeners that it is measured with, so many that their noise and their differences average out
    seed : of stories, deviations and the scale's own listeners
    """

    audience: Audience
    runs: list
    test_runs: list
    steps: list
    courses: dict
    layer: int
    components: int
    recipes: list
    encoding: dict
    lattice: np.ndarray
    many: int
    seed: int = 0


@dataclass(frozen=True)
class Instrument:
    """What all listeners of a plan share.

    Attributes
    ----------
    plan : Plan
    stories, states : dict of run to table of words, and to what the listeners' network holds of them
    scale : Scale
    folder : of each course's checkpoints, `<course>/step<N>`
    weights : dict of course to share of trained weights at each step
    activations : dict of these shares to file, as they are asked for
    """

    plan: Plan
    stories: dict
    states: dict
    scale: Scale
    folder: Path
    weights: dict
    activations: dict = field(default_factory=dict)

    def listeners(self, seed):
        """Responses of listeners that no other seed has."""
        return listen(self.stories, self.states, self.plan.audience, seed)


def build(plan, folder):
    """Train the networks, measure the scale and write every course's checkpoints: `Instrument`."""
    trained = [train_network(recipe, number, folder) for number, recipe in enumerate(plan.recipes)]
    stories = tell_stories(plan.runs, plan.audience, plan.seed)
    states = contextual_states(trained[-1][-1], plan.layer, stories, plan.components)
    ends = trained[0]
    scale = measure_scale(plan, folder / "scale", ends, stories, states)
    weights = {}
    for name, (kind, fall) in plan.courses.items():
        levels = deviating(course(kind, len(plan.steps) - 1, fall), plan.seed)
        weights[name] = dict(zip(plan.steps, [0.0, *scale.weight_at(levels)], strict=True))
        for step, weight in weights[name].items():
            blend(*ends, weight, folder / "checkpoints" / name / f"step{step}")
    return Instrument(plan, stories, states, scale, folder / "checkpoints", weights)


def train_network(recipe, number, folder):
    """Train one network; folders of its two revisions."""
    commits = train(recipe, f"planted/{number}", folder / "hub", None, {})
    return [folder / f"hub/models--planted--{number}/snapshots" / commits[f"step{step}"] for step in recipe["saves"]]


def measure_scale(plan, folder, ends, stories, states):
    """Alignment over the lattice, by the workflow's scripts, of many listeners.

    Whatever comes after the greatest alignment is no part of the scale.
    """
    audience = replace(plan.audience, subjects=plan.many)
    write_listeners(folder, stories, listen(stories, states, audience, plan.seed))
    for place, weight in enumerate(plan.lattice):
        blend(*ends, weight, folder / "lattice" / f"step{place}")
    config = resolved(study_config(plan, folder, folder, ["lattice"]))
    prepare_fits(config, folder, local_data=str(folder))
    found = []
    for place in range(len(plan.lattice)):
        activations = extract(config, folder, folder / f"lattice/step{place}", f"lattice-{place}")
        found.append(float(fit(config, folder, activations, plan.layer)["gain"][0].mean()))
    top = int(np.argmax(found)) + 1
    return Scale(plan.lattice[:top], np.array(found[:top]))


def extract(config, folder, checkpoint, name):
    """Activations of the checkpoint in a folder, by the workflow's scripts; their file."""
    source = {"repository": "local/planted", "revision": None, "folder": str(checkpoint)}
    return extract_source(config, folder, name, source)


def study_config(plan, folder, checkpoints, courses):
    """The study as its user writes it: responses and words below `folder`, a folder for each course's checkpoints."""
    models = [
        {
            "name": name,
            "local_folder": f"{checkpoints}/{name}/step{{step}}",
            "tokens_per_step": 512,
            "layers": [plan.layer],
            "checkpoints": "all",
        }
        for name in courses
    ]
    overrides = {"tr": plan.audience.tr, "language": "en"}
    return {
        "study": "planted",
        "local_data": str(folder),
        # Weights that go back towards the random ones are what the gate is there to find.
        "integrity": "warn",
        "dataset": {"name": "local", "source": "arrays", "test_runs": plan.test_runs, "overrides": overrides},
        "models": models,
        "activations": {"storage": "float32", "context": {"max": plan.recipes[0]["context"] * 3 // 4}},
        "encoding": plan.encoding,
        "states": {"references": [], "mechanism": None},
        "phases": {"headline": {"roi": "all"}},
    }


def resolved(config):
    """A study's config as the workflow reads it."""
    return resolve_config(config, PROJECT)
