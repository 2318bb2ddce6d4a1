"""Curves and settings that the tests of phases share."""

import numpy as np
from simulated_study import TOKENS_PER_STEP, study

from triphase.phases.curves import Trajectory
from triphase.phases.model import model_phases
from triphase.phases.transitions import Settings
from triphase.phases.verdict import verdict_of

HEADLINE = {"roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}
QUICK = Settings(simulations=100, draws=200)


def phases_of(name, settings=QUICK, headline=HEADLINE, **options):
    """Phases of the one model of a simulated study whose alignment takes a named course."""
    table, boot = study({"m": name}, **options)
    return model_phases(table, boot, "m", headline, settings, seed=0)


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
