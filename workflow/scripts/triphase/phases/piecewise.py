"""Continuous piecewise-linear curves over a grid of checkpoints, fitted by generalised least squares.

A *shape* says where a curve may bend (breakpoints are grid points) and which of its segments are plateaus. All shapes
of a grid are enumerated, so a fit is exact over breakpoints. The best curve under sign constraints (a rise, then a
fall) is found exactly too: the optimum over a cone lies inside one of its faces, the faces are the shapes with
plateaus, and inside a face it is the free optimum of that face. The columns are ramps, differences of the hinges (t -
knot)+ that span the same curves, so that coefficients are the slopes of segments.

The covariance of a curve's values is the sampling covariance (from the paired bootstrap) plus tau^2 I, the deviation
of single checkpoints from any smooth course; tau is profiled over a ladder. BIC counts the intercept, the slopes, the
breakpoints and tau.
"""

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

CELLS = 4_000_000  # values per temporary array in a search: bounds the memory


@dataclass(frozen=True)
class Shape:
    """Breakpoints as indices into the grid, and for each segment whether its slope is free (else it is a plateau)."""

    knots: tuple[int, ...]
    free: tuple[bool, ...]

    @property
    def parameters(self):
        """Number of parameters: intercept, free slopes, breakpoints, tau."""
        return 2 + sum(self.free) + len(self.knots)


@dataclass(frozen=True)
class Fit:
    """One fitted curve: `slopes` per segment (0 on plateaus) with `covariance`, and `fitted` values on the grid."""

    shape: Shape
    tau: float
    bic: float
    slopes: np.ndarray
    covariance: np.ndarray
    fitted: np.ndarray
    changes: np.ndarray
    change_errors: np.ndarray


