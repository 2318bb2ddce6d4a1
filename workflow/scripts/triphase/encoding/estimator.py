"""The low-rank solver with the interface of himalaya's `MultipleKernelRidgeCV`, for use outside the workflow.

Fits of the workflow call `triphase.encoding.ridge.fit_bands`, whose folds and spectra are made once per data set and
layer; scikit-learn, whose import takes longer than a small fit, is imported here only.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from himalaya import scoring as scores
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

from triphase.encoding.kernels import himalaya_backend, set_backend, spectrum_maker
from triphase.encoding.ridge import check_grid, weight_grid
from triphase.encoding.search import Grid

# Joint and split score by the name of the solver's.
SCORES = {
    "r2": (scores.r2_score, scores.r2_score_split),
    "correlation": (scores.correlation_score, scores.correlation_score_split),
}


class LowRankBandedRidgeCV(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Banded ridge of one wide band of features beside bands of low rank, with cross-validation per target.

    The model and the choice of hyperparameters are those of himalaya's `MultipleKernelRidgeCV` with linear kernels,
    ``solver="random_search"``, ``fit_intercept=True`` and the weights to try given as ``n_iter`` (Dupre la Tour et al.
    2022); features enter as they are given, unscaled. See `triphase.encoding.lowrank` for the method.

    Parameters
    ----------
    alphas : array (n_alphas,)
    weights : array (n_weightings, n_bands), optional
        Kernel weights to try, the wide band's first; those with the same weight of the wide band share its products.
        By default a grid over the wide band's share in steps of 0.2, see `triphase.encoding.ridge.weight_grid`.
    cv : int or scikit-learn splitter
    scoring : str, "r2" or "correlation", by which hyperparameters are chosen and `score` scores
    backend : str, himalaya backend or "auto"

    Attributes
    ----------
    deltas_ : array (n_bands, n_targets), log of kernel weight over penalty
    best_alphas_ : array (n_targets,), penalty where kernel weights sum to 1
    cv_scores_ : array (n_weightings, n_targets), at each weighting's best penalty
    dual_coef_ : array (n_samples, n_targets), weights in the space of the summed kernel
    coef_ : array (n_columns, n_targets), weights of the low-rank bands' columns side by side
    intercept_ : array (n_targets,)
    X_fit_ : array (n_samples, n_columns), the wide band centred
    dtype_ : dtype of the wide band, in which all is computed

    As in himalaya, with one target given as a vector deltas_ and dual_coef_ lose their last axis.
    """

    def __init__(
        self,
        alphas: ArrayLike = (0.1, 1.0, 10.0),
        weights: ArrayLike | None = None,
        cv: Any = 5,
        scoring: str = "r2",
        backend: str = "auto",
    ):
        self.alphas = alphas
        self.weights = weights
        self.cv = cv
        self.scoring = scoring
        self.backend = backend

    def fit(self, Xs: Sequence[np.ndarray], y: np.ndarray) -> Self:
        """Fit the model.

        Parameters
        ----------
        Xs : list of arrays (n_samples, n_columns), the wide band first
        y : array (n_samples,) or (n_samples, n_targets)

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Samples that are not finite or not as many everywhere; a penalty, weight or score that is not possible; a
            wide band that does not vary over the training rows of a fold.
        """
        if self.scoring not in SCORES:
            raise ValueError(f"scoring={self.scoring!r}; it must be one of {', '.join(SCORES)}")
        library = set_backend(self.backend)
        wide, *bands = _arrays(Xs)
        self.dtype_ = wide.dtype
        y = check_array(y, dtype=self.dtype_, ensure_2d=False, input_name="y")
        check_consistent_length(wide, *bands, y)
        one, y = y.ndim == 1, y.reshape(len(y), -1)
        alphas = np.asarray(self.alphas, float)
        weights = weight_grid(np.linspace(0, 1, 6), 1 + len(bands)) if self.weights is None else self.weights
        weights = np.atleast_2d(np.asarray(weights, float))
        check_grid(alphas, weights, 1 + len(bands))

        self.n_columns_ = [band.shape[1] for band in (wide, *bands)]
        mean = wide.mean(0)
        self.X_fit_, everything = wide - mean, np.arange(len(y))
        folds = list(check_cv(self.cv).split(everything))
        fewest = min(len(train) for train, _ in folds)
        spectrum = spectrum_maker(library, self.X_fit_, everything, [0], fewest)
        grid = Grid(library, [band - band.mean(0) for band in bands], alphas, weights, y)
        folds = [spectrum(*rows, f"fold {number}") for number, rows in enumerate(folds)]
        penalty, weighting, self.cv_scores_ = grid.search(folds, self.scoring)

        self.dual_coef_ = np.empty_like(y)
        self.coef_ = np.empty((sum(self.n_columns_[1:]), y.shape[1]), self.dtype_)

        def keep(solution, voxels, inside, *chosen):
            coordinates, beta = solution.solve(inside, *chosen)
            fitted = solution.tensor(np.maximum(solution.spectrum.eigenvalues, 0))[:, None] * coordinates
            dual = inside - solution.inside @ beta - solution.spectrum.vectors @ fitted
            self.dual_coef_[:, voxels], self.coef_[:, voxels] = library.to_numpy(dual), library.to_numpy(beta)

        grid.refit(spectrum(everything, everything[:0], "all samples"), penalty, weighting, keep)
        with np.errstate(divide="ignore"):  # a weight of 0 has a log weight of minus infinity, which is right
            self.deltas_ = np.log(weights[weighting].T / alphas[penalty]).astype(self.dtype_)
        self.best_alphas_ = 1 / np.exp(self.deltas_).sum(0)
        offsets = self._split([mean[None], *(band.mean(0)[None] for band in bands)])
        self.intercept_ = y.mean(0) - offsets.sum(0)[0]
        if one:
            self.dual_coef_, self.deltas_ = self.dual_coef_[:, 0], self.deltas_[:, 0]
        return self

    def predict(self, Xs: Sequence[np.ndarray], split: bool = False) -> np.ndarray:
        """Predict rows.

        Parameters
        ----------
        Xs : list of arrays (n_rows, n_columns), as in `fit`
        split : bool
            Whether to return each band's part. The parts and the intercept, which is in none of them, sum to the joint
            prediction.

        Returns
        -------
        array (n_rows,) or (n_rows, n_targets); with `split` (n_bands, n_rows) or (n_bands, n_rows, n_targets)
        """
        parts = self._split(self._checked(Xs))
        found = parts if split else parts.sum(0) + self.intercept_
        return found[..., 0] if self.dual_coef_.ndim == 1 else found

    def score(self, Xs: Sequence[np.ndarray], y: np.ndarray, split: bool = False) -> np.ndarray:
        """Score predictions of rows by `scoring`, as himalaya does it.

        Split correlations sum to the joint one. Split R² do where the responses without the intercept have a mean of
        zero over the rows, and himalaya warns where they have not.

        Returns
        -------
        array (n_targets,); with `split` (n_bands, n_targets); without the last axis where `y` was a vector in `fit`
        """
        parts = self._split(self._checked(Xs))
        y = check_array(y, dtype=self.dtype_, ensure_2d=False, input_name="y")
        check_consistent_length(parts[0], y)
        # As in himalaya, the intercept is taken from the responses, since no band has it.
        measured = y.reshape(len(y), -1) - self.intercept_
        joint, by_band = SCORES[self.scoring]
        library = himalaya_backend(set_backend(self.backend).name)
        found = library.to_numpy(by_band(measured, parts) if split else joint(measured, parts.sum(0)))
        return found[..., 0] if self.dual_coef_.ndim == 1 else found

    def _checked(self, Xs):
        check_is_fitted(self)
        bands = _arrays(Xs, self.dtype_)
        check_consistent_length(*bands)
        found = [band.shape[1] for band in bands]
        if found != self.n_columns_:
            raise ValueError(f"Xs has bands of {found} columns; the model was fitted with {self.n_columns_}")
        return bands

    def _split(self, bands):
        """Parts of the prediction (n_bands, n_rows, n_targets), without the intercept."""
        library, (wide, *bands) = set_backend(self.backend), bands
        dual, weight = (values.reshape(len(values), -1) for values in (self.dual_coef_, np.exp(self.deltas_)))
        wide, fit, dual = (library.asarray(values) for values in (wide, self.X_fit_, dual))
        # Whichever is smaller: the kernel of new rows, or the weights of the wide band's columns.
        first = (wide @ fit.T) @ dual if len(wide) < dual.shape[1] else wide @ (fit.T @ dual)
        parts, begin = [library.to_numpy(first) * weight[0]], 0
        for band in bands:
            coefficients = library.asarray(self.coef_[begin : begin + band.shape[1]])
            parts.append(library.to_numpy(library.asarray(band) @ coefficients))
            begin += band.shape[1]
        return np.stack(parts)


def _arrays(Xs, dtype=(np.float64, np.float32)):
    """Bands as finite arrays of one dtype; the first one's where there is a choice."""
    wide = check_array(Xs[0], dtype=dtype, input_name="Xs[0]")
    rest = [check_array(band, dtype=wide.dtype, input_name=f"Xs[{n}]") for n, band in enumerate(Xs[1:], 1)]
    return [wide, *rest]
