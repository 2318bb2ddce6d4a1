"""The floor of a task: its own score at the earliest checkpoints, and which legs of a curve leave it.

Nominal chance is no floor: an untrained model that always gives one answer scores what that answer is worth, far from
chance where answers are unequal, and wanders when its favourite changes. A rise of accuracy claims an ability, so it
counts only where it ends above the floor (a return from below it does not); a fall counts where it ends below the floor
or starts above it.
"""

from itertools import groupby

import numpy as np
from scipy.stats import t as student

from triphase.phases.curves import Trajectory, sampling, usable
from triphase.phases.piecewise import Signs, ramps
from triphase.phases.transitions import Curve, Settings

PLATEAU = 3  # checkpoints that a plateau needs, two grid intervals


def floor_members(data: Trajectory, floor: float) -> np.ndarray:
    """Indices of the checkpoints, step 0 among them, up to `floor` tokens; the first checkpoint where there is none."""
    picked, _ = usable(data)
    early = picked[data.tokens[picked] <= floor]
    return early if len(early) else picked[:1]


def on_floor(t: np.ndarray, floor: float) -> int:
    """How many checkpoints of a grid lie on the floor and make a plateau by definition; 0 where they are too few."""
    number = int((10 ** np.asarray(t) <= floor * (1 + 1e-9)).sum())
    return number if number >= PLATEAU else 0


def off_floor(data: Trajectory, curve: Curve, floor: float, settings: Settings) -> tuple[np.ndarray, float, float]:
    """Where the fitted curve lies above (+1), on (0) or below (-1) its floor, at the ends of its segments.

    The floor is a band: the mean score of its checkpoints, and how far single ones stray from it. The difference of a
    fitted value from the mean is linear in the scores, so its error follows from their covariance, step 0 included, and
    from the deviation of single checkpoints; the spread of the floor's scores is added, as neighbouring checkpoints may
    stray together. The spread is known from a few scores only, so the interval is that of Student's t with the degrees
    of freedom of Satterthwaite (1946, "An approximate distribution of estimates of variance components").

    Parameters
    ----------
    data : triphase.phases.curves.Trajectory
    curve : transitions.Curve, fitted to `data` after step 0
    floor : float, tokens
    settings : transitions.Settings

    Returns
    -------
    sides : int array (segments + 1,)
    level : float, mean score of the floor
    spread : float, standard deviation of its scores; 0 for a single one
    """
    picked, _ = usable(data)
    scores, early = data.values[picked], np.isin(picked, floor_members(data, floor))
    design, weights = ramps(curve.bank.t, curve.fit.shape), np.linalg.inv(curve.bank.noise(curve.fit.tau))
    fitted = np.zeros((len(design), len(picked)))
    fitted[:, data.tokens[picked] > 0] = design @ np.linalg.solve(design.T @ weights @ design, design.T @ weights)
    contrasts = fitted[[0, *curve.fit.shape.knots, len(design) - 1]] - early / early.sum()
    sampled, _, _ = sampling(data, picked)
    noise = sampled.covariance + curve.fit.tau_upper**2 * np.eye(len(picked))
    spread = float(scores[early].std(ddof=1)) if early.sum() > 1 else 0.0
    variance = np.einsum("ci,ij,cj->c", contrasts, noise, contrasts).clip(0)
    spent = variance**2 / sampled.freedom + (spread**4 / (early.sum() - 1) if spread else 0)
    variance = variance + spread**2
    freedom = np.divide(variance**2, spent, out=np.full(len(variance), np.inf), where=spent > 0)
    differences = contrasts @ scores
    clear = np.abs(differences) > student.ppf((1 + settings.confidence) / 2, freedom) * np.sqrt(variance)
    return np.where(clear, np.sign(differences), 0).astype(int), float(scores[early].mean()), spread


def leaving_legs(signs: Signs, sides: Signs) -> tuple[int, ...]:
    """Signs of segments with those legs set to 0 that do not leave the floor.

    Parameters
    ----------
    signs : sequence of int, per segment
    sides : sequence of int, per end of a segment: above (+1), on (0) or below (-1) the floor
    """
    kept, start = [], 0
    for sign, run in groupby(signs):
        stop = start + len(list(run))
        leaves = sides[stop] == sign or (sign < 0 and sides[start] > 0)
        kept += [sign if leaves else 0] * (stop - start)
        start = stop
    return tuple(kept)
