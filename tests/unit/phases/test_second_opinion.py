"""Breakpoints as ruptures finds them: another criterion, another search, other authors."""

import numpy as np
import pytest
import ruptures

from triphase.phases.covariance import Noise
from triphase.phases.piecewise import Bank
from triphase.phases.transitions import Curve, Settings

N, T = 16, np.log10(2.0 ** np.arange(16))


def theirs(values, number):
    """Breakpoints by dynamic programming over continuous lines between scores (Truong et al. 2020), as grid indices."""
    search = ruptures.Dynp(model="clinear", min_size=2, jump=1).fit(values[:, None])
    # Their segments end before the index they name; lines meet at the last score of a segment.
    return np.array(search.predict(n_bkps=number)[:-1]) - 1


def ours(values, sd, number):
    """Breakpoints of our best curve with so many of them, all segments free."""
    bank = Bank(T, sd**2 * np.eye(N), [0.0], number)
    _, best = bank.search(values[:, None], lambda signs: 0 if len(signs) == number + 1 and all(signs) else -1, 1)
    return np.array(bank.shapes[best[0, 0]].knots)


@pytest.mark.parametrize(
    ("knots", "levels"),
    [((7,), (0, 1, 0.3)), ((4, 9), (0, 1, 0.6, 1.1)), ((5, 8), (0, 1, 0.2, 1.4)), ((3, 7, 11), (0, 1, 0.4, 1.2, 0.7))],
)
def test_both_find_the_planted_breakpoints(knots, levels):
    truth, sd, number = np.interp(np.arange(N), [0, *knots, N - 1], levels), 0.03, 40
    rng = np.random.default_rng(0)
    series = truth + sd * rng.standard_normal((number, N))
    own = np.array([ours(values, sd, len(knots)) for values in series])
    other = np.array([theirs(values, len(knots)) for values in series])
    assert (np.abs(own - knots) <= 1).all(axis=1).mean() >= 0.95
    assert (np.abs(other - knots) <= 1).all(axis=1).mean() >= 0.9
    assert (np.abs(own - other) <= 1).all(axis=1).mean() >= 0.9
    # Lines through means err less than lines through single scores.
    assert (own == knots).mean() >= (other == knots).mean()


def test_the_chosen_number_of_breakpoints_is_the_one_where_their_cost_bends():
    truth, sd = np.interp(np.arange(N), [0, 4, 9, N - 1], [0, 1, 0.5, 1.1]), 0.02
    values = truth + sd * np.random.default_rng(1).standard_normal(N)
    search = ruptures.Dynp(model="clinear", min_size=2, jump=1).fit(values[:, None])
    costs = np.array([search.cost.sum_of_costs(search.predict(n_bkps=k)) for k in (1, 2, 3)])
    assert costs[0] > 10 * costs[1]
    assert costs[1] < 10 * costs[2]
    curve = Curve(T, values, Noise(sd**2 * np.eye(N)), Settings())
    np.testing.assert_allclose(curve.fit.shape.knots, theirs(values, 2), atol=1)
