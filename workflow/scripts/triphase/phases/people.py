"""The group test: what people show, each by their own values, where they are enough to stand for others.

Resampling people widens the error of the mean curve. Beside it stands the plain question whether a change is there in
people: each one's change over every phase of the mean curve, by the weights of the headline's own fit, tested over
people by changing signs. Breakpoints are those of the mean curve, so that changes are rather too large than too small.
"""

from collections.abc import Sequence

import numpy as np

from triphase.core.types import Entries
from triphase.phases.breadth import Phases
from triphase.phases.curves import Trajectory, on_shared_grid, usable
from triphase.phases.piecewise import ramps
from triphase.phases.pooled import sign_flips
from triphase.phases.transitions import WORDS
from triphase.phases.verdict import Judged
from triphase.stats.intervals import mean_half_width


def values_at_borders(judged: Judged, values: np.ndarray) -> np.ndarray:
    """Fitted values (phase + 1, series) of series (n, series) where the phases of a fit meet, by its own weights."""
    fit, bank, phases = judged.curve.fit, judged.curve.bank, Phases.of(judged)
    design, weights = ramps(bank.t, fit.shape), np.linalg.inv(bank.noise(fit.tau))
    coefficients = np.linalg.solve(design.T @ weights @ design, design.T @ weights @ values)
    slopes = np.zeros((len(fit.shape.free), values.shape[1]))
    slopes[list(fit.shape.free)] = coefficients[1:]
    changes: np.ndarray = phases.weights @ (slopes * np.diff(phases.borders)[:, None])
    return np.cumsum(np.vstack([coefficients[:1], changes]), axis=0)


def changes_over(judged: Judged, values: np.ndarray) -> np.ndarray:
    """Changes (phase, series) of series (n, series) over the phases of a fit, by its own weights."""
    return np.diff(values_at_borders(judged, values), axis=0)


def group_test(curves: Sequence[Trajectory], judged: Judged, rng: np.random.Generator) -> Entries:
    """Changes of every phase of the headline's fit, over people.

    Parameters
    ----------
    curves : list of Trajectory, one per person
    judged : verdict.Judged, the fit of their mean
    rng : numpy.random.Generator

    Returns
    -------
    list of dict with kind, from, to, n (people), change (mean), interval (95 %, Student's t over people), alike (people
    whose change has the sign of the mean), p (two-sided, by changing signs)
    """
    shared, _ = on_shared_grid(list(curves), "checkpoint", "subjects")
    picked, _ = usable(shared[0])
    picked = picked[shared[0].tokens[picked] > 0]
    values = np.array([curve.values[picked] for curve in shared]).T
    phases, found = Phases.of(judged), []
    changes = changes_over(judged, values)
    for number, (sign, change) in enumerate(zip(phases.kinds, changes, strict=True)):
        (start, stop), mean, half = phases.span(number), change.mean(), mean_half_width(change)
        found.append(
            {
                "kind": WORDS[sign],
                "from": start,
                "to": stop,
                "n": len(change),
                "change": float(mean),
                "interval": [float(mean - half), float(mean + half)],
                "alike": int((np.sign(change) == np.sign(mean)).sum()),
                "p": sign_flips(change, rng),
            }
        )
    return found
