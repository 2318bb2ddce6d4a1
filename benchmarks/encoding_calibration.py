"""Calibration of the encoding stage's tests in simulated data without signal, and what permutations cost.

Every data set goes through the steps of `fit_encoding`: folds with their gap, banded ridge with its inner
cross-validation, block length from training rows, permutation of held-out blocks. Voxels of one data set share a
design, so the standard error of a rate is between data sets; it is given beside each figure.
"""

import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from reporting import figure  # noqa: E402
from simulated_fits import Simulated, compared, drifts, permuted  # noqa: E402

from triphase.stats.autocorrelation import autocorrelation  # noqa: E402
from triphase.stats.multiple_tests import benjamini_hochberg  # noqa: E402
from triphase.stats.permutation import permutation_draws, permutation_test  # noqa: E402
from triphase.stats.shifts import shift_draws, shift_test  # noqa: E402

SETS, VOXELS = 20, 1000
RESPONSE_AR = np.linspace(0.3, 0.6, 10)
# AR(1) of features, whose delays make predictions smoother still.
SMOOTH = (0.5, 0.7, 0.9)
DRIFT = 0.2  # share of the response's variance
SHARES, TRUE_R = (0.1, 0.3, 0.5), 0.5
EQUAL_R = 0.3
COST_VOXELS = 2000


def responses(data, coefficients=RESPONSE_AR, drift=0.0):
    """Responses without signal: AR(1), and slow drift that a high-pass has left."""
    noise = data.noise(np.resize(coefficients, VOXELS))
    slow = np.concatenate([drifts(data.generator, length, VOXELS) for length in data.lengths])
    return np.sqrt(1 - drift) * noise + np.sqrt(drift) * slow


def parametric(z, n_scans):
    """One-sided p of Pearson's r as if scans were independent."""
    r = np.tanh(z)
    return stats.t.sf(r * np.sqrt((n_scans - 2) / (1 - r**2)), n_scans - 2)


def null_rates(seed, tests, smooth=SMOOTH, **options):
    """False positives of each data set: columns at p < 0.05 and 0.01, parametric at 0.05, and lag-1 autocorrelation."""
    rows = []
    for place in range(SETS):
        generator = np.random.default_rng([seed, place])
        data = Simulated(generator, test=tests[place % len(tests)], smooth=smooth[place % len(smooth)])
        y = responses(data, **options)
        z, p, predicted = permuted(data, y)
        held = np.isin(data.runs, data.test_runs)
        smoothness = autocorrelation([predicted[held]], data.runs[held], 1)[1]
        rows.append([(p < 0.05).mean(), (p < 0.01).mean(), (parametric(z, held.sum()) < 0.05).mean(), smoothness])
    return np.array(rows)


def rate_figure(name, rates, goal, low, high, **details):
    """A rate in percent, with its standard error over data sets."""
    value, error = 100 * rates.mean(), 100 * rates.std(ddof=1) / np.sqrt(len(rates))
    return figure(
        f"calibration: {name}", round(float(value), 2), goal, low <= value <= high, se=round(float(error), 2), **details
    )


def null_figures():
    """Rates of p < 0.05 without signal."""
    found, strict, loose = [], ("4 to 6", 4, 6), ("<= 7", 0, 7)
    conditions = {
        "300 TR": (strict, {"tests": ((300,), (150, 150))}),
        "300 TR, the smoothest": (strict, {"tests": ((300,),), "smooth": (0.9,), "coefficients": (0.6,)}),
        "150 TR": (loose, {"tests": ((150,),)}),
        "residual drift": (loose, {"tests": ((300,),), "drift": DRIFT}),
    }
    for seed, (name, (bar, options)) in enumerate(conditions.items()):
        rates = null_rates(seed, **options)
        _, tail, _, smooth = rates.mean(0).tolist()
        details = {"at p < 0.01": round(100 * tail, 2), "autocorrelation of predictions": round(smooth, 2)}
        found.append(rate_figure(f"false positives, {name}, %", rates[:, 0], *bar, **details))
        found.append(rate_figure(f"parametric p of Pearson's r, {name}, %", rates[:, 2], "none", 0, 100))
    return found


def shift_figure():
    """The same rate of circular shifts, in a stretch that has 500 of them."""
    rates = []
    for place in range(SETS):
        data = Simulated(np.random.default_rng([10, place]), test=(600,), smooth=SMOOTH[place % len(SMOOTH)])
        y = responses(data)
        design = data.design(y)
        lags = shift_draws(design.segments, design.groups, design.lag, 1000, seed=0)
        p = shift_test(data.fit(design, y).sum(0), y, design.segments, lags)[1]
        rates.append((p < 0.05).mean())
    return rate_figure("false positives, circular shifts, 600 TR, %", np.array(rates), "4 to 6", 4, 6)


