import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from triphase.geometry import (
    cka,
    distinct_points,
    effective_rank,
    participation_ratio,
    spectrum,
    two_nn,
)


def rotated(points, features, rng):
    """Points on a random subspace of a larger space."""
    basis, _ = np.linalg.qr(rng.normal(size=(features, points.shape[1])))
    return points @ basis.T


@pytest.mark.parametrize(("kind", "d"), [("cube", 2), ("cube", 5), ("gaussian", 2), ("gaussian", 5), ("gaussian", 10)])
def test_two_nn_finds_known_dimensions(kind, d):
    rng = np.random.default_rng(d)
    points = rng.uniform(size=(2000, d)) if kind == "cube" else rng.normal(size=(2000, d))
    value, error, n = two_nn(rotated(points, 64, rng).astype(np.float32))
    assert value == pytest.approx(d, rel=0.1)
    assert 0 < error < 0.1 * d
    assert n == 2000


def test_two_nn_error_covers_the_spread_of_independent_samples():
    rng = np.random.default_rng(0)
    values, errors, _ = np.transpose([two_nn(rng.normal(size=(300, 4))) for _ in range(60)])
    assert errors.mean() == pytest.approx(values.std(), rel=0.35)


def test_two_nn_equals_a_direct_computation():
    points = np.random.default_rng(3).normal(size=(200, 3))
    distances = squareform(pdist(points))
    np.fill_diagonal(distances, np.inf)
    ordered = np.sort(distances, axis=1)
    ratios = np.sort(ordered[:, 1] / ordered[:, 0])
    x, y = np.log(ratios), -np.log(1 - np.arange(1, 201) / 201)
    empirical = -np.log(1 - np.arange(1, 200) / 200)
    kept = slice(0, 180)
    assert two_nn(points)[0] == pytest.approx((x[kept] @ empirical[:180]) / (x[kept] @ x[kept]))
    assert two_nn(points)[0] == pytest.approx(np.linalg.lstsq(x[kept, None], y[kept])[0][0], rel=0.03)


def test_repeated_vectors_count_once():
    rng = np.random.default_rng(5)
    types = rng.normal(size=(300, 16)).astype(np.float32) + 100
    tokens = types[np.r_[np.arange(300), rng.integers(0, 300, 700)]]
    assert len(distinct_points(tokens)) == 300
    assert two_nn(tokens)[0] == pytest.approx(two_nn(types)[0], rel=1e-6)
    almost = tokens + rng.normal(size=tokens.shape) * 1e-7
    assert len(distinct_points(almost)) == 300


def test_too_few_points_have_no_dimension():
    value, error, n = two_nn(np.repeat(np.eye(4), 100, axis=0))
    assert np.isnan(value)
    assert np.isnan(error)
    assert n == 4


def test_participation_ratio_has_its_closed_form():
    rng = np.random.default_rng(6)
    scales = np.array([3.0, 2.0, 1.0, 0.5])
    orthogonal, _ = np.linalg.qr(np.c_[np.ones(500), rng.normal(size=(500, 4))])
    points = rotated(orthogonal[:, 1:] * scales, 30, rng)
    expected = (scales**2).sum() ** 2 / (scales**4).sum()
    assert participation_ratio(spectrum(points)) == pytest.approx(expected)
    share = scales / scales.sum()
    assert effective_rank(spectrum(points)[:4]) == pytest.approx(np.exp(-(share * np.log(share)).sum()))


@pytest.mark.parametrize("shape", [(300, 40), (40, 300)])
def test_spectrum_equals_singular_values(shape):
    points = np.random.default_rng(7).normal(size=shape) + 5
    values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(spectrum(points), values / values.sum(), atol=1e-12)


def test_equal_directions_have_full_rank():
    points = np.r_[np.eye(10), -np.eye(10)]
    assert participation_ratio(spectrum(points)) == pytest.approx(10)
    assert effective_rank(spectrum(points)) == pytest.approx(10)


def test_a_single_point_has_no_shape():
    values = spectrum(np.ones((50, 3)))
    assert np.isnan(participation_ratio(values))
    assert np.isnan(effective_rank(values))
    assert np.isnan(cka(np.ones((50, 3)), np.eye(50))[0])


class TestCKA:
    def test_one_with_itself_rotated_scaled_and_shifted(self):
        rng = np.random.default_rng(8)
        x = rng.normal(size=(200, 30)) * np.linspace(0.1, 3, 30)
        rotation, _ = np.linalg.qr(rng.normal(size=(30, 30)))
        assert cka(x, x)[0] == pytest.approx(1)
        assert cka(x, 7 * x @ rotation + 3)[0] == pytest.approx(1)

    def test_symmetric(self):
        rng = np.random.default_rng(9)
        x, y = rng.normal(size=(100, 8)), rng.normal(size=(100, 5))
        y[:, :3] += x[:, :3]
        assert cka(x, y)[0] == pytest.approx(cka(y, x)[0])

    def test_zero_for_independent_features_that_outnumber_points(self):
        rng = np.random.default_rng(10)
        values = [cka(rng.normal(size=(80, 400)), rng.normal(size=(80, 400)))[0] for _ in range(20)]
        plain = np.corrcoef(*(np.ravel(z @ z.T) for z in rng.normal(size=(2, 80, 400))))[0, 1]
        assert abs(np.mean(values)) < 0.02
        assert plain > 0.5  # what the debiasing takes away

    def test_equals_the_estimate_from_gram_matrices(self):
        rng = np.random.default_rng(11)
        x, y = rng.normal(size=(60, 6)), rng.normal(size=(60, 9))
        y[:, :2] += 2 * x[:, :2]

        def hsic(k, m):
            n = len(k)
            k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
            cross = k.sum(axis=0) @ m.sum(axis=0)
            return np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * cross

        k, m = x @ x.T, y @ y.T
        assert cka(x, y)[0] == pytest.approx(hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m)))

    def test_jackknife_equals_leaving_blocks_out(self):
        rng = np.random.default_rng(12)
        x, y = rng.normal(size=(100, 4)), rng.normal(size=(100, 4))
        y += x
        without = [
            cka(np.delete(x, block, axis=0), np.delete(y, block, axis=0))[0]
            for block in np.array_split(np.arange(100), 20)
        ]
        expected = np.sqrt(19 / 20 * ((without - np.mean(without)) ** 2).sum())
        assert cka(x, y)[1] == pytest.approx(expected)
