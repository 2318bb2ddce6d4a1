"""Simulated studies: listeners' curves with a known course, noise of a known kind, and draws as a study's bootstrap.

The noise of the mean curve is given as the standard error of one checkpoint's deviation, in the units of the course. A
part of it is *known*: the sampling of held-out blocks, different for each listener, which the paired draws show. The
other part is not: single checkpoints deviate in training from any smooth course, for all listeners alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triphase.phases.covariance import Noise
from triphase.phases.curves import Trajectory, average_subjects, prepare
from triphase.phases.transitions import ar1_factor

DRAWS = 1000
AMPLITUDE = 0.2  # standard deviation of listeners' factors on the course


@dataclass(frozen=True)
class Kind:
    """A kind of noise: what it is like, and what a study's draws show of it.

    Attributes
    ----------
    correlation : float, of neighbouring checkpoints, a first-order autoregression
    known : float, share of the noise's variance that the draws show
    blocks : int, held-out blocks that the draws are made of; None: each draw is independent
    growth : float, standard deviation at the last checkpoint by that at the first
    """

    correlation: float = 0.0
    known: float = 1.0
    blocks: int | None = None
    growth: float = 1.0

    def factor(self, n: int) -> np.ndarray:
        """A matrix square root of the covariance over n checkpoints, of mean variance 1."""
        deviation = np.geomspace(1, self.growth, n)
        deviation /= np.sqrt((deviation**2).mean())
        return deviation[:, None] * ar1_factor(n, self.correlation)


KINDS = {
    "independent": Kind(),
    "AR(0.5)": Kind(0.5),
    "subject-shared": Kind(known=0.5),
    "AR(0.5) in training": Kind(0.5, known=0.5),
    # As the draws of real encoding models: neighbours correlate, late checkpoints have more noise, blocks are few.
    "7 blocks, correlation 0.3": Kind(0.3, blocks=7, growth=2),
    "7 blocks, correlation 0.6": Kind(0.6, blocks=7, growth=3),
    "7 blocks, correlation 0.85": Kind(0.85, blocks=7, growth=2),
    "12 blocks, correlation 0.6, half in training": Kind(0.6, known=0.5, blocks=12, growth=2),
    "20 blocks, correlation 0.3": Kind(0.3, blocks=20, growth=2),
    "20 blocks, correlation 0.6": Kind(0.6, blocks=20, growth=3),
    "20 blocks, correlation 0.85": Kind(0.85, blocks=20, growth=2),
}


def course(legs: Sequence[float], n: int) -> np.ndarray:
    """A continuous course on n checkpoints: legs of these sizes, equally long."""
    places = np.linspace(0, n - 1, len(legs) + 1).round()
    return np.interp(np.arange(n), places, np.r_[0, np.cumsum(legs)])


def simulate_study(
    truth: np.ndarray, noise: float, kind: Kind, subjects: int, series: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, Noise, np.ndarray | None]:
    """Series of one study with the noise that its draws give.

    Parameters
    ----------
    truth : array (n,)
        Course of the population's mean.
    noise : float
        Standard error of one checkpoint's deviation, root mean square over checkpoints.
    kind : Kind
    subjects, series : int
        Listeners; curves that are judged with one estimate of the covariance.
    rng : numpy.random.Generator

    Returns
    -------
    t (n,), values (n, series), noise, draws (draw, n)
    """
    n, factor = len(truth), noise * kind.factor(len(truth))
    own = factor * np.sqrt(kind.known * subjects)
    amplitude = 1 + AMPLITUDE * rng.standard_normal(subjects)
    amplitude /= amplitude.mean()
    steps, freedom, blocks, weights = 2.0 ** np.arange(n), np.inf, DRAWS, np.eye(DRAWS)
    if kind.blocks is not None:
        # All listeners heard the same blocks, so that they are drawn alike.
        blocks, freedom = kind.blocks, kind.blocks - 1
        weights = rng.multinomial(freedom, np.full(blocks, 1 / blocks), size=DRAWS).T * np.sqrt(blocks) / freedom
    curves = []
    for size in amplitude:
        deviations = own @ rng.standard_normal((n, blocks)) @ weights
        draws = size * truth[:, None] + deviations
        names = [f"step{step:.0f}" for step in steps]
        values = draws.mean(axis=1) + own @ rng.standard_normal(n)
        curves.append(Trajectory(names, steps, steps, values, np.full(n, np.nan), draws, freedom))
    t, _, estimated, draws, _ = prepare(average_subjects(curves, rng))
    sampled = factor * np.sqrt(kind.known) @ rng.standard_normal((n, series))
    deviations = factor * np.sqrt(1 - kind.known) @ rng.standard_normal((n, series))
    return t, truth[:, None] + sampled + deviations, estimated, draws
