"""The verdict on three phase transitions for one curve: what can be fitted, what the fit shows, and why."""

import numpy as np
from scipy.stats import norm

from triphase.artefacts import finite_or_none
from triphase.piecewise import allowed_breakpoints, shrink_covariance
from triphase.transitions import (
    SYMBOLS,
    WORDS,
    Curve,
    grid_interval,
    is_triple,
    legs,
    margins,
    merged,
    pattern,
    power,
)

RESAMPLED_SUBJECTS = 10  # from this number on subjects are a sample and are resampled; below it they are fixed
TRIPLE_CHECKPOINTS = next(n for n in range(5, 20) if allowed_breakpoints(n) == 2)
STAGNATION = 0.25  # slope in phase 2 as a share of that in phase 3, below which accuracy stagnates


class Undetermined(Exception):
    """The curve cannot be fitted; the message says why."""


def read_curve(table, boot, measures, roi=None, subject=None):
    """Values and draws of one measure, or of the mean of several, over the checkpoints of one model.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    boot : xarray.Dataset
        `boot` (series, draw) of the same model.
    measures : list of str
    roi, subject : str, optional
        Rows to keep; all where not given.

    Returns
    -------
    dict with checkpoint (list), step, tokens, values (n,), errors (n,), draws (n, draws) or None
    """
    rows = table[table["measure"].isin(measures)]
    here = np.isin(boot["measure"].values, measures)
    for key, wanted in (("roi", roi), ("subject", subject)):
        if wanted is not None:
            rows, here = rows[rows[key] == wanted], here & (boot[key].values == wanted)
    if not len(rows):
        raise Undetermined(f"{' and '.join(measures) or 'the measure'} is absent for this model")
    grouped = rows.sort_values("step").groupby(["step", "checkpoint"], sort=True)
    whole = grouped["value"].agg(lambda column: column.mean(skipna=False))
    # Unequal sets of tasks would make a curve jump for want of a task.
    whole[grouped.size() < grouped.size().max()] = np.nan
    errors = grouped["se"].agg(lambda column: np.sqrt((column**2).sum(skipna=False)) / len(column))
    names = whole.index.get_level_values("checkpoint").astype(str)
    drawn = {}
    for name, draws in zip(boot["checkpoint"].values[here], boot["boot"].values[here], strict=True):
        drawn.setdefault(str(name), []).append(draws)
    complete = all(name in drawn for name in names)
    return {
        "checkpoint": list(names),
        "step": whole.index.get_level_values("step").to_numpy(float),
        "tokens": grouped["tokens"].first().to_numpy(float, na_value=np.nan),
        "values": whole.to_numpy(float),
        "errors": errors.to_numpy(float),
        "draws": np.array([np.mean(drawn[name], axis=0) for name in names], float) if complete else None,
    }


def average_subjects(curves, rng):
    """Mean curve of several subjects; with ten and more, each draw also resamples them, alike at all checkpoints."""
    shared = [name for name in curves[0]["checkpoint"] if all(name in curve["checkpoint"] for curve in curves)]
    picks = [[curve["checkpoint"].index(name) for name in shared] for curve in curves]
    first = curves[0]
    values = np.array([curve["values"][pick] for curve, pick in zip(curves, picks, strict=True)])
    errors = np.array([curve["errors"][pick] for curve, pick in zip(curves, picks, strict=True)])
    draws = None
    if all(curve["draws"] is not None for curve in curves):
        draws = np.array([curve["draws"][pick] for curve, pick in zip(curves, picks, strict=True)])
        number = len(curves)
        if number >= RESAMPLED_SUBJECTS:
            shares = rng.multinomial(number, np.full(number, 1 / number), size=draws.shape[-1]) / number
            draws = np.einsum("scd,ds->cd", draws, shares)
        else:
            draws = draws.mean(axis=0)
    return {
        "checkpoint": shared,
        "step": first["step"][picks[0]],
        "tokens": first["tokens"][picks[0]],
        "values": values.mean(axis=0),
        "errors": np.sqrt((errors**2).sum(axis=0)) / len(curves),
        "draws": draws,
    }


def prepare(data, settings):
    """What a fit needs from a curve: checkpoints after step 0 with values, their covariance, and remarks.

    Returns
    -------
    t (log10 tokens), values, covariance, draws (draw, checkpoint) or None, remarks (list of str)

    Raises
    ------
    Undetermined
        Tokens do not increase, fewer than five checkpoints, or a curve that does not vary.
    """
    order = np.argsort(data["step"], kind="stable")
    tokens = data["tokens"][order]
    for earlier, later in zip(order[:-1], order[1:], strict=True):
        if not data["tokens"][later] > data["tokens"][earlier]:
            names = data["checkpoint"]
            raise Undetermined(f"tokens do not increase from {names[earlier]} to {names[later]}")
    missing = [data["checkpoint"][i] for i in order if not np.isfinite(data["values"][i])]
    remarks = [f"without a value and left out: {', '.join(missing)}"] if missing else []
    keep = np.isfinite(data["values"][order]) & (tokens > 0)
    picked = order[keep]
    if len(picked) < 5:
        raise Undetermined(f"grid too coarse: {len(picked)} checkpoints after step 0, and even a line needs 5")
    values = data["values"][picked]
    if np.ptp(values) <= 1e-12 * max(np.abs(values).max(), 1):
        raise Undetermined("the curve does not vary over checkpoints")
    draws = None if data["draws"] is None else data["draws"][picked].T
    if draws is not None and np.isfinite(draws).all(axis=1).sum() > 2 * len(picked):
        draws = draws[np.isfinite(draws).all(axis=1)]
        covariance = shrink_covariance(draws, settings.shrinkage)
    else:
        draws = None
        errors = data["errors"][picked]
        covariance = np.diag(np.where(np.isfinite(errors), errors, 0) ** 2)
        known = "standard errors taken as independent" if np.isfinite(errors).any() else "the residuals carry all noise"
        remarks.append(f"no paired bootstrap: {known}")
    return np.log10(data["tokens"][picked]), values, covariance, draws, remarks


