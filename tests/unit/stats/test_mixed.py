"""Mixed models with a random intercept: equal to statsmodels', and to the normal density written out."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from triphase.stats.mixed import random_intercept


def readers(spread, seed=0, n=1500, groups=25):
    """Observations of readers with intercepts of their own, uneven in number."""
    rng = np.random.default_rng(seed)
    group = np.sort(np.r_[np.arange(groups), rng.integers(0, groups, n - groups) ** 2 // groups])
    design = np.column_stack([np.ones(n), rng.standard_normal((n, 4))])
    y = design @ [6, 0.1, 0.02, 0, -0.05] + spread * rng.standard_normal(groups)[group] + 0.4 * rng.standard_normal(n)
    return y, design, group


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_equals_that_of_statsmodels(seed):
    models = pytest.importorskip("statsmodels.regression.mixed_linear_model", reason="statsmodels is not installed")
    y, design, group = readers(0.3, seed)
    ours, theirs = random_intercept(y, design, group), models.MixedLM(y, design, groups=group).fit(reml=False)
    assert ours.log_likelihood == pytest.approx(theirs.llf, abs=1e-6)
    np.testing.assert_allclose(ours.coefficients, theirs.fe_params, atol=1e-6)
    assert ours.residual_variance == pytest.approx(theirs.scale, rel=1e-4)


@pytest.mark.parametrize("spread", [0.0, 0.3, 5.0])
def test_every_readers_likelihood_is_the_normal_density_and_no_other_parameters_are_likelier(spread):
    y, design, group = readers(spread, n=400, groups=12)
    fit = random_intercept(y, design, group)

    def density(b, variance, ratio):
        rest = y - design @ b
        parts = [rest[group == one] for one in range(12)]
        return np.array([
            multivariate_normal(cov=variance * (np.eye(len(part)) + ratio)).logpdf(part) for part in parts
        ])  # fmt: skip

    np.testing.assert_allclose(
        fit.log_likelihoods, density(fit.coefficients, fit.residual_variance, fit.ratio), rtol=1e-8
    )
    for change in (0.9, 1.1):
        assert density(fit.coefficients, fit.residual_variance * change, fit.ratio).sum() < fit.log_likelihood
        other = fit.ratio * change if fit.ratio else 0.02
        assert density(fit.coefficients, fit.residual_variance, other).sum() < fit.log_likelihood
        assert density(fit.coefficients * change, fit.residual_variance, fit.ratio).sum() < fit.log_likelihood


@pytest.mark.parametrize("y", ["constant", "of the group", "of a column"])
def test_groups_and_columns_that_leave_no_residual_are_refused(y):
    """The likelihood has no maximum there."""
    _, design, group = readers(0.3)
    exact = {"constant": np.full(len(group), 5.7), "of the group": np.log(300 + group), "of a column": design[:, 1]}
    with pytest.raises(ValueError, match="leave no residual"):
        random_intercept(exact[y], design, group)


def test_columns_that_depend_on_each_other_are_refused():
    y, design, group = readers(0.3)
    with pytest.raises(ValueError, match="depend on each other"):
        random_intercept(y, np.column_stack([design, 2 * design[:, 1]]), group)
