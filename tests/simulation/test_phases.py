"""How often phases are claimed wrongly, over many simulated series: this takes its time."""

import sys

import numpy as np
import pytest
from phase_curves import N, fitted, fitted_alignment
from project import ROOT
from simulated_study import course

from triphase.phases.behaviour import coincidence, stagnation
from triphase.phases.covariance import Noise
from triphase.phases.transitions import Curve, Settings, ar1_factor, is_triple, margins

sys.path.append(str(ROOT / "benchmarks"))
from phases_simulation import simulation_figures  # noqa: E402


@pytest.mark.parametrize("name", ["flat", "one rise", "rise-plateau", "rise-fall"])
@pytest.mark.parametrize("known", [True, False])
def test_rivals_are_rarely_called_a_triple(name, known):
    """False triples in at most 5 % of series, with noise that the bootstrap knows of and with noise it misses."""
    n, sd, number = 9, 0.1, 100
    rng = np.random.default_rng([ord(letter) for letter in name])
    correlation = 0.0 if known else 0.5
    noise = sd * ar1_factor(n, correlation) @ rng.standard_normal((n, number))
    covariance = sd**2 * np.eye(n) if known else 1e-6 * np.eye(n)
    settings = Settings(simulations=60)
    false = 0
    for y in (course(name, n)[:, None] + noise).T:
        curve = Curve(np.linspace(0, 3, n), y, Noise(covariance), settings)
        if is_triple(curve.signs):
            false += all(test["p"] <= 0.05 for test in margins(curve, rng).values())
    # 5 % and twice the standard error of 100 series.
    assert false <= 9


@pytest.mark.parametrize(("steps", "least", "most"), [(0, 35, 60), (1.5, 0, 3), (-2, 0, 3)])
def test_lags_beyond_a_factor_of_two_are_rarely_called_coincidence(steps, least, most):
    """A lag of 2 steps is a factor of 4, one of 1.5 a factor of 2.8: claimed in at most 5 % of series.

    That both turn together is found in 42 of 60: errors bear the upper end of training noise, which takes power.
    """
    found, number = 0, 60
    for seed in range(number):
        aligned = fitted_alignment(seed)
        behaves = fitted(np.clip((np.arange(N) - 6 - steps) / 4, 0, 1), 0.05, 2 * 10**6 + seed, floor=0.0)
        found += coincidence(aligned.onset(after_fall=True), behaves, aligned, last=True)["coincides"] is True
    assert least <= found <= most


@pytest.mark.parametrize(("ratio", "least", "most"), [(0, 8, 60), (0.25, 0, 7), (0.5, 0, 3)])
def test_accuracy_that_goes_on_rising_is_rarely_said_to_stagnate(ratio, least, most):
    """`ratio`: slope in phase 2 over that in phase 3. At a quarter, the limit itself, 5 % plus two standard errors.

    A true standstill is found in 14 of 60: both bounds have to hold, with errors that bear the upper end of training
    noise.
    """
    later, found, number = 1 / (6 + 3 * ratio), 0, 60
    course = np.interp(np.arange(N), [0, 3, 6, N - 1], np.array([0, 0, 3 * ratio, 3 * ratio + 6]) * later)
    for seed in range(number):
        found += (
            stagnation(fitted_alignment(seed), fitted(course, 0.05, 3 * 10**6 + seed, floor=0.0))["stagnates"] is True
        )
    assert least <= found <= most


def test_the_simulation_benchmark_in_small():
    """Every figure of `make bench-phases` on simulated studies; the sizes here only tell that nothing is far off."""
    rows = {row["figure"]: row for row in simulation_figures(series=2, recovered=12, noises=(0.05,), subjects=(6,))}
    assert len(rows) == 115
    assert float(rows["simulation: recovery at noise 0.05"]["value"].split("%")[0]) >= 80
    assert rows["simulation: coverage of slopes at noise 0.05"]["ok"] is not None
    false = [row for name, row in rows.items() if "false triple" in name]
    assert sum(row["value"] != "0.0%" for row in false) <= 1
