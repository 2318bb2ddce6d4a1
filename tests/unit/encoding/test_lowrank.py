import logging
from types import SimpleNamespace

import numpy as np
import pytest
from himalaya.backend import set_backend
from himalaya.kernel_ridge._random_search import _select_best_alphas
from himalaya.scoring import correlation_score, r2_score

from triphase.encoding.kernels import Spectrum
from triphase.encoding.lowrank import IMPOSSIBLE, Scorer, Solution, choose, factorise
from triphase.encoding.tiles import in_tiles

N, M, Q, V = 40, 15, 5, 7
PENALTIES = np.logspace(-2, 3, 9)
# Some bands, or all, may have no weight.
SCALES = np.array([[0.3] * Q, [0.0] * Q, [2.0, 2.0, 0.0, 0.0, 0.0], [1e-3, 1e-3, 50, 50, 50]])


def problem(rank, dtype=np.float64):
    """A wide band of `rank` columns, its spectrum, low-rank columns and responses."""
    generator = np.random.default_rng(rank)
    x = generator.standard_normal((N + M, rank)) / np.sqrt(max(rank, 1))
    z, y = generator.standard_normal((N + M, Q)), generator.standard_normal((N + M, V))
    y += x @ generator.standard_normal((rank, V)) + z @ generator.standard_normal((Q, V)) / 2
    train, other = np.arange(N), N + np.arange(M)
    x, z, y = (values - values[train].mean(0) for values in (x, z, y))
    values, vectors = np.linalg.eigh(x[train] @ x[train].T)
    kept = slice(None) if rank >= N else slice(N - rank, None)
    spectrum = Spectrum(train, other, vectors[:, kept].astype(dtype), values[kept],
                        (x[other] @ x[train].T @ vectors[:, kept]).astype(dtype))  # fmt: skip
    return SimpleNamespace(x=x, z=z, y=y, train=train, other=other, spectrum=spectrum)


def dense(data, penalty, scale):
    """Predictions of the wide and of the low-rank bands, from the full kernels."""
    train, other, z = data.train, data.other, data.z * np.sqrt(scale)
    kernel = data.x[train] @ data.x[train].T + z[train] @ z[train].T
    dual = np.linalg.solve(kernel + penalty * np.eye(N), data.y[train])
    return data.x[other] @ data.x[train].T @ dual, z[other] @ z[train].T @ dual


@pytest.mark.parametrize("rank", [90, 8, 0], ids=["full", "thin", "no wide band"])
@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("batch", [4, 9])
def test_scores_equal_those_of_every_prediction(rank, score, batch):
    data, library = problem(rank), set_backend("numpy")
    scorer = Scorer(Solution(library, data.spectrum, data.z, PENALTIES, SCALES), score, batch)
    found = scorer.scores(data.y[data.train], data.y[data.other])
    function = {"r2": r2_score, "correlation": correlation_score}[score]
    for a, penalty in enumerate(PENALTIES):
        for w, scale in enumerate(SCALES):
            expected = function(data.y[data.other], sum(dense(data, penalty, scale)))
            np.testing.assert_allclose(found[a, w], expected, atol=1e-9)


@pytest.mark.parametrize("rank", [90, 8, 0], ids=["full", "thin", "no wide band"])
def test_predictions_have_every_voxels_own_penalty_and_weighting(rank):
    data, library = problem(rank), set_backend("numpy")
    penalty, weighting = np.arange(V) % 9, np.arange(V) % 4
    solution = Solution(library, data.spectrum, data.z, PENALTIES, SCALES)
    coordinates, beta = solution.solve(data.y[data.train], penalty, weighting)
    wide = data.spectrum.cross @ coordinates
    for voxel in range(V):
        expected = dense(data, PENALTIES[penalty[voxel]], SCALES[weighting[voxel]])
        np.testing.assert_allclose(wide[:, voxel], expected[0][:, voxel], atol=1e-9)
        np.testing.assert_allclose((solution.across @ beta)[:, voxel], expected[1][:, voxel], atol=1e-9)


