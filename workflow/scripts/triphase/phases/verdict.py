"""The verdict on three phase transitions for one curve: what can be fitted, what the fit shows, and why."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from triphase.core.artefacts import finite_or_none
from triphase.core.types import Entries, Section
from triphase.phases.curves import Trajectory, Undetermined, prepare
from triphase.phases.floor import leaving_legs, off_floor, on_floor
from triphase.phases.piecewise import allowed_breakpoints
from triphase.phases.transitions import (
    SYMBOLS,
    WORDS,
    Curve,
    Evidence,
    Settings,
    grid_interval,
    is_triple,
    legs,
    merged,
    pattern,
)

VERDICTS = ("supported", "not supported", "undetermined")
TRIPLE_CHECKPOINTS = next(n for n in range(5, 20) if allowed_breakpoints(n) == 2)


class Judged:
    """A fitted curve with refitted breakpoints, as results for JSON are written from it.

    Parameters
    ----------
    data : triphase.phases.curves.Trajectory
    settings : transitions.Settings
    rng : numpy.random.Generator
    floor : float, optional
        For scores of a task: tokens up to which they are the task's floor. The fit then begins with a plateau over
        these checkpoints, and only legs that leave the floor count.
    """

    def __init__(
        self, data: Trajectory, settings: Settings, rng: np.random.Generator, floor: float | None = None
    ) -> None:
        self.settings, self.floor = settings, None
        self.t, values, noise, draws, self.remarks = prepare(data)
        self.curve = Curve(self.t, values, noise, settings, on_floor(self.t, floor) if floor else 0)
        self.signs = self.curve.signs
        if floor is not None:
            sides, *self.floor = off_floor(data, self.curve, floor, settings)
            self.signs = leaving_legs(self.curve.signs, sides.tolist())
            lost = {WORDS[sign] for sign, kept in zip(self.curve.signs, self.signs, strict=True) if sign != kept}
            self.remarks += [f"a {word} that does not leave the floor is not counted" for word in sorted(lost)]
        # The interval of a breakpoint costs as much as the fit: only who asks for it pays.
        self.draws, self.rng = draws if draws is None else draws[: settings.draws], rng.spawn(1)[0]

    @cached_property
    def refits(self) -> np.ndarray:
        """Breakpoints of resampled curves, grid indices, (draws, breakpoints)."""
        draws, curve = self.draws, self.curve
        if draws is None:
            draws = self.rng.multivariate_normal(curve.values, curve.bank.sampling, size=self.settings.draws)
        return curve.refit_breakpoints(draws, self.rng)

    @cached_property
    def edges(self) -> np.ndarray:
        """Grid indices of the ends of segments of resampled curves, (draws, segments + 1)."""
        ends = np.full((len(self.refits), 1), len(self.t) - 1)
        return np.hstack([np.zeros_like(ends), self.refits, ends])

    def describe(self) -> Section:
        """Pattern, breakpoints with 95 % intervals, segments with their changes, and BIC of the candidates.

        Breakpoints are where a segment of one kind meets one of another; `knots` lists every bend of the fit.
        """
        fit, signs = self.curve.fit, self.signs
        knots = fit.shape.knots
        turns = [i for i in range(len(knots)) if signs[i] != signs[i + 1]]
        intervals = [grid_interval(self.t, self.refits[:, i]) for i in turns]
        return {
            "pattern": pattern(signs),
            "legs": " ".join(SYMBOLS[sign] for sign in legs(signs)),
            "breakpoints": [round(10 ** self.t[knots[i]]) for i in turns],
            "intervals": [[round(10**low), round(10**high)] for low, high in intervals],
            "interval_level": 0.95,
            "knots": [round(10 ** self.t[knot]) for knot in knots],
            "segments": self.segments(),
            "fitted": [[round(10**t), float(value)] for t, value in zip(self.t, fit.fitted, strict=True)],
            "n_checkpoints": len(self.t),
            "checkpoint_noise": fit.tau,
            "floor": self.floor and dict(zip(("level", "spread"), self.floor, strict=True)),
            "bic": self.curve.bic(),
            "remarks": self.remarks,
        }

    def segments(self) -> Entries:
        """Merged segments: token range, sign in words, change with its interval (None where it is held at zero)."""
        fit, signs = self.curve.fit, self.signs
        edges = [0, *fit.shape.knots, len(self.t) - 1]
        length = np.diff(self.t[edges])
        far = fit.factor(self.settings.confidence)
        found, start = [], 0
        for sign in merged(signs):
            stop = start
            while stop < len(signs) and signs[stop] == sign:
                stop += 1
            weights = np.zeros(len(signs))
            weights[start:stop] = length[start:stop]
            change, error = weights @ fit.slopes, np.sqrt(weights @ fit.covariance @ weights)
            found.append(
                {
                    "kind": WORDS[sign],
                    "from": round(10 ** self.t[edges[start]]),
                    "to": round(10 ** self.t[edges[stop]]),
                    "change": float(change),
                    "change_interval": [float(change - far * error), float(change + far * error)] if error else None,
                }
            )
            start = stop
        return found

    def onset(self, last: bool = False, after_fall: bool = False) -> np.ndarray | None:
        """Draws of the grid index where the first (or last) rise begins, 0 where it is under way at the first.

        `after_fall` asks for the rise that follows a fall. None where there is no such rise.
        """
        signs = self.signs
        starts = [i for i, sign in enumerate(signs) if sign > 0 and (i == 0 or signs[i - 1] <= 0)]
        if after_fall:
            starts = [i for i in starts if -1 in signs[:i]]
        if not starts:
            return None
        return self.edges[:, starts[-1 if last else 0]]


def judge(judged: Judged, tests: Mapping[str, Section], found_power: float | None) -> tuple[str, str]:
    """Verdict and its reason for one fitted curve.

    Whether three legs are more than chance is for the calibrated tests alone: raw BIC prefers a triple to the truth
    more often than they reject, and a triple that they do not reject counts as none.

    Parameters
    ----------
    judged : Judged
    tests : dict, from `transitions.margins`
    found_power : float or None
        Of the declared fall. Not needed where every rival is rejected.
    """
    settings, curve = judged.settings, judged.curve
    if curve.most < 2:
        n = len(judged.t)
        needed = f"three transitions need {TRIPLE_CHECKPOINTS} checkpoints after step 0"
        return "undetermined", f"grid too coarse: {needed}, there are {n} (the curve is {pattern(judged.signs)})"
    words = pattern(judged.signs)
    kept = {name: test for name, test in tests.items() if test["p"] > settings.significance}
    if not kept:
        worst = max(test["p"] for test in tests.values())
        if is_triple(judged.signs):
            return "supported", f"the curve is {words} and every rival is rejected (largest p = {worst:.3g})"
        if not np.argmin(curve.class_bic):
            why = f"a curve with three legs fits best (p = {worst:.3g}), but not every leg is clear of zero ({words})"
            return "undetermined", why
    course = f"the curve is {words}"
    if is_triple(judged.signs):
        course += ", no more than chance makes of a rival: "
        course += ", ".join(f"{name} (p = {test['p']:.2g})" for name, test in kept.items())
    share = f"a fall of {settings.smallest_fall:.0%} of the first rise"
    if found_power is None:
        return "undetermined", f"{course}: with no first rise, {share} has no size that could be looked for"
    if found_power >= settings.needed_power:
        return "not supported", f"{course}, and {share} would have been found with power {found_power:.0%}"
    return "undetermined", (
        f"{course}, but {share} would have been found with power {found_power:.0%} only, "
        f"{settings.needed_power:.0%} is needed"
    )


def verdict_of(
    data: Trajectory, settings: Settings, rng: np.random.Generator, floor: float | None = None
) -> tuple[Section, Judged | None]:
    """Judge one curve; returns the JSON part and the fitted curve (None where it cannot be fitted)."""
    try:
        judged = Judged(data, settings, rng, floor)
    except Undetermined as problem:
        return undetermined(str(problem)), None
    verdict, reason, evidence, found_power = weigh(judged)
    result = {"verdict": verdict, "reason": with_remarks(f"{verdict}: {reason}", judged.remarks)}
    tests = {name: {key: finite_or_none(value) for key, value in test.items()} for name, test in evidence.tests.items()}
    return result | judged.describe() | {"margins": tests, "power": found_power}, judged


def weigh(judged: Judged) -> tuple[str, str, Evidence, float | None]:
    """Verdict, its reason, the evidence, and the power for the declared fall (None where nothing rises) of a curve."""
    evidence = Evidence(judged.curve)
    power = evidence.power() if 1 in judged.signs else None
    found = None if power is None else power.share
    return *judge(judged, evidence.tests, found), evidence, found


def with_remarks(reason: str, remarks: list[str]) -> str:
    """A reason with its remarks behind a semicolon."""
    return "; ".join([reason, *remarks])


def undetermined(why: str) -> Section:
    """The JSON part of a curve that cannot be judged."""
    return {
        "verdict": "undetermined",
        "reason": f"undetermined: {why}",
        "pattern": None,
        "legs": None,
        "breakpoints": [],
        "intervals": [],
        "segments": [],
        "fitted": [],
        "n_checkpoints": 0,
        "margins": {},
        "power": None,
    }
