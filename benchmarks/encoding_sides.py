"""Left minus right of simulated homologous regions: bias against what the same fits reach in fresh data, and how often
sides of equal strength have an interval off zero.

Both sides go through the steps of `fit_encoding`, with their voxels' own weights on the same features; a part of the
noise is shared by all voxels, as global signals are. The attained asymmetry is that of the same predictions in 4,000
further scans, which are far more than the 600 that are scored.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from reporting import figure  # noqa: E402
from simulated_fits import ALPHAS, Simulated, ar1  # noqa: E402

from triphase.encoding.deletions import Resampling  # noqa: E402
from triphase.encoding.folds import HELD_OUT, UNUSED  # noqa: E402
from triphase.encoding.ridge import Search, fit_bands  # noqa: E402
from triphase.stats.bootstrap import freedom, prediction_sums, response_sums  # noqa: E402
from triphase.stats.intervals import half_width  # noqa: E402
from triphase.stats.scoring import correlate  # noqa: E402

SETS, PAIRS, VOXELS, DRAWS = 60, 40, 10, 500
LEFT, PLANTED, NUISANCE = 0.35, 0.10, 0.2  # r of the left, what the right lacks, and r of nuisance on both sides
SHARED = 0.3  # share of the noise that all voxels have in common


def sides(seed, planted, stories=10):
    """One data set: left minus right of every pair of regions, half of its interval, and what fresh data give."""
    rng = np.random.default_rng([40, seed])
    data = Simulated(rng, train=(400,) * stories, test=(300, 300, 4000), widths=(5,))
    n = PAIRS * 2 * VOXELS
    right = np.arange(n) // VOXELS % 2 == 1
    r = np.where(right, LEFT - planted, LEFT)
    signal, other = (
        band @ rng.standard_normal((band.shape[1], n)) for band in (data.delayed(data.models[0]), data.nuisance)
    )
    common = np.concatenate([ar1(rng, length, [0.5]) for length in data.lengths])
    noise = np.sqrt(1 - SHARED) * data.noise(np.resize(np.linspace(0.3, 0.6, 10), n)) + np.sqrt(SHARED) * common
    rest = np.sqrt(1 - r**2 - NUISANCE**2) * noise
    y = (r * signal / signal.std(0) + NUISANCE * other / other.std(0) + rest).astype(np.float32)
    whole = data.design(y)
    fresh = np.isin(data.runs, data.test_runs[-1:])
    scored, further = (
        replace(whole, outer=np.where(left_out & (whole.outer == HELD_OUT), UNUSED, whole.outer).astype(np.int8))
        for left_out in (fresh, ~fresh)
    )
    gain, drawn = gains(data, scored, y, DRAWS)
    half = half_width(difference(drawn).std(0, ddof=1), freedom(scored.block_sizes, scored.groups))
    return difference(gain), half, difference(gains(data, further, y)[0])


def gains(data, design, y, n_draws=0):
    """Gain over the nuisance band alone (n_targets,), and its draws (n_draws, n_targets)."""
    resampling = Resampling.of(design, "new stimuli", max(n_draws, 2), seed=0)
    measured, found, drawn = response_sums(y, design.blocks), [], []
    for alone in (False, True):
        deletions = resampling.deletions(y) if n_draws else None
        if alone:
            search = Search(ALPHAS, np.ones((1, 1)))
            predicted, _ = fit_bands(None, [data.nuisance], y, design.outer, design.inner, search, deletions)
        else:
            predicted = data.fit(design, y, deletions=deletions)
        found.append(correlate(predicted, y, design.segments)[0])
        if n_draws:
            sums = prediction_sums(predicted.sum(0), y, design.blocks)
            drawn.append(resampling.draws(sums, measured, deletions)[0])
    return found[0] - found[1], drawn[0] - drawn[1] if n_draws else None


def difference(values):
    """Left minus right of every pair: the targets in the last axis are their voxels."""
    regions = values.reshape(*values.shape[:-1], PAIRS, 2, VOXELS).mean(-1)
    return regions[..., 0] - regions[..., 1]


def side_figures():
    """Bias of a planted asymmetry, and false positives of sides of equal strength."""
    found = []
    for stories, planted, barred in ((10, 0.0, True), (3, 0.0, False), (10, PLANTED, True)):
        sets = np.array([sides(seed, planted, stories) for seed in range(SETS)])
        estimate, half, attained = sets.transpose(1, 0, 2)
        error, missed, where = estimate - attained, np.abs(estimate) > half, f"{400 * stories} training TR"
        bias, se = (round(float(value), 4) for value in (error.mean(), error.mean(1).std(ddof=1) / np.sqrt(SETS)))
        details = {"se": se, "attained": round(float(attained.mean()), 4), "standard error": round(error.std(), 4)}
        name = f"lateralisation: bias, {planted:g} planted, {where}, r"
        found.append(figure(name, bias, "< 0.005", abs(bias) < 0.005, **details))
        rate, spread = (100 * value for value in (missed.mean(), missed.mean(1).std(ddof=1) / np.sqrt(SETS)))
        what = "planted asymmetry found" if planted else "false positives"
        bar = ("4 to 6", 4 <= rate <= 6) if barred and not planted else ("none", True)
        name = f"lateralisation: {what}, {where}, %"
        found.append(figure(name, round(float(rate), 2), *bar, se=round(float(spread), 2)))
    return found
