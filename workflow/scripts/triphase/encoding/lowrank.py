"""Banded ridge of one wide band beside bands of low rank, over a whole grid of penalties and band weights.

With the wide band's training kernel K = U L U', low-rank bands side by side in Z (n, q), a penalty alpha and scales S
(the low-rank bands' kernel weights over the wide band's), Woodbury gives the solution from A = (K + alpha)^-1 alone:

    (K + Z S Z' + alpha)^-1 = A - A Z W Z' A,   W = S^1/2 (1 + S^1/2 G S^1/2)^-1 S^1/2,   G = Z' A Z

The low-rank bands' weights are beta = W H with H = Z' A Y, and rows with cross kernel M = K[rows, train] U and low-rank
features Z_v are predicted by P + E beta, with P = M (L + alpha)^-1 U' Y and E = Z_v - M (L + alpha)^-1 U' Z. So P is
the only large product per penalty, and each band weighting costs q-sized work: squared errors and correlations follow
from R = Y_v - P, E' R and E' E without another prediction. Without a wide band A = 1 / alpha and P = 0.

P of all penalties is combined from fewer products than there are penalties: 1 / (L_i + alpha_j) is a Cauchy matrix,
whose singular values fall exponentially, and those below the rounding of the dtype change nothing.

Hyperparameters are chosen as himalaya's random search does it (Dupre la Tour et al. 2022), by its scores and on its
backends.
"""

from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from triphase.encoding.kernels import Spectrum, dtype_name

# Share of the penalties up to which combining products beats making each by itself.
WORTH = 0.8
# Score of a penalty that rounding of the eigenvalues outweighs: never chosen.
IMPOSSIBLE = -1e5


class Solution:
    """Solutions for one weight of the wide band, every penalty (a) and weighting of the low-rank bands (w).

    Parameters
    ----------
    library : module, himalaya backend
    spectrum : triphase.encoding.kernels.Spectrum
        Of the wide band's kernel; of rank 0 where the wide band has no weight.
    low_rank : array (n_scans, q)
        Low-rank bands side by side.
    penalties : float64 array (a,)
        As if the wide band's weight were 1.
    scales : float64 array (w, q)
        Kernel weight of each column of Z as if the wide band's were 1; may be 0.

    Attributes
    ----------
    inside, across : arrays (n, q), (m, q)
        Z and Z_v, centred on the training rows.
    projected : array (rank, q), U' Z
    damping : float64 array (a, rank), 1 / (L + alpha)
    thin : bool, whether U does not span all training rows
    gram : float64 array (a, q, q), G
    """

    def __init__(
        self, library: ModuleType, spectrum: Spectrum, low_rank: Any, penalties: np.ndarray, scales: np.ndarray
    ):
        self.library, self.spectrum, self.penalties, self.dtype = library, spectrum, penalties, dtype_name(low_rank)
        mean = library.mean_float64(low_rank[spectrum.train], 0)
        self.inside, self.across = low_rank[spectrum.train] - mean, low_rank[spectrum.other] - mean
        self.projected = spectrum.vectors.T @ self.inside
        self.damping = 1 / (np.maximum(spectrum.eigenvalues, 0) + penalties[:, None])
        self.thin = len(spectrum.eigenvalues) < len(spectrum.train)
        gram = self.array(self.projected.T @ self.damped)
        if self.thin:
            beyond = self.inside.T @ self.inside - self.projected.T @ self.projected
            gram = gram + self.array(beyond) / penalties[:, None, None]
        self.gram, self._root = gram, np.sqrt(scales)

    @cached_property
    def weights(self) -> np.ndarray:
        """W of every penalty and weighting: float64 array (a, w, q, q)."""
        return self._inverse(self.gram[:, None], self._root)

    def weights_at(self, penalty: int, weighting: int) -> np.ndarray:
        """W of one penalty and weighting, by their positions: float64 array (q, q)."""
        if "weights" in self.__dict__:
            found: np.ndarray = self.weights[penalty, weighting]
            return found
        return self._inverse(self.gram[penalty], self._root[weighting])

    @staticmethod
    def _inverse(gram, root):
        inside = root[..., :, None] * gram * root[..., None, :]
        inside += np.eye(root.shape[-1])
        return root[..., :, None] * np.linalg.inv(inside) * root[..., None, :]

    @property
    def damped(self) -> Any:
        """(L + alpha)^-1 U' Z: array (a, rank, q)."""
        return self.tensor(self.damping)[:, :, None] * self.projected

    def tensor(self, values: Any) -> Any:
        """A numpy array on the backend."""
        return self.library.asarray(values, dtype=self.dtype)

    def array(self, values: Any) -> np.ndarray:
        """An array of the backend in numpy, float64."""
        return np.asarray(self.library.to_numpy(values), dtype=np.float64)

    def solve(self, responses: Any, penalty: np.ndarray, weighting: np.ndarray) -> tuple[Any, Any]:
        """Solve each voxel with its own penalty and weighting.

        Parameters
        ----------
        responses : array (n, n_targets), centred
        penalty, weighting : int arrays (n_targets,), positions in `penalties` and `scales`

        Returns
        -------
        coordinates : array (rank, n_targets)
            Dual weights of the wide band times U, so that `spectrum.cross` times them is its prediction.
        beta : array (q, n_targets)
            So that `across` times it is the prediction of the low-rank bands.
        """
        projected = self.spectrum.vectors.T @ responses
        damping = self.tensor(self.damping[penalty].T)
        moments = self.projected.T @ (damping * projected)
        if self.thin:
            beyond = self.inside.T @ responses - self.projected.T @ projected
            moments = moments + beyond / self.tensor(self.penalties[penalty])
        beta, pairs = self.library.zeros_like(moments), penalty * len(self._root) + weighting
        for pair in np.unique(pairs):
            chosen = np.flatnonzero(pairs == pair)
            weights = self.weights_at(*divmod(pair, len(self._root)))
            beta[:, chosen] = self.tensor(weights) @ moments[:, chosen]
        return damping * (projected - self.projected @ beta), beta


