"""Fits without a group of training scans, from the solution with all: against fits that are made anew."""

import numpy as np
import pytest
from simulated_fits import DELAYS, Simulated, compared
from sklearn.kernel_ridge import KernelRidge

from triphase.encoding import numpy_arrays
from triphase.encoding.deletions import Refit, Resampling, deviations, training_groups
from triphase.encoding.features import delay
from triphase.encoding.guards import scaled
from triphase.encoding.kernels import decompose
from triphase.encoding.ridge import standardise
from triphase.stats.scoring import centre

VOXELS = 6


@pytest.fixture(scope="module")
def data():
    return Simulated(np.random.default_rng(0), train=(120, 120, 120), test=(100,), widths=(3, 60), smooth=0.6)


@pytest.mark.parametrize("model", [0, 1], ids=["fewer columns than rows", "more columns than rows"])
@pytest.mark.parametrize("wide", [0.0, 0.7])
@pytest.mark.parametrize("at_a_time", [1, 400, 10**6], ids=["voxel by voxel", "few", "all voxels"])
def test_predictions_without_a_group_are_those_of_a_fit_without_it(data, model, wide, at_a_time, monkeypatch):
    monkeypatch.setattr("triphase.encoding.deletions.CELLS", at_a_time)
    y, alpha, narrow = data.noise(np.full(VOXELS, 0.5)), 3.0, 0.4
    design = data.design(y)
    spectra = decompose(
        data.models[model].astype(float), data.rows, DELAYS, design.outer, design.inner, backend="numpy"
    )
    final = spectra.finals[0]
    band = standardise(data.nuisance, final.train)
    weight = np.tile([[wide], [narrow]], VOXELS)
    refit = Refit(numpy_arrays, final, [band], y, np.full(VOXELS, alpha), weight)
    groups = [np.arange(30), np.arange(200, 290), np.arange(300, 330)]
    scales = scaled(data.models[model].astype(float), data.rows[design.outer[0] == 1]) / np.sqrt(len(DELAYS))
    delayed = delay(scales, data.rows, DELAYS)
    kernel = wide * delayed @ delayed.T + narrow * band @ band.T

    def predicted(kept):
        inside = kernel[np.ix_(kept, kept)]
        middle = np.eye(len(kept)) - 1 / len(kept)
        across = kernel[np.ix_(final.other, kept)]
        across = (across - inside.mean(0)) @ middle
        ridge = KernelRidge(alpha=alpha, kernel="precomputed").fit(middle @ inside @ middle, y[kept] - y[kept].mean(0))
        return centre(ridge.predict(across))

    whole = predicted(final.train)
    changes = np.full((len(groups), len(final.other), VOXELS), np.nan)
    for voxels, change in refit.changes(groups):
        changes[:, :, voxels] = change
    for rows, change in zip(groups, changes, strict=True):
        expected = predicted(np.delete(final.train, rows)) - whole
        np.testing.assert_allclose(centre(change), expected, atol=2e-3 * np.abs(expected).max())
        assert np.abs(expected).max() > 0.01


def test_groups_are_whole_stimuli_or_stretches_and_under_outer_cv_the_blocks_that_are_drawn(data):
    y = data.noise(np.full(VOXELS, 0.5))
    groups = training_groups(data.design(y))
    assert (groups[data.runs == "run3"] == -1).all()
    assert all(len(np.unique(data.runs[groups == group])) == 1 for group in range(groups.max() + 1))
    assert 6 <= groups.max() + 1 <= 9
    many = Simulated(np.random.default_rng(1), train=(40,) * 20, test=(100,), widths=(3,))
    groups = training_groups(many.design(many.noise(np.full(2, 0.5))))
    assert groups.max() + 1 == 16
    assert all(len(np.unique(groups[many.runs == f"run{run}"])) == 1 for run in range(20))
    crossed = data.design(y, "outer_cv")
    groups = training_groups(crossed)
    assert [len(np.unique(groups[rows])) for stretch in crossed.blocks for rows in stretch] == [1] * sum(
        crossed.block_sizes
    )
    assert groups.max() + 1 == sum(crossed.block_sizes)
    resampling = Resampling.of(crossed, "new stimuli", 500, 0)
    share = (resampling.weights.shape[1] - 1) / resampling.weights.shape[1]
    np.testing.assert_allclose(resampling.weights, share * np.hstack([deviations(c) for c in resampling.counts]))
    assert Resampling.of(crossed, "these stimuli", 500, 0).weights is None


def test_deviations_have_mean_0_and_variance_1():
    counts = np.random.default_rng(2).multinomial(6, np.full(7, 1 / 7), size=20_000)
    found = deviations(counts)
    np.testing.assert_allclose(found.sum(1), 0, atol=1e-5)
    np.testing.assert_allclose(found.var(0), 1, rtol=0.05)
    assert not deviations(np.ones((5, 1))).any()


def test_intervals_of_equal_models_miss_zero_as_often_as_they_say_where_every_scan_is_held_out_once():
    missed = {"these stimuli": [], "new stimuli": []}
    for seed in range(3):
        data = Simulated(np.random.default_rng([7, seed]), train=(400,), test=(), widths=(5, 5), smooth=0.6)
        y = data.noise(np.full(150, 0.5))
        for model in data.models:
            band = data.delayed(model)
            signal = band @ data.generator.standard_normal((band.shape[1], 150))
            y += 0.27 * signal / signal.std(0)
        design = data.design(y, "outer_cv")
        for to, rates in missed.items():
            voxels, _ = compared(data, design, y, np.ones((1, 150), bool), to, n_draws=300)
            rates.append(((voxels["low"] > 0) | (voxels["high"] < 0)).mean())
    assert np.mean(missed["these stimuli"]) > 0.12
    assert 0.02 < np.mean(missed["new stimuli"]) < 0.1
