"""How behaviour goes with alignment: coincidence of onsets, stagnation of accuracy."""

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Section
from triphase.phases.curves import Undetermined, read_curve
from triphase.phases.piecewise import Shape
from triphase.phases.transitions import Settings, is_triple
from triphase.phases.verdict import Judged
from triphase.table.selection import Selection

LAG_LEVEL = 0.90
BOUND_LEVEL = 0.95  # of bounds to one side
LAG_FACTOR = 2.0
OFFSETS = np.arange(-0.45, 0.5, 0.1)  # where an event may lie about its grid point, in grid steps
STAGNATION = 0.25  # slope in phase 2 as a share of that in phase 3, within which either way accuracy stagnates


def behaviour(
    table: pd.DataFrame,
    boot: xr.Dataset,
    headline: Section,
    alignment: Judged | None,
    settings: Settings,
    rng: np.random.Generator,
) -> tuple[Section, dict[str, Judged]]:
    """Fits of accuracy and instruction adherence, and whether their onsets coincide with the alignment's.

    Returns
    -------
    results (dict for JSON), and the fits (dict of name to `Judged`) of those that could be fitted
    """
    results: Section = {}
    fits: dict[str, Judged] = {}
    for kind, wanted in declared(headline).items():
        results[kind] = {"measure": wanted.measure, "targets": list(wanted.targets or ())}
        try:
            if not len(wanted.rows(table)):
                raise Undetermined(f"{kind} is absent for this model")
            fits[kind] = Judged(read_curve(table, boot, wanted), settings, rng, settings.floor_tokens)
            results[kind] |= fits[kind].describe()
        except Undetermined as problem:
            results[kind] |= {"pattern": None, "breakpoints": [], "intervals": [], "segments": []}
            results[kind]["remarks"] = [f"undetermined: {problem}"]
    results["accuracy"]["coincidence"] = coincidence(
        alignment.onset(after_fall=True) if alignment else None, fits.get("accuracy"), alignment, last=True
    )
    results["adherence"]["coincidence"] = coincidence(
        alignment.onset() if alignment else None, fits.get("adherence"), alignment, last=False
    )
    results["stagnation"] = stagnation(alignment, fits.get("accuracy"))
    return results, fits


def declared(headline: Section) -> dict[str, Selection]:
    """What the headline declares of behaviour: dict of kind to selection of the tidy table."""
    return {
        "accuracy": Selection("accuracy_rescaled", tuple(headline["tasks"])),
        "adherence": Selection("adherence", tuple(headline["adherence"])),
    }


def coincidence(reference: np.ndarray | None, fit: Judged | None, alignment: Judged | None, last: bool) -> Section:
    """Lag from the onset of alignment's rise to the onset of behaviour's: an equivalence claim.

    `coincides` is true where the whole 90 % interval of the lag lies within one grid step or within a factor of two in
    tokens, false where that is not shown, and None where there is nothing to compare. An onset found at a grid point
    may lie up to half a step to either side of it, which the interval takes into account. A rise that is under way at
    the first checkpoint began there or earlier: then only a lag that is too long is shown, by a bound.
    """
    nothing = {"coincides": None, "lag_factor": None, "lag_interval": None}
    onset = fit.onset(last=last) if fit is not None else None
    if reference is None or alignment is None:
        return nothing | {"reason": f"alignment has no {'rise after a fall' if last else 'rise'}"}
    if onset is None or fit is None:
        return nothing | {"reason": "behaviour has no rise"}
    number = min(len(reference), len(onset))
    reference, onset = reference[:number], onset[:number]
    begins, grid = between_grid_points(alignment.t, fit.t, reference, onset), np.arange(len(alignment.t))
    lag = begins[1] - begins[0]
    steps = np.interp(begins[1], alignment.t, grid) - np.interp(begins[0], alignment.t, grid)
    tails = [(1 - LAG_LEVEL) / 2, (1 + LAG_LEVEL) / 2]
    low, high = np.quantile(lag, tails)
    step_low, step_high = np.quantile(steps, tails)
    near_steps = max(abs(step_low), abs(step_high)) <= 1
    near_tokens = max(abs(low), abs(high)) <= np.log10(LAG_FACTOR)
    under_way = [name for name, draws in (("alignment", reference), ("behaviour", onset)) if not draws.any()]
    if under_way:
        # The early one may have begun before the grid: the lag is at least as long as the grid shows.
        too_long = len(under_way) == 1 and min(abs(step_low), abs(step_high)) > 1
        reason = f"the rise of {' and of '.join(under_way)} is under way at the first checkpoint"
        return nothing | {"coincides": False if too_long else None, "reason": reason}
    return {
        "coincides": bool(near_steps or near_tokens),
        "lag_factor": float(10 ** np.median(lag)),
        "lag_interval": [float(10**low), float(10**high)],
        "reason": f"{LAG_LEVEL:.0%} interval of the lag, as a factor in tokens, located no finer than the grid",
    }


