"""How far over the brain each phase goes: changes of parcels between the headline's breakpoints.

Every region of the study counts as a parcel. Its change over a phase is that of a curve with the headline's own
breakpoints, fitted by generalised least squares with the covariance of the parcel's paired draws plus the deviation of
single checkpoints: all checkpoints of a phase have a say, not its two ends alone. The headline's breakpoints are taken
as given, so that changes of the regions that it was fitted to are rather too large than too small.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import t as student

from triphase.core.artefacts import finite_or_none
from triphase.core.types import Entries, Section
from triphase.phases.curves import Trajectory, Undetermined, average_subjects, prepare, subject_curves
from triphase.phases.piecewise import BORNE, tau_ladder
from triphase.phases.transitions import WORDS, merged
from triphase.phases.verdict import Judged
from triphase.stats.intervals import half_width
from triphase.stats.multiple_tests import benjamini_hochberg
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT, LEAST_CEILING

FDR = 0.05
NEEDED_SHARE = 0.8  # of the parcels with a ceiling of at least LEAST_CEILING, moving alike: "the entire brain"
LEAST_COVERAGE = 0.8  # share of the measured voxels that parcels must cover for that claim
LEAST_PARCELS = 20  # fewer are regions of interest


@dataclass(frozen=True)
class Phases:
    """The headline's segments, neighbours of one kind merged: kinds, borders of all segments in log10 tokens, and the
    weights (phase, segment) that add a phase's segments up."""

    kinds: tuple
    borders: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, judged: Judged) -> "Phases":
        """From a fitted headline (verdict.Judged)."""
        signs, t = judged.signs, judged.t
        kinds = merged(signs)
        turn = np.r_[0, np.cumsum(np.diff(signs) != 0)]
        return cls(kinds, t[[0, *judged.curve.fit.shape.knots, -1]], (turn == np.arange(len(kinds))[:, None]) * 1.0)

    def span(self, number: int) -> tuple[int, int]:
        """First and last tokens of a phase."""
        inside = np.flatnonzero(self.weights[number])
        return round(10 ** self.borders[inside[0]]), round(10 ** self.borders[inside[-1] + 1])


def breadth(
    table: pd.DataFrame,
    boot: xr.Dataset,
    judged: Judged | None,
    rois: Sequence[Section],
    seed: list[int],
) -> Section:
    """Share of parcels that move in each phase of the headline fit, and how language areas differ from the rest.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model, and those of no model (measure `ceiling`).
    boot : xarray.Dataset
        Paired draws of the same model.
    judged : verdict.Judged or None
        The headline's fit.
    rois : list of dict with name and language
        The study's regions.
    seed : list of int
        Resamples subjects alike for all parcels.

    Returns
    -------
    dict, the entry `breadth` of phases.json (see docs/concepts/inference.md)
    """
    asked = Selection(ALIGNMENT)
    rows, drawn = asked.rows(table), asked.draws(boot)
    voxels = rows.groupby("roi")["n"].mean().astype(float).to_dict()
    names = [roi["name"] for roi in rois if roi["name"] in voxels]
    covered = sum(voxels[name] for name in names) / voxels["all"] if voxels.get("all") else None
    found: Section = {
        "entire_brain": False,
        "reason": None,
        "coverage": covered,
        "n_parcels": 0,
        "n_reliable": None,
        "least_ceiling": LEAST_CEILING,
        "needed_share": NEEDED_SHARE,
        "fdr": FDR,
        "phases": [],
    }
    if judged is None:
        return found | {"reason": "the headline curve cannot be fitted, so there are no phases"}
    phases, ceilings = Phases.of(judged), ceilings_of(table)
    curves = {name: parcel_curve(rows, drawn, name, seed) for name in names}
    changes, lost = {}, []
    for name, data in curves.items():
        try:
            changes[name] = Changes(data, phases)
        except Undetermined as problem:
            lost.append(f"{name} ({problem})")
    reliable = None if ceilings is None else [name for name in changes if ceilings.get(name, 0) >= LEAST_CEILING]
    obstacle = why_never(voxels, changes, covered, reliable)
    language = {roi["name"] for roi in rois if roi.get("language")}
    inside, outside = (
        side_changes({name: curves[name] for name in changes if (name in language) == side}, voxels, phases)
        for side in (True, False)
    )
    for number, sign in enumerate(phases.kinds):
        start, stop = phases.span(number)
        parcels = parcel_entries(changes, number, language, ceilings or {}, voxels)
        phase = {
            "kind": WORDS[sign],
            "from": start,
            "to": stop,
            **counts(parcels),
            "reliable": alike(parcels, reliable),
        }
        phase["entire_brain"] = obstacle is None and phase["reliable"]["share"] >= NEEDED_SHARE
        phase["reason"] = obstacle or said(phase["reliable"])
        found["phases"].append(phase | compare_sides(inside, outside, number) | {"parcels": parcels})
    whole = [phase["reason"] for phase in found["phases"] if phase["entire_brain"]]
    reasons = [obstacle] if obstacle else whole or [f"{p['kind']}: {p['reason']}" for p in found["phases"]]
    reasons += [f"without a curve and left out: {', '.join(lost)}"] if lost else []
    return found | {
        "entire_brain": bool(whole),
        "reason": "; ".join(reasons),
        "n_parcels": len(changes),
        "n_reliable": None if reliable is None else len(reliable),
    }