def discovery_figures():
    """Share of false discoveries at q = 0.05, a share of voxels being true."""
    found = []
    for share in SHARES:
        false, power = [], []
        for place in range(SETS):
            data = Simulated(np.random.default_rng([20, place]))
            band, y = data.delayed(data.models[0]), responses(data)
            signal = band @ data.generator.standard_normal((band.shape[1], VOXELS))
            true = data.generator.permutation(VOXELS) < share * VOXELS
            y = np.where(true, np.sqrt(1 - TRUE_R**2) * y + TRUE_R * signal / signal.std(0), y)
            discovered = benjamini_hochberg(permuted(data, y)[1]) < 0.05
            false.append((discovered & ~true).sum() / max(discovered.sum(), 1))
            power.append(discovered[true].mean())
        name = f"false discoveries at q = 0.05, {round(100 * share)} % true, %"
        found.append(rate_figure(name, np.array(false), "<= 5", 0, 5, power=round(float(np.mean(power)), 2)))
    return found


def equal_models(place, kind):
    """Two models, with features of their own, that are equally aligned: the data, their design and the responses."""
    single = kind == "outer_cv"
    runs = {"train": (400,), "test": ()} if single else {"train": (400, 400, 400)}
    data = Simulated(np.random.default_rng([30, place]), **runs, widths=(5, 5))
    y, signal = responses(data), 0.0
    for model in data.models:
        band = data.delayed(model)
        part = band @ data.generator.standard_normal((band.shape[1], VOXELS))
        signal = signal + EQUAL_R * part / part.std(0)
    y = np.sqrt(1 - 2 * EQUAL_R**2) * y + signal
    return data, data.design(y, kind), y


def paired_figures():
    """Rates of equal models in both splits: p < 0.05, and 95 % intervals that miss 0, for new stimuli and for these.

    What is held against a bar are the intervals for new stimuli, which the headline uses.
    """
    found = []
    for kind in ("fixed", "outer_cv"):
        rates = {to: [] for to in ("new stimuli", "these stimuli")}
        for place in range(SETS):
            data, design, y = equal_models(place, kind)
            for to, each in rates.items():
                voxels, _ = compared(data, design, y, np.ones((1, VOXELS), bool), to)
                missed = (voxels["low"] > 0) | (voxels["high"] < 0)
                each.append([(voxels["p"] < 0.05).mean(), missed.mean()])
        for to, each in rates.items():
            significant, missed = np.array(each).T
            barred, where = to == "new stimuli", f"{kind}, {to}"
            bars = ("<= 6", 0, 6) if barred else ("none", 0, 100)
            found.append(rate_figure(f"false positives, paired swap of equal models, {where}, %", significant, *bars))
            bars = ("3 to 7", 3, 7) if barred else ("none", 0, 100)
            found.append(rate_figure(f"95 % intervals of the difference that miss 0, {where}, %", missed, *bars))
    return found


def cost_figures():
    """Time of 1,000 permutations beside the fit that they test, and their memory, in one layer of 1,024 columns."""
    found = []
    for n_test, goal in ((300, 30), (1500, None)):
        generator = np.random.default_rng(0)
        data = Simulated(generator, train=(400, 400, 400), test=(n_test,), widths=(256,))
        y = generator.standard_normal((len(data.runs), COST_VOXELS)).astype(np.float32)
        design = data.design(y)
        orders = permutation_draws(design.counts, design.groups, 1000, seed=0)
        fits, tests = [], []
        for _ in range(2):
            start = time.perf_counter()
            predicted = data.fit(design, y).sum(0)
            middle = time.perf_counter()
            permutation_test(predicted, y, design.segments, orders)
            fits.append(middle - start)
            tests.append(time.perf_counter() - middle)
        tracemalloc.start()
        permutation_test(predicted, y, design.segments, orders)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        value = 100 * min(tests) / min(fits)
        details = {"microseconds per voxel": round(1e6 * min(tests) / COST_VOXELS, 1), "peak MB": round(peak)}
        name = f"permutations: share of the fit's time, {n_test} test TR, %"
        bar = f"<= {goal}" if goal else "none"
        found.append(figure(name, round(value, 1), bar, goal is None or value <= goal, **details))
    return found