class Judged:
    """A fitted curve with refitted breakpoints, as results for JSON are written from it."""

    def __init__(self, data, settings, rng):
        self.settings = settings
        self.t, values, covariance, draws, self.remarks = prepare(data, settings)
        self.curve = Curve(self.t, values, covariance, settings)
        if draws is None:
            draws = rng.multivariate_normal(values, covariance, size=settings.draws)
        elif len(draws) > settings.draws:
            draws = draws[: settings.draws]
        self.refits = self.curve.refit_breakpoints(draws, rng)
        self.edges = np.column_stack(
            [np.zeros(len(self.refits), int), self.refits, np.full(len(self.refits), len(self.t) - 1)]
        )

    def describe(self):
        """Pattern, breakpoints with 95 % intervals, segments with their changes, and BIC of the candidates.

        Breakpoints are where a segment of one kind meets one of another; `knots` lists every bend of the fit.
        """
        fit, signs = self.curve.fit, self.curve.signs
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
            "bic": self.curve.bic(),
            "remarks": self.remarks,
        }

    def segments(self):
        """Merged segments: token range, sign in words, change with its interval (None where it is held at zero)."""
        fit, signs = self.curve.fit, self.curve.signs
        edges = [0, *fit.shape.knots, len(self.t) - 1]
        length = np.diff(self.t[edges])
        z = norm.ppf((1 + self.settings.confidence) / 2)
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
                    "change_interval": [float(change - z * error), float(change + z * error)] if error else None,
                }
            )
            start = stop
        return found

    def onset(self, last=False, after_fall=False):
        """Draws of the grid index where the first (or last) rise begins, 0 where it is under way at the first.

        `after_fall` asks for the rise that follows a fall. None where there is no such rise.
        """
        signs = self.curve.signs
        starts = [i for i, sign in enumerate(signs) if sign > 0 and (i == 0 or signs[i - 1] <= 0)]
        if after_fall:
            starts = [i for i in starts if -1 in signs[:i]]
        if not starts:
            return None
        return self.edges[:, starts[-1 if last else 0]]


def judge(judged, tests, found_power):
    """Verdict and its reason for one fitted curve."""
    settings, curve = judged.settings, judged.curve
    if curve.most < 2:
        n = len(judged.t)
        needed = f"three transitions need {TRIPLE_CHECKPOINTS} checkpoints after step 0"
        return "undetermined", f"grid too coarse: {needed}, there are {n} (the curve is {pattern(curve.signs)})"
    words = pattern(curve.signs)
    kept = {name: test for name, test in tests.items() if test["p"] > settings.significance}
    if is_triple(curve.signs):
        if not kept:
            worst = max(test["p"] for test in tests.values())
            return "supported", f"the curve is {words} and every rival is rejected (largest p = {worst:.3g})"
        rivals = ", ".join(f"{name} (p = {test['p']:.2g})" for name, test in kept.items())
        return "undetermined", f"the curve is {words}, but not every rival is rejected: {rivals}"
    share = f"a fall of {settings.smallest_fall:.0%} of the first rise"
    if not np.argmin(curve.class_bic):
        return "undetermined", f"a curve with three legs fits best, but not every leg is clear of zero ({words})"
    if found_power is None:
        return "undetermined", f"the curve is {words}: with no first rise, {share} has no size that could be looked for"
    if found_power >= settings.needed_power:
        return "not supported", f"the curve is {words}, and {share} would have been found with power {found_power:.0%}"
    return "undetermined", (
        f"the curve is {words}, but {share} would have been found with power {found_power:.0%} only, "
        f"{settings.needed_power:.0%} is needed"
    )


def verdict_of(data, settings, rng):
    """Judge one curve; returns the JSON part and the fitted curve (None where it cannot be fitted)."""
    try:
        judged = Judged(data, settings, rng)
    except Undetermined as problem:
        return undetermined(str(problem)), None
    tests = margins(judged.curve, rng)
    found_power = power(judged.curve, tests, rng)
    verdict, reason = judge(judged, tests, found_power)
    result = {"verdict": verdict, "reason": with_remarks(f"{verdict}: {reason}", judged.remarks)}
    tests = {name: {key: finite_or_none(value) for key, value in test.items()} for name, test in tests.items()}
    return result | judged.describe() | {"margins": tests, "power": found_power}, judged


def with_remarks(reason, remarks):
    """A reason with its remarks behind a semicolon."""
    return "; ".join([reason, *remarks])


def undetermined(why):
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