class Scorer:
    """Scores of the other rows for every penalty and weighting of a `Solution`, without a prediction of each.

    Parameters
    ----------
    solution : Solution
    score : str, "r2" or "correlation"
    batch : int, penalties that are scored at a time
    """

    def __init__(self, solution: Solution, score: str, batch: int):
        self.solution, self.score, self.batch = solution, score, batch
        spectrum, tensor = solution.spectrum, solution.tensor
        self.impossible = solution.penalties < -2 * min(spectrum.eigenvalues, default=0)
        damped = solution.damped if len(spectrum.eigenvalues) else solution.damped[:1]
        error = solution.across - spectrum.cross @ damped
        if score == "correlation":
            error = error - error.mean(1)[:, None]
        self.error, weights = error.swapaxes(-1, -2), solution.weights
        squared = weights @ solution.array(self.error @ error)[:, None] @ weights
        a, w, q, _ = weights.shape
        self.linear = tensor(weights.reshape(a, w * q, q)) if score == "correlation" else None
        # One product for what is linear and what is quadratic in the weights of the low-rank bands.
        self.forms = tensor(np.concatenate([2 * weights, -squared], axis=3).reshape(a, w * q, 2 * q))
        stacked = solution.library.concatenate([-spectrum.cross, solution.projected.T], 0)
        sizes = solution.array((stacked**2).sum(0))
        # Without a wide band one prediction, of zeros, serves all penalties.
        factors, combine = factorise(solution.damping if len(sizes) else solution.damping[:1], sizes, solution.dtype)
        self.combine = None if combine is None else tensor(combine)
        self.shape = len(factors), len(stacked)
        self.products = (tensor(factors)[:, None] * stacked).reshape(len(factors) * len(stacked), len(sizes))

    def scores(self, inside: Any, across: Any) -> Any:
        """Score one tile of voxels.

        Parameters
        ----------
        inside, across : arrays (n, n_targets), (m, n_targets)
            Responses, centred on the training rows.

        Returns
        -------
        array (a, w, n_targets)
        """
        solution, found = self.solution, []
        projected = solution.spectrum.vectors.T @ inside
        products = (self.products @ projected).reshape(*self.shape, projected.shape[1])
        beyond = solution.inside.T @ inside - solution.projected.T @ projected if solution.thin else None
        if self.score == "correlation":
            across = across - across.mean(0)
        total = ((across - across.mean(0)) ** 2).sum(0)
        constant = total == 0
        total[constant] = 1
        for begin in range(0, len(solution.penalties), self.batch):
            part = slice(begin, begin + self.batch)
            if self.combine is not None:
                both = (self.combine[part] @ products.reshape(len(products), -1)).reshape(-1, *products.shape[1:])
            else:
                both = products[part] if len(products) > 1 else products * 1.0
            moments = both[:, len(across) :]
            if solution.thin:
                moments = moments + beyond / solution.tensor(solution.penalties[part, None, None])
            found.append(self._score(part, both[:, : len(across)], moments, across, total))
        found = solution.library.concatenate(found, 0)
        found[:, :, constant] = 0
        if self.impossible.any():
            found[np.flatnonzero(self.impossible)] = IMPOSSIBLE
        return found

    def _score(self, part, predicted, moments, across, total):
        """Scores (a, w, n_targets) from -P (a, m, n_targets) and H (a, q, n_targets)."""
        error = self.error[part] if len(self.error) > 1 else self.error
        if self.score == "r2":
            predicted += across
            explained = self._sum(self._explained(part, error @ predicted, moments), moments)
            return 1 - (self._squares(predicted)[:, None] - explained) / total
        predicted -= predicted.mean(1)[:, None]
        variance = self._squares(predicted)[:, None]
        variance = variance - self._sum(self._explained(part, error @ predicted, moments), moments)
        covariance = self._sum(self.linear[part] @ (error @ across), moments) - (predicted * across).sum(1)[:, None]
        variance[variance <= 0] = float("inf")
        return covariance / (variance * total) ** 0.5

    def _explained(self, part, linear, moments):
        """2 W linear - W E'E W moments of every weighting: array (a, w * q, n_targets)."""
        library = self.solution.library
        if len(linear) < len(moments):  # without a wide band one serves all penalties
            linear = linear + library.zeros_like(moments)
        return self.forms[part] @ library.concatenate([linear, moments], 1)

    def _sum(self, form, moments):
        """Sum over q of moments times each weighting's form: array (a, w, n_targets)."""
        form = form.reshape(len(form), self.solution.weights.shape[1], *moments.shape[1:])
        return self.solution.library.einsum("awqt,aqt->awt", form, moments)

    def _squares(self, predicted):
        return self.solution.library.einsum("amt,amt->at", predicted, predicted)


