"""Continuous piecewise-linear curves over a grid of checkpoints, fitted by generalised least squares.

A *shape* says where a curve may bend (breakpoints are grid points) and which of its segments are plateaus. All shapes
of a grid are searched (`triphase.phases.search`), so a fit is exact over breakpoints. The best curve under sign
constraints (a rise, then a fall) is found exactly too: the optimum over a cone lies inside one of its faces, the faces
are the shapes with plateaus, and inside a face it is the free optimum of that face. The columns are ramps, differences
of the hinges (t - knot)+ that span the same curves, so that coefficients are the slopes of segments.

The covariance of a curve's values is the sampling covariance (from the paired bootstrap) plus tau^2 I, the deviation
of single checkpoints from any smooth course; tau is profiled over a ladder. BIC counts the intercept, the slopes, the
breakpoints and tau.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product

import numpy as np
from scipy.stats import t as student

from triphase.phases.search import Rung, likeliest_first, search
from triphase.phases.tree import Shape, Tree

# How much larger than the smallest a deviance may be for a tau that a fit bears: an interval of 68 %.
BORNE = 1.0
# Signs of a curve's segments, 1, 0 or -1; and a function of them that says to which class a curve belongs, -1 for none.
Signs = Sequence[int]
Label = Callable[[Signs], int]


@dataclass(frozen=True)
class Fit:
    """One fitted curve: `slopes` per segment (0 on plateaus) with `covariance`, and `fitted` values on the grid.

    `tau` is the estimated deviation of single checkpoints, `tau_upper` the largest that the fit bears (as for
    `Bank.largest_tau`, independent deviations): errors are those under the latter, since the estimate is 0 in two of
    five fits whose truth is not. They have `freedom` degrees of freedom.
    """

    shape: Shape
    tau: float
    tau_upper: float
    bic: float
    slopes: np.ndarray
    covariance: np.ndarray
    fitted: np.ndarray
    changes: np.ndarray
    change_errors: np.ndarray
    freedom: float = np.inf

    def factor(self, level: float) -> float:
        """How many errors an interval of this level reaches to either side: Student's t."""
        return float(student.ppf((1 + level) / 2, self.freedom))