def between_grid_points(first_t: np.ndarray, second_t: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Places (log10 tokens) of two events found at grid points, each spread evenly over half a step to either side.

    Every pair of draws is spread over all pairs of OFFSETS: (2, draws x pairs).
    """
    offsets = np.array(np.meshgrid(OFFSETS, OFFSETS)).reshape(2, 1, -1)
    grids = ((first_t, first, offsets[0]), (second_t, second, offsets[1]))
    return np.array([np.interp(place[:, None] + off, np.arange(len(t)), t).ravel() for t, place, off in grids])


def stagnation(alignment: Judged | None, accuracy: Judged | None) -> Section:
    """Whether accuracy stands still while alignment falls: its slope there against a quarter of its slope later.

    Phase 2 is from where alignment begins to fall to where it begins to return, phase 3 from there on. `stagnates` is
    true where accuracy rises in phase 3 (95 % bound) and its slope in phase 2 is above minus and below plus a quarter
    of that, by 95 % bounds of the two differences: so the error of both slopes counts. Accuracy that is lost is no
    standstill: `collapses` is true where the slope lies below that band.
    """
    empty = {
        "stagnates": None,
        "collapses": None,
        "slope_ratio": None,
        "reason": "no detachment with a return, so no phase 2",
    }
    if alignment is None or accuracy is None or not is_triple(alignment.signs):
        return empty
    signs, knots = alignment.signs, alignment.curve.fit.shape.knots
    fall = next(i for i in range(1, len(signs)) if signs[i] < 0 and 1 in signs[:i] and 1 in signs[i + 1 :])
    back = next(i for i in range(fall + 1, len(signs)) if signs[i] > 0)
    edges = np.searchsorted(accuracy.t, alignment.t[[knots[fall - 1], knots[back - 1]]] - 1e-9)
    if not 0 < edges[0] < edges[1] < len(accuracy.t) - 1:
        return empty | {"reason": "the accuracy curve does not cover phase 2"}
    bank = accuracy.curve.bank
    fit = bank.estimate(accuracy.curve.values, Shape(tuple(int(edge) for edge in edges), (True, True, True)))
    far = fit.factor(2 * BOUND_LEVEL - 1)  # of a bound to one side
    if not fit.slopes[2] > far * np.sqrt(fit.covariance[2, 2]):
        return {"stagnates": False, "collapses": None, "slope_ratio": None} | {
            "reason": "accuracy does not rise in phase 3"
        }
    ratio = float(fit.slopes[1] / fit.slopes[2])
    above, below = (np.array([0.0, 1.0, -side * STAGNATION]) for side in (1, -1))
    (over, over_error), (under, under_error) = (
        (contrast @ fit.slopes, far * np.sqrt(contrast @ fit.covariance @ contrast)) for contrast in (above, below)
    )
    stagnates, collapses = bool(over + over_error < 0 < under - under_error), bool(under + under_error < 0)
    found = "within" if stagnates else "below (a collapse)" if collapses else "not shown to be within"
    band = f"±{STAGNATION:.0%} of its slope in phase 3"
    reason = f"accuracy's slope in phase 2 is {ratio:.2g} of that in phase 3, {found} {band} by 95 % bounds"
    return {"stagnates": stagnates, "collapses": collapses, "slope_ratio": ratio, "reason": reason}
