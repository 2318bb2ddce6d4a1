"""The search for piecewise-linear curves as plainly as it can be written: every shape is fitted to every series."""

from itertools import combinations, product

import numpy as np


def all_shapes(n, most, floor=0):
    """(knots, free) of all curves with up to `most` breakpoints on n points: segments span two intervals or more, no
    two neighbouring ones are plateaus; with `floor` the first is one, over so many points or more.
    """
    for knots in (knots for k in range(most + 1) for knots in combinations(range(n), k)):
        edges = (0, *knots, n - 1)
        if min(np.diff(edges)) >= 2 and edges[1] >= floor - 1:
            for free in product((True, False), repeat=len(knots) + 1):
                if "FF" not in "".join("TF"[not each] for each in free) and not (floor and free[0]):
                    yield knots, free


def design_of(t, knots, free):
    """A constant, and for each free segment how far along it each point lies."""
    edges = t[[0, *knots, -1]]
    along = [np.clip(t, start, end) - start for start, end in zip(edges, edges[1:], strict=False)]
    return np.column_stack([np.ones_like(t), *np.array(along)[list(free)]])


def best_curves(t, values, covariances, shapes, label, classes):
    """Least BIC of each class for each series, over shapes and covariances, and every (knots, free) that has it.

    A class holds curves by the signs of their slopes (`label`, -1 for none). Values are (n, series).
    """
    bic, best = np.full((classes, values.shape[1]), np.inf), {}
    for covariance, (knots, free) in product(covariances, shapes):
        lower, design = np.linalg.cholesky(covariance), design_of(t, knots, free)
        white, seen = np.linalg.solve(lower, values), np.linalg.solve(lower, design)
        coefficients = np.linalg.lstsq(seen, white, rcond=None)[0]
        deviance = ((white - seen @ coefficients) ** 2).sum(0) + np.linalg.slogdet(2 * np.pi * covariance)[1]
        scores = deviance + np.log(len(t)) * (len(coefficients) + len(knots) + 1)  # and tau
        for series, score in enumerate(scores):
            signs = np.zeros(len(free), int)
            signs[list(free)] = np.sign(coefficients[1:, series])
            at = label(tuple(signs.tolist())), series
            if at[0] >= 0 and score < bic[at] + 1e-9:
                best[at] = [*(best.get(at, []) if score > bic[at] - 1e-9 else []), (knots, free)]
                bic[at] = min(bic[at], score)
    return bic, best
