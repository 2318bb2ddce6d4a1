import numpy as np
import pytest

from triphase.states.similarity import cka, cloud


def similarity(x, y):
    return cka(cloud(x), cloud(y))


def test_a_single_point_resembles_nothing():
    assert np.isnan(similarity(np.ones((50, 3)), np.eye(50))).all()


class TestCKA:
    def test_one_with_itself_rotated_scaled_and_shifted(self):
        rng = np.random.default_rng(8)
        x = rng.normal(size=(200, 30)) * np.linspace(0.1, 3, 30)
        rotation, _ = np.linalg.qr(rng.normal(size=(30, 30)))
        assert similarity(x, x)[0] == pytest.approx(1)
        assert similarity(x, 7 * x @ rotation + 3)[0] == pytest.approx(1)

    def test_symmetric(self):
        rng = np.random.default_rng(9)
        x, y = rng.normal(size=(100, 8)), rng.normal(size=(100, 5))
        y[:, :3] += x[:, :3]
        assert similarity(x, y)[0] == pytest.approx(similarity(y, x)[0])

    def test_zero_for_independent_features_that_outnumber_points(self):
        rng = np.random.default_rng(10)
        values = [similarity(rng.normal(size=(80, 400)), rng.normal(size=(80, 400)))[0] for _ in range(20)]
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
        assert similarity(x, y)[0] == pytest.approx(hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m)))

    def test_jackknife_equals_leaving_blocks_out(self):
        rng = np.random.default_rng(12)
        x, y = rng.normal(size=(100, 4)), rng.normal(size=(100, 4))
        y += x
        without = [
            similarity(np.delete(x, block, axis=0), np.delete(y, block, axis=0))[0]
            for block in np.array_split(np.arange(100), 20)
        ]
        expected = np.sqrt(19 / 20 * ((without - np.mean(without)) ** 2).sum())
        assert similarity(x, y)[1] == pytest.approx(expected)
