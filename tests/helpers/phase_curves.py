"""Curves and settings that the tests of phases share."""

from functools import cache

import numpy as np
from simulated_study import TOKENS_PER_STEP, study

from triphase.phases.curves import Trajectory
from triphase.phases.model import model_phases
from triphase.phases.transitions import Settings
from triphase.phases.verdict import Judged, verdict_of

HEADLINE = {"roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}
QUICK = Settings(simulations=100, draws=200)
FAST = Settings(max_breakpoints=2, draws=100)
N = 13


@cache
def phases_of(name, **options):
    """Phases of the one model of a simulated study whose alignment takes a named course; to be read alone."""
    return model_phases(*study({"m": name}, **options), "m", HEADLINE, QUICK, seed=0)


def curve_of(values, sd=0.02, steps=None, draws=300, seed=0):
    """A curve with given values on powers of two; draws None: standard errors alone."""
    values, rng = np.asarray(values, float), np.random.default_rng(seed)
    steps = 2.0 ** np.arange(len(values)) if steps is None else np.asarray(steps, float)
    noise = sd * rng.standard_normal((len(values), draws)) if draws else None
    draws = None if noise is None else np.nan_to_num(values)[:, None] + noise
    names, errors = [f"step{step:.0f}" for step in steps], np.full(len(values), sd)
    return Trajectory(names, steps, steps * TOKENS_PER_STEP, values, errors, draws)


def judged(values, sd=0.02, settings=QUICK, **options):
    """The verdict on a curve of given values."""
    return verdict_of(curve_of(values, sd, **options), settings, np.random.default_rng(0))[0]


def fitted(course, noise, seed, floor=None):
    """The fit of a course on powers of two with noise, by few breakpoints and draws."""
    rng = np.random.default_rng(seed)
    values = course + noise * rng.standard_normal(len(course))
    return Judged(curve_of(values, noise, draws=100, seed=seed + 1), FAST, rng, floor)


def fitted_alignment(seed, noise=0.05):
    """The fit of a rise to step 3, a fall to step 6 and a return, of `N` steps."""
    return fitted(np.interp(np.arange(N), [0, 3, 6, N - 1], [0, 1, 0.5, 1.2]), noise, 10**6 + seed)
