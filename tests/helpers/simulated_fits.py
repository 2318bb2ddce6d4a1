"""Simulated data sets, and their way through the steps of `fit_encoding`: for tests of calibration and benchmarks."""

from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

from triphase.encoding.deletions import Resampling
from triphase.encoding.design import Design
from triphase.encoding.folds import make_splits, needed_gap
from triphase.encoding.kernels import decompose
from triphase.encoding.ridge import Search, fit_bands, weight_grid
from triphase.stats.autocorrelation import autocorrelation
from triphase.stats.bootstrap import freedom, prediction_sums, response_sums, seams
from triphase.stats.paired import PairedDraws, compare, swap_draws
from triphase.stats.permutation import permutation_draws, permutation_test
from triphase.stats.resampling import block_length, decorrelation

TR, DELAYS, LAGS, WARM_UP = 2.0, [1, 2, 3, 4], 60, 200
ALPHAS, SHARES = np.logspace(-1, 5, 10), [0, 0.5, 1]


def ar1(generator, n_scans, coefficients):
    """Stationary AR(1) columns of variance 1, each with its own coefficient: array (n_scans, n_columns)."""
    coefficients = np.asarray(coefficients, float)
    values = generator.standard_normal((n_scans + WARM_UP, len(coefficients)))
    for coefficient in np.unique(coefficients):
        mine = coefficients == coefficient
        values[:, mine] = lfilter([np.sqrt(1 - coefficient**2)], [1, -coefficient], values[:, mine], axis=0)
    return values[WARM_UP:]


def drifts(generator, n_scans, n_columns, cutoff=0.01):
    """Slow drift of variance 1 after the high-pass at `cutoff` Hz that `clean_responses` applies as a rule."""
    slow = np.cumsum(generator.standard_normal((n_scans, n_columns)), axis=0)
    order = int(2 * n_scans * TR * cutoff)
    cosines = np.cos(np.pi * (np.arange(n_scans)[:, None] + 0.5) / n_scans * np.arange(order + 1))
    line = np.column_stack([cosines, np.arange(n_scans)])
    slow = slow - line @ np.linalg.lstsq(line, slow, rcond=None)[0]
    return slow / slow.std(0)


@dataclass
class Simulated:
    """Runs of scans with features of a model and of nuisance; responses are added by who tests.

    Attributes
    ----------
    generator : numpy.random.Generator
    train, test : tuples of int, scans of each run
    widths : tuple of int, columns of each of the models
    smooth : float, AR(1) of the features
    """

    generator: np.random.Generator
    train: tuple = (200, 200, 200)
    test: tuple = (300,)
    widths: tuple = (24,)
    smooth: float = 0.8
    nuisance_width: int = 4
    lengths: tuple = field(init=False)

    def __post_init__(self):
        self.lengths = (*self.train, *self.test)
        names = np.array([f"run{n}" for n in range(len(self.lengths))])
        self.runs, self.lead = np.repeat(names, self.lengths), max(DELAYS)
        self.test_runs = list(names[len(self.train) :])
        starts = np.cumsum([0, *(length + self.lead for length in self.lengths)])
        self.rows = np.concatenate(
            [start + self.lead + np.arange(length) for start, length in zip(starts, self.lengths, strict=False)]
        )
        self.models = [self.features(np.full(width, self.smooth)).astype(np.float32) for width in self.widths]
        self.nuisance_features = self.features(np.full(self.nuisance_width, 0.5))
        self.nuisance = self.delayed(self.nuisance_features)

    def features(self, coefficients):
        """Undelayed columns on the grid of all runs, each run with its lead."""
        return np.concatenate([ar1(self.generator, n + self.lead, coefficients) for n in self.lengths])

    def delayed(self, features):
        """Delayed features of the rows: (n_scans, n_columns * n_delays)."""
        return np.concatenate([features[self.rows - delay] for delay in DELAYS], axis=1)

    def noise(self, coefficients):
        """Responses without signal, run by run."""
        return np.concatenate([ar1(self.generator, n, coefficients) for n in self.lengths])

    def design(self, responses, kind="fixed"):
        """Folds, held-out stretches and blocks, in the order of `prepare_encoding`."""
        trained = ~np.isin(self.runs, self.test_runs)
        acf = autocorrelation([responses[trained]], self.runs[trained], LAGS)
        gap = needed_gap(acf, DELAYS, 20, TR)
        outer, inner = make_splits(
            self.runs, self.runs, self.test_runs, {"kind": kind, "folds": 5, "inner": 3}, gap=gap
        )
        smooth = autocorrelation([self.nuisance[trained]], self.runs[trained], LAGS)
        return Design(
            runs=self.runs, times=np.zeros(len(self.runs)), stimuli=self.runs, tr=TR, delays=DELAYS, outer=outer,
            inner=inner, bands={"nuisance": self.nuisance}, gap=gap, lag=decorrelation(acf, smooth),
            block_length=block_length(acf, smooth, 20),
        )  # fmt: skip

    def fit(self, design, responses, model=0, shares=SHARES, deletions=None):
        """Predictions of a model's band and of the nuisance band beside it: array (2, n_scans, n_targets)."""
        spectra = decompose(self.models[model], self.rows, DELAYS, design.outer, design.inner, backend="numpy")
        y, weights = responses.astype(np.float32), weight_grid(shares)
        search = Search(ALPHAS, weights)
        return fit_bands(spectra, [self.nuisance], y, design.outer, design.inner, search, deletions)[0]


def permuted(data, responses, n_draws=1000):
    """Fit, then permute: z and p of r > 0 (n_targets,), and the predictions (n_scans, n_targets)."""
    design = data.design(responses)
    predicted = data.fit(design, responses).sum(0)
    orders = permutation_draws(design.counts, design.groups, n_draws, seed=0)
    z, p, _ = permutation_test(predicted, responses, design.segments, orders)
    return z, p, predicted


def compared(data, design, responses, regions, generalise_to="new stimuli", n_draws=1000):
    """Difference of r of the data's first two models: see `triphase.stats.paired.compare`."""
    sizes, measured = design.block_sizes, response_sums(responses, design.blocks)
    resampling, sums, wider, influences = Resampling.of(design, generalise_to, n_draws, seed=0), [], [], []
    for model in (0, 1):
        deletions = resampling.deletions(responses)
        predicted = data.fit(design, responses, model, deletions=deletions).sum(0)
        sums.append(prediction_sums(predicted, responses, design.blocks))
        wider.append(seams(predicted, responses, design.blocks))
        influences.append(resampling.draws(sums[-1], measured, deletions)[1])
    swaps = swap_draws(sizes, design.groups, n_draws, seed=0)
    freely = freedom(sizes, design.groups)
    draws = PairedDraws(design.block_scans, resampling.counts, swaps, freely, resampling.weights)
    influence = None if resampling.weights is None else influences[0] - influences[1]
    return compare(*sums, measured, np.mean(wider, axis=0), regions, draws, influence)