def allowed_breakpoints(n, most=4):
    """Most breakpoints that n checkpoints bear, 2 (k + 1) + 3 for k of them; -1 where even a line is too much."""
    return min(most, (n - 3) // 2 - 1)


def enumerate_shapes(n, most, shortest=2, floor=0):
    """All shapes on n grid points with up to `most` breakpoints and at least `shortest` grid intervals per segment.

    Two neighbouring plateaus are left out: they are the shape with one breakpoint less. With `floor`, only shapes that
    begin with a plateau over that many grid points.
    """
    shapes = []
    for k in range(most + 1):
        for knots in combinations(range(1, n - 1), k):
            if min(np.diff((0, *knots, n - 1))) < shortest:
                continue
            for free in product((True, False), repeat=k + 1):
                on_floor = not floor or (not free[0] and (*knots, n - 1)[0] >= floor - 1)
                if on_floor and all(free[i] or free[i + 1] for i in range(k)):
                    shapes.append(Shape(knots, free))
    return shapes


def ramps(t, shape):
    """Design matrix of a shape, (n, 1 + free slopes): a constant, then one ramp per free segment."""
    edges = np.r_[t[0], t[list(shape.knots)], t[-1]]
    columns = [np.clip(t, edges[i], edges[i + 1]) - edges[i] for i, free in enumerate(shape.free) if free]
    return np.column_stack([np.ones_like(t), *columns])


def shrink_covariance(draws, weight):
    """Covariance of the columns of `draws` (draw, checkpoint), its correlations shrunk towards their mean.

    The target keeps every variance and gives all pairs the mean correlation (Ledoit and Wolf 2004, "Honey, I shrunk the
    sample covariance matrix"); `weight` is the target's share. Draws with a NaN are left out.
    """
    draws = draws[np.isfinite(draws).all(axis=1)]
    covariance = np.atleast_2d(np.cov(draws, rowvar=False))
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    n = len(correlation)
    mean = (correlation.sum() - np.trace(correlation)) / max(n * (n - 1), 1)
    target = np.full((n, n), mean)
    shrunk = (1 - weight) * correlation + weight * target
    np.fill_diagonal(shrunk, 1.0)
    return shrunk * scale


def tau_ladder(covariance, values, rungs=8):
    """Candidate standard deviations of single checkpoints: 0, then geometric up to the spread of the values."""
    top = np.std(values)
    noise = np.sqrt(np.median(np.diag(covariance)))
    bottom = min(max(0.3 * noise, 1e-3 * top), 0.5 * top)
    ladder = np.geomspace(bottom, top, rungs - 1)
    # A covariance without full rank cannot be whitened: tau then starts above zero.
    singular = np.linalg.eigvalsh(covariance)[0] < 1e-6 * top**2
    return ladder if singular else np.r_[0.0, ladder]


class Bank:
    """Every shape of one grid with its projectors under every rung of the tau ladder.

    Parameters
    ----------
    t : array (n,)
        Grid, increasing (log10 tokens).
    covariance : array (n, n)
        Sampling covariance of a curve's values.
    taus : array
        Standard deviations that are tried for single checkpoints.
    most : int
        Most breakpoints.
    floor : int
        Checkpoints at the start that every shape has on one plateau; 0 where shapes are free.
    """

    def __init__(self, t, covariance, taus, most, shortest=2, floor=0):
        self.t, self.sampling, self.taus = np.asarray(t, float), covariance, np.asarray(taus, float)
        self.shapes = enumerate_shapes(len(self.t), most, shortest, floor)
        designs = [ramps(self.t, shape) for shape in self.shapes]
        sizes = np.array([design.shape[1] for design in designs])
        self.members = {int(p): np.flatnonzero(sizes == p) for p in np.unique(sizes)}
        stacked = {p: np.stack([designs[i] for i in index]) for p, index in self.members.items()}
        penalty = np.log(len(self.t)) * np.array([shape.parameters for shape in self.shapes])
        self.penalty = {p: penalty[index] for p, index in self.members.items()}
        self.whiteners, self.logdets, self.projectors, self.solvers = [], [], [], []
        for tau in self.taus:
            lower = np.linalg.cholesky(self.noise(tau))
            whitener = np.linalg.inv(lower)
            self.whiteners.append(whitener)
            self.logdets.append(2 * np.log(np.diag(lower)).sum())
            factors = {p: np.linalg.qr(whitener @ design) for p, design in stacked.items()}
            self.projectors.append({p: np.swapaxes(q, 1, 2) for p, (q, _) in factors.items()})
            self.solvers.append({p: np.linalg.inv(r)[:, 1:, :] for p, (_, r) in factors.items()})

    def noise(self, tau):
        """Covariance of a curve's values with checkpoint deviation tau."""
        return self.sampling + tau**2 * np.eye(len(self.t))

    def tables(self, label):
        """Label every shape under every combination of slope signs.

        `label(signs)` takes a tuple of +1, 0, -1, one per segment, and returns a class number, or -1 for none.
        """
        tables = {}
        for p, index in self.members.items():
            table = np.empty((len(index), 2 ** (p - 1)), int)
            for row, i in enumerate(index):
                for code in range(2 ** (p - 1)):
                    bits = iter(1 if code >> bit & 1 else -1 for bit in range(p - 1))
                    table[row, code] = label(tuple(next(bits) if free else 0 for free in self.shapes[i].free))
            tables[p] = table
        return tables

    def search(self, values, tables, classes):
        """Best curve of every class for every series.

        Parameters
        ----------
        values : array (n, series)
        tables : as `tables` returns them
        classes : int
            Number of classes.

        Returns
        -------
        bic : array (classes, series); infinite where no curve of the class is feasible
        best : int array (classes, series), the shape
        """
        n, series = values.shape
        bic = np.full((classes, series), np.inf)
        best = np.full((classes, series), -1)
        for rung in range(len(self.taus)):
            white = self.whiteners[rung] @ values
            total = (white**2).sum(axis=0) + self.logdets[rung] + n * np.log(2 * np.pi)
            for p, index in self.members.items():
                step = max(1, CELLS // (p * series))
                for start in range(0, len(index), step):
                    rows = slice(start, start + step)
                    score = self.projectors[rung][p][rows] @ white
                    criterion = total - (score**2).sum(axis=1) + self.penalty[p][rows, None]
                    slopes = self.solvers[rung][p][rows] @ score
                    code = np.tensordot(1 << np.arange(p - 1), slopes > 0, axes=(0, 1))
                    label = np.take_along_axis(tables[p][rows], code, axis=1)
                    for c in range(classes):
                        candidate = np.where(label == c, criterion, np.inf)
                        row = candidate.argmin(axis=0)
                        value = candidate[row, np.arange(series)]
                        better = value < bic[c]
                        bic[c, better] = value[better]
                        best[c, better] = index[start + row[better]]
        return bic, best

    def estimate(self, values, shape):
        """Fit one shape to one series by GLS, with tau by restricted likelihood.

        Restricted likelihood, because maximum likelihood takes tau too small when a grid has few points, and this fit's
        errors and simulations rest on it. BIC stays the one of maximum likelihood.
        """
        design = ramps(self.t, shape)
        choices = []
        for rung, tau in enumerate(self.taus):
            white_design, white = self.whiteners[rung] @ design, self.whiteners[rung] @ values
            information = white_design.T @ white_design
            coefficients = np.linalg.solve(information, white_design.T @ white)
            deviance = ((white - white_design @ coefficients) ** 2).sum() + self.logdets[rung]
            restricted = deviance + np.linalg.slogdet(information)[1]
            choices.append((restricted, deviance, tau, coefficients, information))
        _, _, tau, coefficients, information = min(choices, key=lambda choice: choice[0])
        likelihood = min(choice[1] for choice in choices) + len(self.t) * np.log(2 * np.pi)
        free = np.flatnonzero(shape.free)
        slopes, covariance = np.zeros(len(shape.free)), np.zeros((len(shape.free),) * 2)
        slopes[free] = coefficients[1:]
        covariance[np.ix_(free, free)] = np.linalg.inv(information)[1:, 1:]
        length = np.diff(np.r_[self.t[0], self.t[list(shape.knots)], self.t[-1]])
        return Fit(
            shape=shape,
            tau=float(tau),
            bic=float(likelihood + shape.parameters * np.log(len(self.t))),
            slopes=slopes,
            covariance=covariance,
            fitted=design @ coefficients,
            changes=slopes * length,
            change_errors=np.sqrt(np.diag(covariance)) * length,
        )
