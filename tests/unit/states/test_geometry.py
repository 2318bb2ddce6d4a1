import numpy as np
import pytest

from triphase.states.geometry import (
    anisotropy,
    curvature,
    effective_rank,
    participation_ratio,
    spectral_decay,
    spectral_entropy,
    spectrum,
)


def rotated(points, features, rng):
    """Points on a random subspace of a larger space."""
    basis, _ = np.linalg.qr(rng.normal(size=(features, points.shape[1])))
    return points @ basis.T


def test_participation_ratio_has_its_closed_form():
    rng = np.random.default_rng(6)
    scales = np.array([3.0, 2.0, 1.0, 0.5])
    orthogonal, _ = np.linalg.qr(np.c_[np.ones(500), rng.normal(size=(500, 4))])
    points = rotated(orthogonal[:, 1:] * scales, 30, rng)
    expected = (scales**2).sum() ** 2 / (scales**4).sum()
    assert participation_ratio(spectrum(points)) == pytest.approx(expected)
    share = scales / scales.sum()
    assert effective_rank(spectrum(points)[:4]) == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    share = scales**2 / (scales**2).sum()
    assert spectral_entropy(spectrum(points)[:4]) == pytest.approx(-(share * np.log(share)).sum())


@pytest.mark.parametrize("shape", [(300, 40), (40, 300)])
def test_spectrum_equals_singular_values(shape):
    points = np.random.default_rng(7).normal(size=shape) + 5
    values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(spectrum(points), values / values.sum(), atol=1e-12)


def test_equal_directions_have_full_rank():
    points = np.r_[np.eye(10), -np.eye(10)]
    assert participation_ratio(spectrum(points)) == pytest.approx(10)
    assert effective_rank(spectrum(points)) == pytest.approx(10)
    assert np.exp(spectral_entropy(spectrum(points))) == pytest.approx(10)


def test_a_single_point_has_no_shape():
    values = spectrum(np.ones((50, 3)))
    assert np.isnan(participation_ratio(values))
    assert np.isnan(effective_rank(values))
    assert np.isnan(spectral_entropy(values))
    assert np.isnan(spectral_decay(values))


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_decay_is_the_exponent_of_a_power_law(alpha):
    values = np.arange(1, 257.0) ** -alpha
    assert spectral_decay(values / values.sum()) == pytest.approx(alpha)
    # What lies beyond half of the spectrum is bent by the number of points, and does not count.
    values[130:] *= np.linspace(1, 0.01, 126)
    assert spectral_decay(values / values.sum()) == pytest.approx(alpha)


def test_decay_of_gaussian_points_with_a_power_law():
    points = np.random.default_rng(1).normal(size=(4000, 256)) * np.arange(1, 257) ** -0.5
    assert spectral_decay(spectrum(points)) == pytest.approx(1, abs=0.1)


def test_decay_of_few_dimensions_is_not_fitted():
    assert np.isnan(spectral_decay(np.arange(1, 40.0) ** -1))
    assert np.isfinite(spectral_decay(np.arange(1, 42.0) ** -1))


class TestAnisotropy:
    def test_equals_the_mean_cosine_of_all_pairs(self):
        points = np.random.default_rng(2).normal(size=(60, 5)) + 1
        cosines = np.corrcoef(np.c_[points, -points])  # rows with mean 0 and the same cosines
        assert anisotropy(points)[0] == pytest.approx(cosines[np.triu_indices(60, 1)].mean())

    def test_of_a_ball_and_of_a_needle(self):
        ball = np.random.default_rng(3).normal(size=(2000, 30))
        value, error = anisotropy(ball)
        assert abs(value) < 4 * error
        assert anisotropy(1000 + ball)[0] > 0.99

    def test_error_is_that_of_leaving_blocks_out(self):
        points = np.random.default_rng(4).normal(size=(100, 3)) + 1
        without = [
            anisotropy(np.delete(points, block, axis=0))[0] for block in np.array_split(np.arange(100), 20)
        ]  # fmt: skip
        assert anisotropy(points)[1] == pytest.approx(np.sqrt(19 / 20 * ((without - np.mean(without)) ** 2).sum()))

    def test_points_at_the_origin_have_no_direction(self):
        points = np.random.default_rng(5).normal(size=(100, 3)) + 1
        assert anisotropy(np.r_[points, np.zeros((30, 3))]) == pytest.approx(anisotropy(points))
        assert np.isnan(anisotropy(np.zeros((50, 3)))[0])


def test_curvature_is_the_angle_of_a_path_that_is_known():
    texts = np.zeros(200, int)
    line = np.outer(np.arange(200.0), [1.0, 2.0, -1.0])
    assert curvature(line, texts)[0] == pytest.approx(0, abs=1e-6)
    turns = 2 * np.pi * np.arange(200) / 12  # a regular polygon with twelve corners
    value, error, n = curvature(np.column_stack([np.cos(turns), np.sin(turns)]), texts)
    assert value == pytest.approx(2 * np.pi / 12) and error == pytest.approx(0, abs=1e-9) and n == 198
    disordered = np.random.default_rng(0).normal(size=(2000, 400))
    assert curvature(disordered, np.zeros(2000))[0] == pytest.approx(2 * np.pi / 3, abs=0.01)


def test_no_angle_spans_two_texts_or_a_word_that_stands_still():
    texts = np.repeat([0, 1], 50)
    states = np.outer(np.r_[np.arange(50.0), 1000 - np.arange(50.0)], [1.0, 1.0])
    value, _, n = curvature(states, texts)
    assert value == pytest.approx(0, abs=1e-6) and n == 96
    states[10] = states[9]
    assert curvature(states, texts)[2] == 94
    assert np.isnan(curvature(np.ones((30, 4)), np.zeros(30))[0])