def ceilings_of(table: pd.DataFrame) -> dict[str, float] | None:
    """Noise ceiling of each region, mean over subjects; None where hearings are not repeated, so that r has none."""
    if not table["normalised"].any():
        return None
    return table[table["measure"] == "ceiling"].groupby("roi")["value"].mean().to_dict()


def parcel_curve(rows: pd.DataFrame, drawn: xr.Dataset, roi: str, seed: list[int]) -> Trajectory:
    """Curve of one parcel, mean over subjects; those are resampled alike for every parcel."""
    rows, drawn = rows[rows["roi"] == roi], drawn.isel(series=drawn["roi"].values == roi)
    return average_subjects(list(subject_curves(rows, drawn, roi).values()), np.random.default_rng(seed))


class Changes:
    """Changes of one curve over the headline's phases.

    Attributes
    ----------
    changes, errors : arrays (phase,)
    draws : array (phase, draw) or None, the changes of the paired draws
    freedom : float, degrees of freedom of the errors

    Raises
    ------
    Undetermined : the curve cannot be fitted, or lacks the checkpoints of a phase
    """

    def __init__(self, data: Trajectory, phases: Phases) -> None:
        t, values, noise, draws, _ = prepare(data)
        low, high = phases.borders[:-1], phases.borders[1:]
        design = np.column_stack([np.ones_like(t), np.clip(t[:, None], low, high) - low])
        if np.linalg.matrix_rank(design) < design.shape[1] or len(t) <= design.shape[1]:
            raise Undetermined("too few checkpoints in a phase")
        ladder = tau_ladder(noise.covariance, values)
        estimators = [gls(design, noise.covariance, tau, values) for tau in ladder]
        least, tau, coefficients, error = min(estimators, key=lambda choice: choice[0])
        upper = max(choice[1] for choice in estimators if choice[0] <= least + BORNE)
        error = error + (upper**2 - tau**2) * coefficients @ coefficients.T
        sums = phases.weights @ np.column_stack([np.zeros(len(low)), np.diag(high - low)])
        self.changes = sums @ coefficients @ values
        self.errors = np.sqrt(np.diag(sums @ error @ sums.T))
        self.estimator = sums @ coefficients
        self.draws, self.freedom = draws, noise.freedom

    def drawn(self) -> np.ndarray | None:
        """Changes of the paired draws, (phase, draw); None without draws."""
        return None if self.draws is None else self.estimator @ self.draws.T


