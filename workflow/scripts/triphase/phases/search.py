"""Finds the best curve of every class among all shapes of a grid without fitting every shape to every series.

The shapes form a tree (`triphase.phases.tree`): each is its parent plus one ramp. A ramp explains as much more as the
squared product of the series with the part of the ramp that the parent does not span, over that part's squared length.
Both follow from the Gram matrices of the hinges, swept by each of the *small* shapes, those with two breakpoints or
fewer (all-subsets regression: Furnival and Wilson 1974, "Regressions by leaps and bounds", Technometrics 16). Signs of
slopes are computed only for curves that would be the best of their class, and a rung of the tau ladder is left out
where a bound shows that it holds nothing better. tests/helpers/plain_search.py does the same without any of this.

*Swept* by a shape means: less the part that the shape's columns explain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import product

import numpy as np

from triphase.core.batches import slices
from triphase.phases.tree import Tree

CELLS = 32_000  # values of a temporary array, which then stays in a core's cache
TOGETHER = 80  # times as many values in the products of the series that are searched together
PAIRS = 20_000  # curves whose signs are computed at a time
PILOT = 16  # series that tell which rungs are likely
# For each kind of plateaus, the class of every combination of signs of its free segments.
Tables = dict[tuple[bool, ...], np.ndarray]


class Rung:
    """What a search needs under one covariance of the values.

    Parameters
    ----------
    t : array (n,), the grid
    covariance : array (n, n)
    tree : of the grid's shapes
    """

    def __init__(self, t: np.ndarray, covariance: np.ndarray, tree: Tree):
        self.tree, self.covariance, n = tree, covariance, len(t)
        lower = np.linalg.cholesky(covariance)
        self.whitener = np.linalg.inv(lower)
        self.logdet = 2 * np.log(np.diag(lower)).sum()
        self.offset = self.logdet + n * np.log(2 * np.pi)  # minus twice the log likelihood, without the residuals
        # Slopes are per unit of t; column j is the hinge (t - t_j)+.
        self.hinges = self.whitener @ np.clip(t[:, None] - t, 0, None)
        self.constant = self.whitener.sum(axis=1)
        self.constant /= np.linalg.norm(self.constant)
        self.residual_hinges = self.hinges - np.outer(self.constant, self.constant @ self.hinges)

    @cached_property
    def swept(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What the small shapes make of the hinges.

        Returns
        -------
        gram : array (small, n, n), Gram matrix of the hinges, swept by the shape
        own, length : arrays (small, n) and (small,), products of the shape's own ramp with the hinges, and its squared
            length, both swept by its parent
        coefficients : array (ramp, small, n), of the ramps from the root down to the shape, for each hinge
        """
        tree, n = self.tree, len(self.constant)
        coefficients = np.zeros((len(tree.levels), tree.small, n))
        gram = np.empty((tree.small, n, n))
        own, length = np.zeros((tree.small, n)), np.ones(tree.small)
        gram[tree.root] = self.residual_hinges.T @ self.residual_hinges
        for depth, level in enumerate(tree.levels):
            parent, left, right = tree.parent[level], tree.left[level], tree.right[level]
            row = gram[parent, left] - gram[parent, right]
            each = np.arange(len(level))
            own[level], length[level] = row, row[each, left] - row[each, right]
            share = row / length[level, None]
            gram[level] = gram[parent] - row[:, :, None] * share[:, None, :]
            of_ramp = coefficients[:, parent, left] - coefficients[:, parent, right]
            coefficients[:, level] = coefficients[:, parent] - of_ramp[:, :, None] * share
            coefficients[depth, level] = share
        return gram, own, length, coefficients

    @cached_property
    def lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Squared length of every shape's own ramp, swept by its parent, and the share of the parent's ramp in it."""
        tree = self.tree
        gram, _, short, _ = self.swept
        length, ratio = np.ones(len(tree.shapes)), np.zeros(len(tree.shapes))
        length[: tree.small] = short
        rows, above = np.arange(tree.small, len(tree.shapes)), tree.above
        left, right = tree.left[rows], tree.right[rows]
        length[rows] = gram[above, left, left] + gram[above, right, right] - 2 * gram[above, left, right]
        late, parent = rows >= tree.middle, tree.parent[rows]
        above, left, right, parent = above[late], left[late], right[late], parent[late]
        a, b = tree.left[parent], tree.right[parent]
        cross = gram[above, left, a] - gram[above, left, b] - gram[above, right, a] + gram[above, right, b]
        ratio[tree.middle :] = cross / length[parent]
        length[tree.middle :] -= ratio[tree.middle :] * cross
        return length, ratio

    def slopes(self, free: tuple[bool, ...], edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ramps of the free segments of shapes with the same plateaus, and the rows that solve for their slopes.

        Returns
        -------
        two arrays (shapes, free segments, n), whose products with whitened values are moments and slopes
        """
        segments = np.flatnonzero(free)
        ramps = self.hinges.T[edges[:, segments]] - self.hinges.T[edges[:, segments + 1]]
        ramps = ramps - (ramps @ self.constant)[:, :, None] * self.constant
        return ramps, np.linalg.solve(ramps @ np.swapaxes(ramps, 1, 2), ramps)

    @cached_property
    def small(self) -> list[tuple[tuple[bool, ...], int, np.ndarray, np.ndarray]]:
        """`slopes` of every group of small shapes."""
        groups = [group for group in self.tree.groups if group[1] < self.tree.small]
        return [(free, start, *self.slopes(free, self.tree.edges(range(start, stop)))) for free, start, stop in groups]

    def products(self, white: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Series against each small shape.

        Returns
        -------
        hinges : array (small, n, series), products with the hinges, swept by the shape
        coefficients : array (ramp, small, series), of the ramps from the root down to the shape
        explained, product : arrays (middle, series), sums of squares that a shape explains, and products with its own
            ramp; the rows after the small shapes are still to be filled
        """
        tree, (_, own, length, of_hinges) = self.tree, self.swept
        hinges = np.empty((tree.small, *white.shape))
        coefficients = np.zeros((len(tree.levels), tree.small, white.shape[1]))
        explained, product = np.zeros((2, tree.middle, white.shape[1]))
        hinges[tree.root] = self.residual_hinges.T @ white
        explained[tree.root] = (self.constant @ white) ** 2
        for depth, level in enumerate(tree.levels):
            parent, left, right = tree.parent[level], tree.left[level], tree.right[level]
            product[level] = hinges[parent, left] - hinges[parent, right]
            share = product[level] / length[level, None]
            explained[level] = explained[parent] + product[level] * share
            hinges[level] = hinges[parent] - own[level][:, :, None] * share[:, None, :]
            of_ramp = of_hinges[:, parent, left] - of_hinges[:, parent, right]
            coefficients[:, level] = coefficients[:, parent] - of_ramp[:, :, None] * share
            coefficients[depth, level] = share
        return hinges, coefficients, explained, product


class Best:
    """The best curve of every class so far, for every series."""

    def __init__(self, classes: int, series: int, window: tuple[float, float] | None = None):
        self.bic = np.full((classes, series), np.inf)
        self.shape = np.full((classes, series), -1)
        self.window = window

    def subset(self, series: np.ndarray) -> Best:
        """A copy for some of the series only."""
        part = Best(0, 0, self.window)
        part.bic, part.shape = self.bic[:, series], self.shape[:, series]
        return part

    def ceiling(self, classes: np.ndarray) -> np.ndarray:
        """BIC that a curve of one of these classes must undercut to change the answer, per series."""
        if self.window is None or not len(classes):
            return self.bic[classes].max(axis=0, initial=-np.inf)
        low, high = self.window
        first, second = self.bic
        return np.array([np.minimum(first, second - low), np.minimum(second, first + high)])[classes].max(axis=0)

    def offer(self, label: np.ndarray, series: np.ndarray, bic: np.ndarray, shape: np.ndarray) -> None:
        """Enter the curves that are better than those so far; arrays of one length, `label` -1 where there is none."""
        better = np.flatnonzero((label >= 0) & (bic < self.bic[label, series]))
        better = better[np.argsort(-bic[better], kind="stable")]  # of several for one place, the last one is kept
        place = label[better], series[better]
        self.bic[place], self.shape[place] = bic[better], shape[better]


def class_table(free: tuple[bool, ...], label: Callable[[tuple[int, ...]], int]) -> np.ndarray:
    """Class of every combination of signs of the free segments; bit i of its place is set where the i-th one rises."""
    table = []
    for bits in product((-1, 1), repeat=sum(free)):
        signs = iter(reversed(bits))
        table.append(label(tuple(next(signs) if each else 0 for each in free)))
    return np.array(table)


def likeliest_first(rungs: Sequence[Rung], values: np.ndarray) -> list[Rung]:
    """Rungs by how well they fit a few of the series, the best first: what they hold rules out others."""
    series = values[:, :PILOT]
    tables = {free: class_table(free, lambda signs: 0) for free, _, _ in rungs[0].tree.groups}
    pilot = [scan_small(rung, series, tables, Best(1, series.shape[1])) for rung in rungs]
    fit = [rung.offset + rest.min(axis=0).mean() for rung, rest in zip(rungs, pilot, strict=True)]
    return [rungs[i] for i in np.argsort(fit, kind="stable")]


def search(
    rungs: Sequence[Rung],
    values: np.ndarray,
    label: Callable[[tuple[int, ...]], int],
    classes: int,
    window: tuple[float, float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Best curve of every class for every series (see `piecewise.Bank.search`), `rungs` in the order to try them."""
    tree, (n, number) = rungs[0].tree, values.shape
    tables = {free: class_table(free, label) for free, _, _ in tree.groups}
    count = -(-number * tree.small * n // (TOGETHER * CELLS))
    parts = []
    for part in np.array_split(values, max(count, 1), axis=1):
        parts.append(scan(rungs, part, tables, Best(classes, part.shape[1], window)))
    return np.concatenate([part.bic for part in parts], axis=1), np.concatenate([part.shape for part in parts], axis=1)


def scan(rungs: Sequence[Rung], values: np.ndarray, tables: Tables, best: Best) -> Best:
    """Search series whose products fit in memory together, enter their best curves into `best`, and return it."""
    tree, (n, number) = rungs[0].tree, values.shape
    reached = [np.unique(tables[free][tables[free] >= 0]) for free, _, _ in tree.groups]
    penalty = np.log(n) * tree.parameters[[start for _, start, _ in tree.groups], None]
    fewest = np.zeros((len(rungs), len(tree.groups), number))  # lower bounds of the residual sums of squares
    for r, rung in enumerate(rungs):
        ceiling = np.array([best.ceiling(group) for group in reached])
        open_at = fewest[r] + rung.offset + penalty < ceiling
        active, asked = np.flatnonzero(open_at.any(axis=0)), open_at.any(axis=1)
        if not len(active):
            continue
        mine = best.subset(active)
        rest = scan_small(rung, values[:, active], tables, mine, asked)
        scan_large(rung, values[:, active], tables, mine, asked, rest)
        best.bic[:, active], best.shape[:, active] = mine.bic, mine.shape
        for later in range(r + 1, len(rungs)):
            # Under another covariance a residual is smaller by the largest ratio of the two at most.
            ratio = np.linalg.eigvalsh(rung.whitener @ rungs[later].covariance @ rung.whitener.T)[-1]
            at = np.ix_(asked, active)
            fewest[later][at] = np.maximum(fewest[later][at], rest[asked] / ratio)
    return best


def scan_small(
    rung: Rung, values: np.ndarray, tables: Tables, best: Best, asked: np.ndarray | None = None
) -> np.ndarray:
    """Offer the small shapes of the groups in `asked` (all where it is None) to `best`.

    Returns
    -------
    array (groups, series), the least residual sum of squares; infinite for groups that were not looked at
    """
    white = rung.whitener @ values
    total = (white**2).sum(axis=0) - (rung.constant @ white) ** 2
    rest, n = np.full((len(rung.tree.groups), len(total)), np.inf), len(white)
    for group, (free, start, ramps, solver) in enumerate(rung.small):
        if tables[free].max() < 0 or (asked is not None and not asked[group]):
            continue
        slopes = (solver.reshape(-1, n) @ white).reshape(*solver.shape[:2], len(total))
        left = total - (slopes * (ramps.reshape(-1, n) @ white).reshape(slopes.shape)).sum(axis=1)
        rest[group] = left.min(axis=0)
        label = tables[free][np.tensordot(1 << np.arange(sum(free)), slopes > 0, axes=(0, 1))]
        criterion = left + rung.offset + np.log(n) * rung.tree.parameters[start]
        for c in np.unique(tables[free][tables[free] >= 0]):
            candidate = np.where(label == c, criterion, np.inf)
            row = candidate.argmin(axis=0)
            series = np.arange(len(total))
            best.offer(np.full(len(total), c), series, candidate[row, series], start + row)
    return rest


def scan_large(rung: Rung, values: np.ndarray, tables: Tables, best: Best, asked: np.ndarray, rest: np.ndarray) -> None:
    """Offer the larger shapes of the groups in `asked` to `best`, and enter their least residuals into `rest`."""
    tree, number = rung.tree, values.shape[1]
    if not any(wanted for wanted, (_, first, _) in zip(asked, tree.groups, strict=True) if first >= tree.small):
        return
    late = any(wanted for wanted, (_, first, _) in zip(asked, tree.groups, strict=True) if first >= tree.middle)
    white = rung.whitener @ values
    beside, coefficients, explained, product = rung.products(white)
    beside = beside.reshape(-1, number)
    total, n = (white**2).sum(axis=0), len(white)
    length, ratio = rung.lengths
    step = max(1, CELLS // number)
    for group, (free, first, last) in enumerate(tree.groups):
        # Shapes with fewer breakpoints are the parents of those with the most.
        if first < tree.small or not (asked[group] or (late and first < tree.middle)):
            continue
        classes = np.unique(tables[free][tables[free] >= 0]) if asked[group] else np.array([], int)
        penalty = rung.offset + np.log(n) * tree.parameters[first]
        for start in range(first, last, step):
            rows = slice(start, min(start + step, last))
            at, parent = tree.above[start - tree.small : rows.stop - tree.small] * n, tree.parent[rows]
            move = beside[at + tree.left[rows]]
            if not free[-1]:
                move -= beside[at + tree.right[rows]]
            if first >= tree.middle:
                move -= ratio[rows, None] * product[parent]
            gain = move**2
            gain /= length[rows, None]
            gain += explained[parent]
            if first < tree.middle:
                explained[rows], product[rows] = gain, move
            if not len(classes):
                continue
            top = gain.argmax(axis=0)
            rest[group] = np.minimum(rest[group], total - gain[top, np.arange(number)])
            # The best shape of each series first: it often rules out all others.
            for only_top in (True, False):
                needed = total + penalty - best.ceiling(classes)
                if only_top:
                    series = np.flatnonzero(gain[top, np.arange(number)] > needed)
                    row = top[series]
                else:
                    row, series = np.nonzero(gain > needed) if len(series) else (series, series)
                for part in slices(len(row), PAIRS):
                    i, j = row[part], series[part]
                    slopes = slopes_of(rung, start + i, j, coefficients, product, move[i, j])
                    code = (slopes > 0).T @ (1 << np.arange(sum(free)))
                    best.offer(tables[free][code], j, total[j] + penalty - gain[i, j], start + i)


def slopes_of(
    rung: Rung,
    shapes: np.ndarray,
    series: np.ndarray,
    coefficients: np.ndarray,
    product: np.ndarray,
    move: np.ndarray,
) -> np.ndarray:
    """Slopes of the free segments, (free segments, pairs), of pairs of a shape and a series, all shapes of one group.

    Parameters
    ----------
    rung
    shapes, series : int arrays (pairs,)
    coefficients, product : as `Rung.products` returns them
    move : array (pairs,), product of each series with its shape's own ramp
    """
    tree, (_, _, _, of_hinges) = rung.tree, rung.swept
    length, ratio = rung.lengths
    above, last = tree.above[shapes - tree.small], move / length[shapes]
    depth = tree.depth[shapes[0]]
    chain = coefficients[:, above, series] - last * ramp_coefficients(of_hinges, above, tree, shapes)
    ramps = [*chain[: depth - 1], last]
    if shapes[0] >= tree.middle:
        parent = tree.parent[shapes]
        second = product[parent, series] / length[parent] - last * ratio[shapes]
        chain -= second * ramp_coefficients(of_hinges, above, tree, parent)
        ramps = [*chain[: depth - 2], second, last]
    return tree.cover(shapes[0]).T.astype(float) @ np.array(ramps)


def ramp_coefficients(of_hinges: np.ndarray, above: np.ndarray, tree: Tree, shapes: np.ndarray) -> np.ndarray:
    """Coefficients of the ramps down to the small shapes `above` that give the explained part of other shapes' own
    ramps, (ramp, pairs).
    """
    return of_hinges[:, above, tree.left[shapes]] - of_hinges[:, above, tree.right[shapes]]