def allowed_breakpoints(n: int, most: int = 4) -> int:
    """Most breakpoints that n checkpoints bear, 2 (k + 1) + 3 for k of them; -1 where even a line is too much."""
    return min(most, (n - 3) // 2 - 1)


def enumerate_shapes(n: int, most: int, shortest: int = 2, floor: int = 0) -> list[Shape]:
    """All shapes on n grid points with up to `most` breakpoints and at least `shortest` grid intervals per segment.

    Two neighbouring plateaus are left out: they are the shape with one breakpoint less. With `floor`, only shapes that
    begin with a plateau over that many grid points. Shapes come by number of breakpoints, then by their plateaus.
    """
    shapes = []
    for k in range(most + 1):
        # Combinations of a shorter range, pulled apart, are those whose segments are long enough.
        spread = [shortest + i * (shortest - 1) for i in range(k)]
        close = combinations(range(n - 1 - (k + 1) * (shortest - 1) - 1), k)
        places = [tuple(map(sum, zip(knots, spread, strict=True))) for knots in close]
        places = [knots for knots in places if (*knots, n - 1)[0] >= floor - 1]
        for free in product((True, False), repeat=k + 1):
            if not (floor and free[0]) and all(free[i] or free[i + 1] for i in range(k)):
                shapes += [Shape(knots, free) for knots in places]
    return shapes


def ramps(t: np.ndarray, shape: Shape) -> np.ndarray:
    """Design matrix of a shape, (n, 1 + free slopes): a constant, then one ramp per free segment."""
    edges = np.r_[t[0], t[list(shape.knots)], t[-1]]
    columns = [np.clip(t, edges[i], edges[i + 1]) - edges[i] for i, free in enumerate(shape.free) if free]
    return np.column_stack([np.ones_like(t), *columns])


def tau_ladder(covariance: np.ndarray, values: np.ndarray, rungs: int = 8) -> np.ndarray:
    """Candidate standard deviations of single checkpoints: 0, then geometric up to the spread of the values."""
    top = np.std(values)
    noise = np.sqrt(np.median(np.diag(covariance)))
    bottom = min(max(0.3 * noise, 1e-3 * top), 0.5 * top)
    ladder = np.geomspace(bottom, top, rungs - 1)
    # A covariance without full rank cannot be whitened: tau then starts above zero.
    singular = np.linalg.eigvalsh(covariance)[0] < 1e-6 * top**2
    return ladder if singular else np.r_[0.0, ladder]


@lru_cache(maxsize=8)
def tree(n: int, most: int, shortest: int, floor: int) -> Tree:
    """The shapes of a grid as a tree, made once for all curves on grids of this length."""
    return Tree(enumerate_shapes(n, most, shortest, floor), n)


class Bank:
    """Every shape of one grid under every rung of the tau ladder.

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
    freedom : float
        Degrees of freedom of the covariance.
    """

    def __init__(
        self,
        t: np.ndarray,
        covariance: np.ndarray,
        taus: Sequence[float] | np.ndarray,
        most: int,
        shortest: int = 2,
        floor: int = 0,
        freedom: float = np.inf,
    ) -> None:
        self.freedom = freedom
        self.t, self.sampling, self.taus = np.asarray(t, float), covariance, np.asarray(taus, float)
        self.tree = tree(len(self.t), most, shortest, floor)
        self.shapes = self.tree.shapes
        self.in_order: list[Rung] | None = None

    @cached_property
    def rungs(self) -> list[Rung]:
        """What a search needs under each tau; its larger parts are made when they are first used."""
        return [Rung(self.t, self.noise(tau), self.tree) for tau in self.taus]

    def noise(self, tau: float) -> np.ndarray:
        """Covariance of a curve's values with checkpoint deviation tau."""
        return self.sampling + tau**2 * np.eye(len(self.t))

    def search(
        self, values: np.ndarray, label: Label, classes: int, window: tuple[float, float] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best curve of every class for every series.

        Parameters
        ----------
        values : array (n, series)
        label : callable
            Takes a tuple of +1, 0, -1, one per segment, and returns a class number, or -1 for none.
        classes : int
            Number of classes.
        window : pair of float, optional
            Of two classes. What is asked is the margin, BIC of the second minus BIC of the first, and only where it
            lies in this window: one outside comes out on the same side of it, but is not exact. Spares much of the
            search.

        Returns
        -------
        bic : array (classes, series); infinite where no curve of the class is feasible
        best : int array (classes, series), the shape; -1 where there is none
        """
        values = np.asarray(values, float)
        # Later series are mostly simulated from the first one's fit: its order serves them too, and changes no result.
        self.in_order = self.in_order or likeliest_first(self.rungs, values)
        return search(self.in_order, values, label, classes, window)

    def slopes(self, values: np.ndarray, shapes: np.ndarray, tau: float) -> np.ndarray:
        """Slopes of the free segments, (series, free segments), each series (n, series) fitted by its own shape.

        All shapes have the same plateaus; `tau` is of the ladder.
        """
        unique, where = np.unique(shapes, return_inverse=True)
        rung, free = self.rungs[int(np.argmin(np.abs(self.taus - tau)))], self.shapes[unique[0]].free
        _, solver = rung.slopes(free, self.tree.edges(unique))
        return np.einsum("sfn,ns->sf", solver[where], rung.whitener @ values)

    def with_steps(self, design: np.ndarray, shape: Shape) -> np.ndarray:
        """A design with a step at every breakpoint: how the curve changes where a breakpoint moves."""
        return np.column_stack([design, *((self.t > self.t[knot]).astype(float) for knot in shape.knots)])

    def largest_tau(self, values: np.ndarray, shape: Shape, correlated: np.ndarray) -> float:
        """The largest tau of the ladder that a fit bears, for deviations with a correlation matrix (n, n).

        Its restricted likelihood is at most e^0.5 times smaller than the largest: the upper end of an interval of 68 %.
        """
        design, deviances = self.with_steps(ramps(self.t, shape), shape), []
        for tau in self.taus:
            lower = np.linalg.cholesky(self.sampling + tau**2 * correlated)
            white = np.linalg.solve(lower, np.column_stack([design, values]))
            deviances.append(restricted_deviance(white[:, :-1], white[:, -1]) + 2 * np.log(np.diag(lower)).sum())
        return float(self.taus[np.flatnonzero(np.array(deviances) <= min(deviances) + BORNE)[-1]])

    def estimate(self, values: np.ndarray, shape: Shape) -> Fit:
        """Fit one shape to one series by GLS, with tau by restricted likelihood.

        Restricted likelihood, because maximum likelihood takes tau too small when a grid has few points, and this fit's
        errors and simulations rest on it. It is that beside the places of the breakpoints too, which were fitted: a
        breakpoint that moves adds a step to the curve. BIC stays the one of maximum likelihood.
        """
        design = ramps(self.t, shape)
        moved = self.with_steps(design, shape)
        choices = []
        for tau, rung in zip(self.taus, self.rungs, strict=True):
            white_design, white = rung.whitener @ design, rung.whitener @ values
            information = white_design.T @ white_design
            coefficients = np.linalg.solve(information, white_design.T @ white)
            deviance = ((white - white_design @ coefficients) ** 2).sum() + rung.logdet
            restricted = restricted_deviance(rung.whitener @ moved, white) + rung.logdet
            choices.append((restricted, deviance, tau, coefficients, information))
        least, _, tau, coefficients, information = min(choices, key=lambda choice: choice[0])
        upper = max(choice[2] for choice in choices if choice[0] <= least + BORNE)
        likelihood = min(choice[1] for choice in choices) + len(self.t) * np.log(2 * np.pi)
        free = np.flatnonzero(shape.free)
        slopes, covariance = np.zeros(len(shape.free)), np.zeros((len(shape.free),) * 2)
        slopes[free] = coefficients[1:]
        inverse = np.linalg.inv(information)
        spread = np.linalg.solve(self.noise(tau), design) @ inverse
        # Under the upper end the estimator stays the same and its error grows.
        errors = inverse + (upper**2 - tau**2) * spread.T @ spread
        covariance[np.ix_(free, free)] = errors[1:, 1:]
        length = np.diff(np.r_[self.t[0], self.t[list(shape.knots)], self.t[-1]])
        return Fit(
            shape=shape,
            tau=float(tau),
            tau_upper=float(upper),
            bic=float(likelihood + shape.parameters * np.log(len(self.t))),
            slopes=slopes,
            covariance=covariance,
            fitted=design @ coefficients,
            changes=slopes * length,
            change_errors=np.sqrt(np.diag(covariance)) * length,
            freedom=self.freedom,
        )


def restricted_deviance(design: np.ndarray, values: np.ndarray) -> Callable[[np.ndarray], float]:
    """Minus twice the restricted log likelihood of whitened values, without the determinant of their covariance."""
    basis, triangle = np.linalg.qr(design)
    return (values**2).sum() - ((basis.T @ values) ** 2).sum() + 2 * np.log(np.abs(np.diag(triangle))).sum()
