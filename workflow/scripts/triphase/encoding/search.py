"""Search of a grid of penalties and band weights by `triphase.encoding.lowrank`, in tiles of voxels."""

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType

import numpy as np

from triphase.encoding.kernels import Spectrum
from triphase.encoding.lowrank import Scorer, Solution, choose
from triphase.encoding.tiles import in_tiles, tile_size


class Grid:
    """Penalties and band weights to try on responses.

    Parameters
    ----------
    library : module, himalaya backend
    bands : list of float arrays (n_scans, n_columns), of low rank, scaled
    alphas : float array (n_alphas,)
    weights : float array (n_weightings, 1 + n_bands)
        Kernel weights, the wide band's first; may be 0.
    responses : float array (n_scans, n_targets), in whose dtype all is computed

    Attributes
    ----------
    columns : list of slice, place of each low-rank band among the columns of all
    """

    def __init__(
        self,
        library: ModuleType,
        bands: list[np.ndarray],
        alphas: np.ndarray,
        weights: np.ndarray,
        responses: np.ndarray,
    ):
        self.library, self.alphas, self.weights, self.responses = library, alphas, weights, responses
        self.widths = [band.shape[1] for band in bands]
        self.columns = [slice(begin, end) for begin, end in pairwise(np.cumsum([0, *self.widths]))]
        low_rank = np.concatenate([np.zeros((len(responses), 0)), *bands], axis=1)
        self.low_rank = library.asarray(low_rank, dtype=str(responses.dtype))
        # Weightings with one weight of the wide band share the large products.
        self.groups = [(wide, np.flatnonzero(weights[:, 0] == wide)) for wide in np.unique(weights[:, 0])]

    def search(self, folds: list[Spectrum], score: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Score the grid on inner folds and choose each voxel's best point.

        Parameters
        ----------
        folds : list of triphase.encoding.kernels.Spectrum
        score : str, "r2" or "correlation"

        Returns
        -------
        penalty, weighting, highest : see `triphase.encoding.lowrank.choose`
        """
        library, y = self.library, self.responses
        scores = np.zeros((len(self.alphas), len(self.weights), y.shape[1]), y.dtype)
        for fold in folds:
            for wide, chosen in self.groups:
                size, batch = tile_size(library, fold, len(scores), len(chosen), sum(self.widths), y)
                scorer = Scorer(self._solution(fold, wide, chosen), score, batch)

                def score_tile(tile, fold=fold, chosen=chosen, scorer=scorer):
                    found = scorer.scores(*_centred(library, fold, y[:, tile]))
                    scores[:, chosen, tile] += library.to_numpy(found) / len(folds)

                in_tiles(library, y.shape[1], size, score_tile)
        return choose(scores, self.alphas)

    def refit(self, spectrum: Spectrum, penalty: np.ndarray, weighting: np.ndarray, work: Callable[..., None]) -> None:
        """Call `work` with the solution of every voxel's own grid point, tile by tile.

        Parameters
        ----------
        spectrum : triphase.encoding.kernels.Spectrum, of all training rows
        penalty, weighting : int arrays (n_targets,)
        work : function of (solution, voxels, *arguments)
            A `Solution`, an int array of voxels, and the arguments of `Solution.solve` for them.
        """
        for wide, chosen in self.groups:
            solution, targets = self._solution(spectrum, wide, chosen), np.flatnonzero(np.isin(weighting, chosen))
            place = np.searchsorted(chosen, weighting)

            def work_on_tile(tile, solution=solution, targets=targets, place=place):
                voxels = targets[tile]
                inside, _ = _centred(self.library, spectrum, self.responses[:, voxels])
                work(solution, voxels, inside, penalty[voxels], place[voxels])

            size, _ = tile_size(self.library, spectrum, 1, 1, sum(self.widths), self.responses)
            in_tiles(self.library, len(targets), size, work_on_tile)

    def _solution(self, spectrum, wide, chosen):
        """Solutions of the weightings that have one weight of the wide band, as if that were 1."""
        scales = np.repeat(self.weights[chosen, 1:] / (wide or 1), self.widths, axis=1)
        spectrum = spectrum if wide else spectrum.empty()
        return Solution(self.library, spectrum, self.low_rank, self.alphas / (wide or 1), scales)


def _centred(library, spectrum, y):
    """Training and other rows of responses, centred on the training rows."""
    inside, across = (library.asarray(y[rows]) for rows in (spectrum.train, spectrum.other))
    mean = library.mean_float64(inside, 0)
    return inside - mean, across - mean
