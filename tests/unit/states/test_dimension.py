import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import special_ortho_group

from triphase.states.dimension import gride, neighbour_distances, plateau, scales, two_nn


def cloud(kind, d, n, features, seed):
    """Points of a cube or a Gaussian on a random subspace of a larger space."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(size=(n, d)) if kind == "cube" else rng.normal(size=(n, d))
    basis, _ = np.linalg.qr(rng.normal(size=(features, d)))
    return points @ basis.T


@pytest.mark.parametrize(("kind", "d"), [("cube", 2), ("cube", 5), ("gaussian", 2), ("gaussian", 5), ("gaussian", 10)])
def test_known_dimensions_are_found(kind, d):
    distances = neighbour_distances(cloud(kind, d, 2000, 64, seed=d).astype(np.float32))
    for value, error in (two_nn(distances), gride(distances, 2)):
        assert value == pytest.approx(d, rel=0.1)
        assert 0 < error < 0.1 * d
    assert len(distances) == 2000


# scikit-dimension 0.5.0 on the same points: TwoNN().dimension_, GRIDE(n1=2, n2=4).dimension_. The cube of d = 10 has
# more dimensions than either finds: with 1,000 points most of it lies near its border.
REFERENCE = {
    ("cube", 5): (4.698616168069671, 4.446867753687505),
    ("cube", 10): (8.59926318071262, 8.381500615335675),
    ("gaussian", 10): (9.352635588906583, 9.464504328869396),
}


@pytest.mark.parametrize(("kind", "d"), REFERENCE)
def test_estimates_equal_those_of_scikit_dimension(kind, d):
    distances = neighbour_distances(cloud(kind, d, 1000, 64, seed=d))
    assert (two_nn(distances)[0], gride(distances, 2)[0]) == pytest.approx(REFERENCE[kind, d], abs=1e-6)


@pytest.mark.parametrize("estimate", [two_nn, lambda distances: gride(distances, 1), lambda d: gride(d, 8)])
def test_errors_cover_the_spread_of_independent_samples(estimate):
    rng = np.random.default_rng(0)
    values, errors = np.transpose([estimate(neighbour_distances(rng.normal(size=(300, 4)))) for _ in range(80)])
    assert errors.mean() == pytest.approx(values.std(), rel=0.35)


def test_two_nn_equals_a_direct_computation():
    points = np.random.default_rng(3).normal(size=(200, 3))
    ordered = np.sort(squareform(pdist(points)), axis=1)
    x = np.log(np.sort(ordered[:, 2] / ordered[:, 1]))[:180]
    y = -np.log(1 - np.arange(1, 181) / 200)
    assert two_nn(neighbour_distances(points))[0] == pytest.approx((x @ y) / (x @ x))


def test_gride_at_the_first_scale_is_the_mean_of_log_ratios():
    ordered = np.sort(squareform(pdist(points := np.random.default_rng(4).normal(size=(200, 3)))), axis=1)
    expected = 199 / np.log(ordered[:, 2] / ordered[:, 1]).sum()
    assert gride(neighbour_distances(points), 1)[0] == pytest.approx(expected)


def test_a_noisy_sheet_is_two_dimensional_at_its_plateau():
    rng = np.random.default_rng(5)
    rotation = special_ortho_group.rvs(20, random_state=0)
    sheet = np.zeros((2000, 20))
    sheet[:, :2] = rng.uniform(size=(2000, 2))
    distances = neighbour_distances((sheet + 0.003 * rng.normal(size=sheet.shape)) @ rotation)
    curve = [gride(distances, n1)[0] for n1 in scales(2000)]
    assert two_nn(distances)[0] > 3  # the noise
    assert curve[plateau(curve)] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("curve", "place"),
    [([9, 6, 2.1, 2.05, 2.0, 1.5], 3), ([5, 5, 5, 5], 1), ([10, 8, 6.5, 5.5], 2), ([4, 3], 0), ([np.nan] * 3, 1)],
)
def test_the_plateau_is_the_first_three_even_scales_or_the_evenest(curve, place):
    assert plateau(curve) == place


def test_scales_end_at_an_eighth_of_the_points():
    assert scales(1000).tolist() == [1, 2, 4, 8, 16, 32]
    assert scales(1024).tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert scales(3).tolist() == [1]


def test_repeated_vectors_count_once():
    rng = np.random.default_rng(5)
    types = rng.normal(size=(300, 16)).astype(np.float32) + 100
    tokens = types[np.r_[np.arange(300), rng.integers(0, 300, 700)]]
    distances = neighbour_distances(tokens)
    assert len(distances) == 300
    assert two_nn(distances)[0] == pytest.approx(two_nn(neighbour_distances(types))[0], rel=1e-4)
    assert len(neighbour_distances(tokens + rng.normal(size=tokens.shape) * 1e-7)) == 300


@pytest.mark.parametrize("points", [np.repeat(np.eye(4), 100, axis=0), np.ones((50, 3)), np.eye(19)])
def test_too_few_points_have_no_dimension(points):
    distances = neighbour_distances(points)
    assert np.isnan([*two_nn(distances), *gride(distances, 1)]).all()


def test_equal_distances_do_no_harm():
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2)
    assert np.isfinite(gride(neighbour_distances(grid), 2)).all()