def gls(
    design: np.ndarray, covariance: np.ndarray, tau: float, values: np.ndarray
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Restricted deviance at a checkpoint deviation, that deviation, the coefficients' estimator and covariance."""
    inverse = np.linalg.inv(covariance + tau**2 * np.eye(len(values)))
    information = design.T @ inverse @ design
    error = np.linalg.inv(information)
    estimator = error @ design.T @ inverse
    residual = values - design @ (estimator @ values)
    deviance = residual @ inverse @ residual - np.linalg.slogdet(inverse)[1] + np.linalg.slogdet(information)[1]
    return deviance, float(tau), estimator, error


def why_never(
    voxels: Mapping[str, float], changes: Mapping[str, Changes], covered: float | None, reliable: list[str] | None
) -> str | None:
    """What rules the claim of the entire brain out for these data, whatever moves; None where nothing does."""
    number = len(changes)
    if not number:
        return "no region has a curve that can be fitted"
    if all(voxels[name] <= 1 for name in changes):
        return "the data are mean responses of regions of interest, which never show the entire brain"
    if number < LEAST_PARCELS:
        return f"{number} regions are regions of interest; the entire brain needs at least {LEAST_PARCELS} parcels"
    if covered is not None and covered < LEAST_COVERAGE:
        return f"the parcels cover {covered:.0%} of the measured voxels; the entire brain needs {LEAST_COVERAGE:.0%}"
    if not reliable:
        return f"no parcel is known to have a noise ceiling of {LEAST_CEILING}: it needs responses to repeated hearings"
    return None


def parcel_entries(
    changes: Mapping[str, Changes],
    number: int,
    language: Collection[str],
    ceilings: Mapping[str, float],
    voxels: Mapping[str, float],
) -> Entries:
    """One phase, parcel by parcel, with intervals whose false coverage rate is FDR (Benjamini and Yekutieli 2005)."""
    if not changes:
        return []
    change = np.array([entry.changes[number] for entry in changes.values()])
    error = np.array([entry.errors[number] for entry in changes.values()])
    freedom = np.array([entry.freedom for entry in changes.values()])
    q = benjamini_hochberg(2 * student.sf(np.abs(change) / error, freedom))
    selected = max(int((q < FDR).sum()), 1)
    half = student.isf(FDR * selected / len(q) / 2, freedom) * error
    return [
        {
            "roi": name,
            "language": name in language,
            "change": float(change[i]),
            "interval": [float(change[i] - half[i]), float(change[i] + half[i])],
            "q": float(q[i]),
            "moves": bool(q[i] < FDR),
            "ceiling": finite_or_none(ceilings.get(name)),
            "n_voxels": round(voxels[name]),
        }
        for i, name in enumerate(changes)
    ]


def counts(parcels: Entries) -> Section:
    """How many parcels move, and which way."""
    rising = sum(entry["moves"] and entry["change"] > 0 for entry in parcels)
    moving = sum(entry["moves"] for entry in parcels)
    number = len(parcels)
    return {
        "n_parcels": number,
        "moving": moving,
        "share": moving / number if number else None,
        "rising": rising,
        "falling": moving - rising,
    }


def alike(parcels: Entries, reliable: list[str] | None) -> Section | None:
    """How many of the parcels with a sufficient ceiling move the way that most of these do; None without ceilings."""
    if not reliable:
        return None
    rising, falling = (
        sum(e["moves"] and e["change"] * sign > 0 for e in parcels if e["roi"] in reliable) for sign in (1, -1)
    )
    most = max(rising, falling)
    kind = None if rising == falling else WORDS[1 if rising > falling else -1]
    return {"n": len(reliable), "moving_alike": most, "share": most / len(reliable), "kind": kind}


def said(reliable: Section) -> str:
    """The finding on the parcels with a sufficient ceiling, in words."""
    way = {"rise": "rise", "fall": "fall", None: "move alike"}[reliable["kind"]]
    return (
        f"{reliable['moving_alike']} of {reliable['n']} parcels with a ceiling of at least {LEAST_CEILING} {way} "
        f"({reliable['share']:.0%}; the entire brain needs {NEEDED_SHARE:.0%})"
    )


def side_changes(curves: Mapping[str, Trajectory], voxels: Mapping[str, float], phases: Phases) -> Changes | None:
    """Changes of the mean curve of several parcels, weighted by voxels; None where there is none."""
    weights = np.array([voxels[name] for name in curves])
    shared = [set(data.checkpoint) for data in curves.values()]
    if not curves or any(names != shared[0] for names in shared):
        return None
    data = list(curves.values())
    values, errors = (
        np.average([getattr(entry, key) for entry in data], axis=0, weights=weights) for key in ("values", "errors")
    )
    drawn = [entry.draws for entry in data if entry.draws is not None]
    draws = np.average(drawn, axis=0, weights=weights) if len(drawn) == len(data) else None
    try:
        return Changes(replace(data[0], values=values, errors=errors, draws=draws), phases)
    except Undetermined:
        return None


def compare_sides(inside: Changes | None, outside: Changes | None, number: int) -> Section:
    """Mean change inside and outside language areas in one phase, and their ratio where the latter is off zero.

    The ratio's interval is Fieller's (1954), with the covariance of the two from the paired draws: both sides were
    scored on the same blocks and subjects.
    """
    entry: Section = {}
    for name, side in (("inside", inside), ("outside", outside)):
        if side is None:
            entry[name] = None
            continue
        change, half = side.changes[number], half_width(side.errors[number], side.freedom)
        entry[name] = {"change": float(change), "interval": [float(change - half), float(change + half)]}
    if inside is None or outside is None or np.prod(entry["outside"]["interval"]) <= 0:
        return entry | {"ratio": None, "ratio_interval": None}
    a, b = inside.changes[number], outside.changes[number]
    of_a, of_b = (half_width(side.errors[number], side.freedom) for side in (inside, outside))
    above, below, both = inside.drawn(), outside.drawn(), 0.0
    if above is not None and below is not None and above.shape == below.shape:
        far = of_a * of_b / (inside.errors[number] * outside.errors[number])
        both = far * np.cov(above[number], below[number])[0, 1]
    middle, width = a * b - both, b**2 - of_b**2
    half = np.sqrt(max(middle**2 - (a**2 - of_a**2) * width, 0))
    interval = [float((middle - half) / width), float((middle + half) / width)]
    return entry | {"ratio": float(a / b), "ratio_interval": interval}
