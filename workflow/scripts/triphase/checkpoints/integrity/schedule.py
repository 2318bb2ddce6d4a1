"""How far a run can have moved its weights: the sum of its learning rates and the bound of Adam's normalised update.

With first and second moments m and v of a gradient g and decay rates b1, b2, the update of Adam (Kingma and Ba 2015) is
lr x u, u = (m / (1 - b1^t)) / sqrt(v / (1 - b2^t)). By the inequality of Cauchy and Schwarz over the steps so far,

    |m| <= (1 - b1) sqrt(sum_j (b1^2 / b2)^j) sqrt(v / (1 - b2)),

whatever the gradients were: clipped or not, sparse, spiking, zero for a while. So |u| never exceeds
(1 - b1) / sqrt((1 - b2) (1 - b1^2 / b2)) by more than the bias correction of the first steps allows; the supremum over
all t is `update_bound`: 1.17 for b2 = 0.95, 1.70 for 0.98, 7.27 for 0.999. The familiar (1 - b1) / sqrt(1 - b2), 0.45
for b2 = 0.95, is the case of one isolated gradient; gradients of equal size give 1. The epsilon in the denominator and
skipped updates only make steps smaller. A decoupled weight decay (Loshchilov and Hutter 2019) shrinks a weight by
1 - lr x decay at each step, never across zero, and is accounted for by `kept`.

`SLACK` covers what is published with few digits: peak and warm-up, and the rate of update k is taken as the largest of
k - 1, k and k + 1, since trainers differ in where they count from. The bound is therefore a fact about Adam and the
published schedule, not a threshold that was tuned; a series that was trained by it cannot break it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triphase.core.errors import InputError
from triphase.core.lazy import np
from triphase.core.types import Section

SLACK = 1.05
# Pythia, OLMo and SmolLM3 were trained with these; a schedule says so where it was otherwise.
BETAS, WEIGHT_DECAY = (0.9, 0.95), 0.1
KINDS = ("cosine", "constant", "linear", "constant_linear")


def update_bound(betas: tuple[float, float], steps: int = 2000) -> float:
    """Supremum over all gradients and steps of Adam's normalised update."""
    b1, b2 = betas
    if not 0 < b1 * b1 < b2 < 1:
        return float("inf")
    t = np.arange(1, steps + 1)
    corrected = np.sqrt(1 - b2**t) / (1 - b1**t)
    finite = corrected * np.sqrt((1 - (b1 * b1 / b2) ** t) / (1 - b1 * b1 / b2))
    return float((1 - b1) / np.sqrt(1 - b2) * max(finite.max(), 1 / np.sqrt(1 - b1 * b1 / b2)))


def learning_rates(schedule: Section, steps: int) -> np.ndarray:
    """Learning rate of updates 1 to `steps`; update k takes the weights of step k - 1 to those of step k.

    Parameters
    ----------
    schedule : dict
        kind (cosine, constant, linear or constant_linear), peak, warmup (steps, linear from 0), total (steps), final
        (fraction of the peak at the end), decay (of constant_linear: step at which it begins to fall), restarts (steps
        at which the decay begins anew from the peak).

    Returns
    -------
    float array, (steps,)
    """
    if schedule["kind"] not in KINDS:
        raise InputError(f"models.schedule.kind: {schedule['kind']!r} is not known; it must be one of {KINDS}")
    done = np.arange(1, steps + 1, dtype=float)
    begins = np.array([schedule["warmup"], *schedule.get("restarts", [])], dtype=float)
    if schedule["kind"] == "constant_linear":
        begins[0] = schedule["decay"]
    cycle = np.clip(np.searchsorted(begins, done, side="right") - 1, 0, None)
    begin, end = begins[cycle], np.append(begins[1:], schedule["total"])[cycle]
    part = np.clip((done - begin) / np.maximum(end - begin, 1), 0, 1)
    shape = {
        "cosine": (1 + np.cos(np.pi * part)) / 2,
        "constant": np.ones(steps),
        "linear": 1 - part,
        "constant_linear": 1 - part,
    }[schedule["kind"]]
    rates = schedule["peak"] * (schedule["final"] + (1 - schedule["final"]) * shape)
    return np.where(done < schedule["warmup"], schedule["peak"] * done / max(schedule["warmup"], 1), rates)


def schedule_of_recipe(recipe: Section) -> Section:
    """Schedule of a model that the demo stage trains (`train:` in the config); see triphase.demo.training."""
    return {
        "kind": "cosine",
        "peak": recipe["learning_rate"],
        "warmup": recipe["warmup"],
        "total": max(recipe["saves"]),
        "final": 0.1,
        "betas": [0.9, 0.98],
        "weight_decay": 0.01,
    }


@dataclass(frozen=True)
class Reach:
    """How far weights can lie apart: `between` two steps, after decay to `kept` of what they were.

    reach : float array, c x sum of the learning rates up to each step of the series
    decay : float array, log of the share of a weight that decay alone leaves at each step
    """

    reach: np.ndarray
    decay: np.ndarray

    def between(self, a: int, b: int) -> float:
        """Largest |w_b - kept x w_a| of any coordinate, by the places of two checkpoints."""
        return abs(self.reach[b] - self.reach[a])

    def kept(self, a: int, b: int) -> float:
        """Share of a weight that decay leaves between two checkpoints."""
        return float(np.exp(-abs(self.decay[b] - self.decay[a])))


def reach_of(schedule: Section, steps: Sequence[int] | np.ndarray) -> Reach:
    """`Reach` of a series whose checkpoints lie at these steps, from an initialisation at step 0.

    Parameters
    ----------
    schedule : dict as for `learning_rates`, optionally with betas and weight_decay
    steps : sequence of int
    """
    last = max(max(steps), 1)
    rates = learning_rates(schedule, last + 1)
    upper = np.maximum(rates, np.roll(rates, -1))
    upper[1:] = np.maximum(upper[1:], rates[:-1])
    sums = np.concatenate([[0.0], np.cumsum(upper[:last])])
    bound = SLACK * update_bound(schedule.get("betas", BETAS))
    decay = SLACK * schedule.get("weight_decay", WEIGHT_DECAY)
    at = np.asarray(steps)
    return Reach(bound * sums[at], -decay * sums[at])