@pytest.mark.parametrize("rank", [90, 8], ids=["full", "thin"])
def test_combined_products_lose_nothing_in_float32(rank):
    exact, data, library = problem(rank), problem(rank, np.float32), set_backend("numpy")
    penalties = np.logspace(-1, 5, 25)
    scorer = Scorer(
        Solution(library, data.spectrum, data.z.astype(np.float32), penalties, SCALES), "r2", len(penalties)
    )
    assert scorer.combine is not None and len(scorer.combine.T) < 15
    found = scorer.scores(*(data.y[rows].astype(np.float32) for rows in (data.train, data.other)))
    scorer = Scorer(Solution(library, exact.spectrum, exact.z, penalties, SCALES), "r2", len(penalties))
    expected = scorer.scores(exact.y[exact.train], exact.y[exact.other])
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_vectors_are_few_and_combine_to_all_penalties():
    values, penalties = np.geomspace(0.1, 300, 1200), np.logspace(-1, 5, 20)
    damping = 1 / (values + penalties[:, None])
    factors, combine = factorise(damping, values**2, "float32")
    assert len(factors) <= 16
    error = np.linalg.norm((combine @ factors - damping) * values, axis=1)
    assert (error < 1e-6 * np.linalg.norm(damping * values, axis=1)).all()
    same, nothing = factorise(damping[:3], values**2, "float64")
    assert nothing is None and (same == damping[:3]).all()


def test_voxels_that_are_constant_where_they_are_scored_have_score_zero():
    data, library = problem(90), set_backend("numpy")
    data.y[data.other, 2] = 1.5
    solution = Solution(library, data.spectrum, data.z, PENALTIES, SCALES)
    for score in ("r2", "correlation"):
        found = Scorer(solution, score, 4).scores(data.y[data.train], data.y[data.other])
        assert (found[..., 2] == 0).all() and np.isfinite(found).all()


def test_penalties_that_rounding_outweighs_are_never_chosen():
    data, library = problem(90), set_backend("numpy")
    data.spectrum.eigenvalues[0] = -0.02
    scorer = Scorer(Solution(library, data.spectrum, data.z, PENALTIES, SCALES), "r2", 9)
    found = scorer.scores(data.y[data.train], data.y[data.other])
    assert (found[PENALTIES < 0.04] == IMPOSSIBLE).all() and (found[PENALTIES >= 0.04] > IMPOSSIBLE).all()


def test_ties_are_resolved_as_himalaya_does_it():
    set_backend("numpy")
    scores = np.random.default_rng(0).integers(0, 3, (2, 6, 4, 200)).astype(float)  # folds, alphas, weightings, voxels
    alphas, best, chosen = np.logspace(0, 2, 6), np.full(200, -np.inf), np.zeros((2, 200), int)
    for w in range(4):
        position, values = _select_best_alphas(scores[:, :, w], alphas, local_alpha=True, conservative=False)
        better = values > best + np.finfo(float).eps
        best[better], chosen[0, better], chosen[1, better] = values[better], position[better], w
    penalty, weighting, highest = choose(scores.mean(0), alphas)
    np.testing.assert_array_equal([penalty, weighting], chosen)
    np.testing.assert_array_equal(highest[weighting, np.arange(200)], best)


def test_tiles_cover_all_voxels_and_halve_where_memory_runs_out(caplog):
    seen = []
    in_tiles(set_backend("numpy"), 23, 5, lambda tile: seen.append(np.arange(23)[tile]))
    assert sorted(np.concatenate(seen)) == list(range(23)) and max(map(len, seen)) <= 5
    gpu, seen = SimpleNamespace(name="torch_cuda"), []

    def work(tile):
        if tile.stop - tile.start > 6:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
        seen.append(np.arange(23)[tile])

    with caplog.at_level(logging.WARNING):
        in_tiles(gpu, 23, 16, work)
    assert np.concatenate(seen).tolist() == list(range(23))
    assert "out of memory with 16 voxels at a time; going on with 8" in caplog.text
    with pytest.raises(RuntimeError, match="illegal"):
        in_tiles(gpu, 3, 2, lambda tile: (_ for _ in ()).throw(RuntimeError("illegal instruction")))
