"""The shapes of a grid as a tree, in which each is its parent plus one ramp; `triphase.phases.search` walks it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

SWEPT = 2  # most breakpoints of shapes whose Gram matrices are kept


@dataclass(frozen=True)
class Shape:
    """Breakpoints as indices into the grid, and for each segment whether its slope is free (else it is a plateau)."""

    knots: tuple[int, ...]
    free: tuple[bool, ...]

    @property
    def parameters(self) -> int:
        """Number of parameters: intercept, free slopes, breakpoints, tau."""
        return 2 + sum(self.free) + len(self.knots)


class Tree:
    """All shapes of one grid of n points, and how each follows from its parent.

    Attributes
    ----------
    shapes : list of Shape, by number of breakpoints, then by their plateaus
    groups : list of (free, start, stop), runs of shapes with the same plateaus
    parent, left, right : int arrays (shapes,); a shape is its parent plus the ramp from grid point `left` to `right`
    root : index of the constant
    small : number of shapes with at most SWEPT breakpoints, which come first
    middle : number of shapes that can be parents: those with fewer breakpoints than the most
    levels : list of int arrays, the small shapes with 1, 2, ... free segments
    depth, parameters : int arrays (shapes,), free segments and parameters
    above : int array, for each shape after the small ones the small shape that it descends from
    """

    def __init__(self, shapes: Sequence[Shape], n: int):
        self.shapes, self.n = shapes, n
        number = {(shape.knots, shape.free): i for i, shape in enumerate(shapes)}
        links = [ancestry(shape, n - 1) for shape in shapes]
        self.root = number[(), (False,)]
        self.parent = np.array([number[parent] if parent else self.root for parent, _, _ in links])
        self.left, self.right = np.array([(left, right) for _, left, right in links]).T
        self.parameters = np.array([shape.parameters for shape in shapes])
        self.depth = depth = np.array([sum(shape.free) for shape in shapes])
        bends = np.array([len(shape.knots) for shape in shapes])
        self.small = int((bends <= SWEPT).sum())
        self.middle = int((bends < max(bends[-1], SWEPT + 1)).sum())
        self.levels = [np.flatnonzero(depth[: self.small] == d) for d in range(1, depth.max() + 1)]
        rows = np.arange(self.small, len(shapes))
        self.above = np.where(rows < self.middle, self.parent[rows], self.parent[self.parent[rows]])
        starts = [i for i, shape in enumerate(shapes) if not i or shape.free != shapes[i - 1].free]
        self.groups = [(shapes[a].free, a, b) for a, b in pairwise([*starts, len(shapes)])]

    def cover(self, shape: int) -> np.ndarray:
        """Which ramps, from the root down to a shape, span which of its free segments: bool (ramps, free segments).

        It is the same for all shapes of a group.
        """
        edges = np.array([0, *self.shapes[shape].knots, self.n - 1])
        chain = [shape]
        while self.parent[chain[-1]] != self.root:
            chain.append(self.parent[chain[-1]])
        left, right = self.left[chain[::-1], None], self.right[chain[::-1], None]
        return ((left <= edges[:-1]) & (edges[1:] <= right))[:, np.flatnonzero(self.shapes[shape].free)]

    def edges(self, index: Iterable[int]) -> np.ndarray:
        """Borders of the segments of shapes with equally many breakpoints, grid indices (shapes, segments + 1)."""
        return np.array([(0, *self.shapes[i].knots, self.n - 1) for i in index])


def ancestry(shape: Shape, end: int) -> tuple[tuple[tuple[int, ...], tuple[bool, ...]] | None, int, int]:
    """Parent of a shape as (knots, free), None for the constant, and both ends of the ramp that the parent lacks."""
    knots, free = shape.knots, shape.free
    if not any(free):
        return None, 0, 0
    if free[-1]:
        left = knots[-1] if knots else 0
        # Slopes of the last two segments span what a ramp over both and one over the last span.
        return ((knots[:-1], free[:-1]) if knots else ((), (False,))), left, end
    if len(knots) == 1:
        return ((), (False,)), 0, knots[0]
    if free[-3]:
        return (knots[:-2] + knots[-1:], (*free[:-2], False)), knots[-2], knots[-1]
    return (knots[:-2], free[:-2]), knots[-2], knots[-1]
