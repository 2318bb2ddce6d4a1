"""Maps of one model's phases: the gain of every voxel where a phase ends, and its changes from phase to phase.

The breakpoints are those of the headline curve. Every voxel's course is fitted with them as a continuous
piecewise-linear function of log10 tokens (ordinary least squares), so that a map rests on all checkpoints and not on
the noise of the two or three that happen to lie at a turn.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from triphase.core.artefacts import read_arrays
from triphase.report.figures.panels import phase_names
from triphase.report.figures.style import short_tokens

LARGEST_Q = 0.05
NOTHING = "no voxel has a gain at two checkpoints: there is nothing to map"


@dataclass(frozen=True)
class Map:
    """Values (target,) with what they are, and which are of voxels that the model predicts (q of r at most 0.05)."""

    name: str
    detail: str
    values: np.ndarray
    predicted: np.ndarray


def fitted_levels(tokens: np.ndarray, gain: np.ndarray, knots: list[float], edges: list[float]) -> np.ndarray:
    """Gain of every voxel at the edges of the phases.

    Parameters
    ----------
    tokens : float array (checkpoint,)
        Those of step 0 are not fitted.
    gain : float array (checkpoint, target)
    knots, edges : list of float
        Bends of the headline's fit, and where to read the voxels' fits; in tokens.

    Returns
    -------
    float array (edge, target)
    """
    used = tokens > 0
    return _hinges(edges, knots) @ np.linalg.pinv(_hinges(tokens[used], knots)) @ gain[used]


def _hinges(tokens, knots):
    t = np.log10(np.asarray(tokens, float))
    bends = [np.clip(t - np.log10(knot), 0, None) for knot in knots]
    return np.column_stack([np.ones(len(t)), t, *bends])


def phase_maps(maps: xr.Dataset, phases: dict) -> tuple[list[Map], list[Map]]:
    """Levels where phases begin and end, and their differences.

    Parameters
    ----------
    maps : `gain` (checkpoint, target), finite (see `measured`), and `q`; coordinate `tokens` (checkpoint)
    phases : phases/{model}.json

    Returns
    -------
    Levels and changes: without a fit those of the first and the last checkpoint as measured; none with one checkpoint
    or no voxels. A voxel is predicted in a level where q is small at its checkpoint, in a change where it is at either
    end.
    """
    tokens, gain = maps["tokens"].values.astype(float), maps["gain"].values.astype(float)
    segments, predicted = phases["segments"], maps["q"].values <= LARGEST_Q
    if len(tokens) < 2 or not gain.shape[1]:
        return [], []
    if not segments:
        first, last = int(tokens.argmin()), int(tokens.argmax())
        named = {"first checkpoint": first, "last checkpoint": last}
        levels = [
            Map(name, f"{short_tokens(tokens[at])} tokens", gain[at], predicted[at]) for name, at in named.items()
        ]
        change = gain[last] - gain[first]
        return levels, [
            Map("last − first", span(tokens[first], tokens[last]), change, predicted[first] | predicted[last])
        ]
    edges = [segments[0]["from"], *(segment["to"] for segment in segments)]
    values = fitted_levels(tokens, gain, phases["knots"], edges)
    sure = predicted[[int(np.abs(tokens - edge).argmin()) for edge in edges]]
    names = phase_names(segments)
    levels = [
        Map(name, f"{short_tokens(edge)} tokens", level, known)
        for name, edge, level, known in zip(
            ["start", *(f"after {name}" for name in names)], edges, values, sure, strict=True
        )
    ]
    ends = [(name, i, i + 1) for i, name in enumerate(names)]
    ends += [(f"end − after {names[0]}", 1, len(edges) - 1)] if len(segments) > 2 else []
    changes = [Map(name, span(edges[a], edges[b]), values[b] - values[a], sure[a] | sure[b]) for name, a, b in ends]
    return levels, changes


def shared_limit(paths: list[str], all_phases: dict[str, dict], which: int) -> float:
    """Limit of the colours of all models of a study, the largest of theirs; `which`: 0 of levels, 1 of changes."""
    of_each = (measured(read_arrays(path)) for path in paths)
    return max(colour_limit(phase_maps(maps, all_phases[maps.attrs["model"]])[which]) for maps in of_each)


def span(first: float, last: float) -> str:
    """Two token counts as what lies between them."""
    return f"{short_tokens(first)} → {short_tokens(last)} tokens"


def colour_limit(maps: list[Map]) -> float:
    """One symmetric limit for several maps, of two digits: 99 % of all absolute values lie below it."""
    limit = max(float(np.quantile(np.abs(np.concatenate([each.values for each in maps])), 0.99)) if maps else 0, 1e-6)
    digit = 10 ** (np.floor(np.log10(limit)) - 1)
    return float(f"{np.ceil(limit / digit) * digit:.2g}")


def measured(maps: xr.Dataset) -> xr.Dataset:
    """The voxels that have a place and a gain at every checkpoint where any has one.

    Parameters
    ----------
    maps : maps/{model}.zarr.zip: `gain` (checkpoint, target); coordinates x, y, z (target)
    """
    known = np.isfinite(maps["gain"].values)
    rows = known.any(axis=1)
    return maps.isel(checkpoint=rows, target=known[rows].all(axis=0) & np.isfinite(places(maps)).all(axis=1))


def places(maps: xr.Dataset) -> np.ndarray:
    """Coordinates of the voxels in mm, (target, 3)."""
    return np.column_stack([maps[name].values for name in "xyz"])
