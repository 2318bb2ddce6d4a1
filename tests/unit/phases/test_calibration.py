"""False positives through the steps of `fit_encoding`; `make bench-encoding` measures them with more data sets."""

import numpy as np
from simulated_fits import Simulated, compared, permuted

VOXELS = 500


def test_unrelated_responses_are_significant_in_five_percent_of_voxels():
    rates = []
    for seed in range(4):
        data = Simulated(np.random.default_rng(seed), smooth=0.8)
        rates.append((permuted(data, data.noise(np.linspace(0.3, 0.6, VOXELS).round(1)), n_draws=300)[1] < 0.05).mean())
    assert 0.03 < np.mean(rates) < 0.07, rates


def test_equally_aligned_models_differ_in_five_percent_of_voxels():
    data = Simulated(np.random.default_rng(0), train=(400, 400, 400), test=(150, 150), widths=(5, 5))
    y = data.noise(np.full(VOXELS, 0.5))
    for model in data.models:
        band = data.delayed(model)
        signal = band @ data.generator.standard_normal((band.shape[1], VOXELS))
        y += 0.4 * signal / signal.std(0)
    design = data.design(y)
    voxels, _ = compared(data, design, y, np.ones((1, VOXELS), bool), "these stimuli", n_draws=300)
    assert 0.02 < (voxels["p"] < 0.05).mean() < 0.08
    assert 0.02 < ((voxels["low"] > 0) | (voxels["high"] < 0)).mean() < 0.08