def factorise(damping: Any, sizes: Any, dtype: Any) -> Any:
    """Few vectors of which all rows of `damping` are combined up to rounding.

    Parameters
    ----------
    damping : float64 array (a, rank)
    sizes : float64 array (rank,)
        Squared length of what each column is multiplied with.
    dtype : str, whose rounding counts

    Returns
    -------
    factors : float64 array (k, rank)
    combine : float64 array (a, k), `damping` = combine @ factors; None where nothing is gained, and factors is damping
    """
    lengths = np.sqrt((damping**2 @ sizes)[:, None])
    unit = damping / np.where(lengths > 0, lengths, 1)
    left, singular, right = np.linalg.svd(unit * np.sqrt(sizes), full_matrices=False)
    k = int((singular > singular.max(initial=0) * np.finfo(dtype).eps).sum())
    if not k or k > WORTH * len(damping):
        return damping, None
    return left[:, :k].T @ unit / singular[:k, None], left[:, :k] * singular[:k] * lengths


def choose(scores: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best penalty and weighting per voxel, with ties as in himalaya: the earlier weighting, the larger penalty.

    Parameters
    ----------
    scores : array (n_alphas, n_weightings, n_targets), averaged over folds
    alphas : array (n_alphas,)

    Returns
    -------
    penalty, weighting : int arrays (n_targets,)
    highest : float array (n_weightings, n_targets), score of each weighting at its best penalty
    """
    scores += 1e-10 * np.log(alphas)[:, None, None].astype(scores.dtype)
    position = scores.argmax(0)
    highest = np.take_along_axis(scores, position[None], 0)[0]
    best, weighting = np.full(highest.shape[1], -np.inf, highest.dtype), np.zeros(highest.shape[1], int)
    for number, values in enumerate(highest):
        better = values > best + np.finfo(highest.dtype).eps
        best[better], weighting[better] = values[better], number
    return position[weighting, np.arange(len(best))], weighting, highest
