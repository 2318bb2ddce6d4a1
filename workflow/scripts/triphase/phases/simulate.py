"""Simulated studies: listeners' curves with a known course, noise of a known kind, and draws as a study's bootstrap.

The noise of the mean curve is given as the standard error of one checkpoint's deviation, in the units of the course. A
part of it is *known*: the sampling of held-out blocks, different for each listener, which the paired draws show. The
other part is not: single checkpoints deviate in training from any smooth course, for all listeners alike.
"""

from collections.abc import Sequence

import numpy as np

from triphase.phases.curves import Trajectory, average_subjects, prepare
from triphase.phases.transitions import Settings, ar1_factor

DRAWS = 1000
AMPLITUDE = 0.2  # standard deviation of listeners' factors on the course
KINDS = {  # correlation of neighbouring checkpoints, share of the noise's variance that the draws show
    "independent": (0.0, 1.0),
    "AR(0.5)": (0.5, 1.0),
    "subject-shared": (0.0, 0.5),
    "AR(0.5) in training": (0.5, 0.5),
}


def course(legs: Sequence[float], n: int) -> np.ndarray:
    """A continuous course on n checkpoints: legs of these sizes, equally long."""
    places = np.linspace(0, n - 1, len(legs) + 1).round()
    return np.interp(np.arange(n), places, np.r_[0, np.cumsum(legs)])


def simulate_study(
    truth: np.ndarray, noise: float, kind: str, subjects: int, series: int, settings: Settings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Series of one study with the covariance that its draws give.

    Parameters
    ----------
    truth : array (n,)
        Course of the population's mean.
    noise : float
        Standard error of one checkpoint's deviation.
    kind : str, of KINDS
    subjects, series : int
        Listeners; curves that are judged with one estimate of the covariance.
    settings : transitions.Settings
    rng : numpy.random.Generator

    Returns
    -------
    t (n,), values (n, series), covariance (n, n), draws (draw, n)
    """
    n, (correlation, known) = len(truth), KINDS[kind]
    factor = noise * ar1_factor(n, correlation)
    own = factor * np.sqrt(known * subjects)
    amplitude = 1 + AMPLITUDE * rng.standard_normal(subjects)
    amplitude /= amplitude.mean()
    curves = []
    for size in amplitude:
        draws = size * truth[:, None] + own @ rng.standard_normal((n, DRAWS))
        steps = 2.0 ** np.arange(n)
        names = [f"step{step:.0f}" for step in steps]
        values = draws.mean(axis=1) + own @ rng.standard_normal(n)
        curves.append(Trajectory(names, steps, steps, values, np.full(n, np.nan), draws))
    t, _, covariance, draws, _ = prepare(average_subjects(curves, rng), settings)
    sampled = factor * np.sqrt(known) @ rng.standard_normal((n, series))
    deviations = factor * np.sqrt(1 - known) @ rng.standard_normal((n, series))
    return t, truth[:, None] + sampled + deviations, covariance, draws
