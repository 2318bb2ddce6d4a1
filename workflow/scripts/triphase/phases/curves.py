"""Curves over the checkpoints of one model: read from the tidy table and the draws, averaged, made ready to fit."""

from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.messages import listed
from triphase.encoding.analyses import Analysis
from triphase.phases.covariance import Noise, estimate_noise
from triphase.stats.intervals import RESAMPLED_SUBJECTS
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

RESAMPLED_SEEDS = 5  # training runs that differ in their seed, from which on they are a sample and are resampled
MOST_NAMES = 6  # of checkpoints in a message
LEAST = 5  # checkpoints that even a line needs
LEAST_FREEDOM = 4  # degrees of freedom of draws, below which intervals of a covariance made of them do not hold


@dataclass(frozen=True)
class Trajectory:
    """Values of something over the n checkpoints of one model.

    Attributes
    ----------
    checkpoint : list of str
    step, tokens, values, errors : float array (n,)
        Values and errors are NaN where they are not known.
    draws : float array (n, draws), or None
        Paired over checkpoints.
    freedom : float
        Independent deviations that the draws are made of: held-out blocks, or items of a task, less one.
    remarks : list of str
        What a verdict on it has to say.
    """

    checkpoint: list[str]
    step: np.ndarray
    tokens: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    draws: np.ndarray | None = None
    freedom: float = np.inf
    remarks: list[str] = field(default_factory=list)

    def at(self, picked: list[int]) -> "Trajectory":
        """Some of its checkpoints."""
        arrays = {name: getattr(self, name)[picked] for name in ("step", "tokens", "values", "errors")}
        draws = None if self.draws is None else self.draws[picked]
        return replace(self, **arrays, draws=draws, checkpoint=[self.checkpoint[i] for i in picked])


class Undetermined(Exception):
    """The curve cannot be fitted; the message says why."""


def read_curve(table: pd.DataFrame, boot: xr.Dataset, selection: Selection) -> Trajectory:
    """Values and draws of a measure, or of its mean over several targets, over the checkpoints of one model.

    Checkpoints of the table that lack the measure are not on the curve, and `remarks` name them, and targets that no
    checkpoint has, which the mean is without.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    boot : xarray.Dataset
        `boot` (series, draw) of the same model.
    selection : triphase.table.selection.Selection

    Returns
    -------
    Trajectory

    Raises
    ------
    Undetermined
        The measure is absent.
    """
    rows, series = selection.rows(table), selection.draws(boot)
    if not len(rows):
        raise Undetermined(f"{selection.name} is absent for this model")
    grouped = rows.groupby(["step", "checkpoint"])
    whole = grouped["value"].agg(lambda column: column.mean(skipna=False))
    # Unequal sets of tasks would make a curve jump for want of a task.
    whole[grouped.size() < grouped.size().max()] = np.nan
    errors = grouped["se"].agg(lambda column: np.sqrt((column**2).sum(skipna=False)) / len(column))
    names = list(whole.index.get_level_values("checkpoint").astype(str))
    drawn: dict[str, list[np.ndarray]] = {}
    for name, draws in zip(series["checkpoint"].values, series["boot"].values, strict=True):
        drawn.setdefault(str(name), []).append(draws)
    complete = all(name in drawn for name in names)
    elsewhere = table.loc[table["tokens"] > 0, ["step", "checkpoint"]].drop_duplicates().sort_values("step")
    elsewhere = elsewhere["checkpoint"].dropna().unique()
    absent = [str(name) for name in elsewhere if str(name) not in names]
    lacking = sorted(set(selection.targets or ()) - set(rows["target"]))
    remarks = [f"not measured at {listed(absent, MOST_NAMES)}"] if absent else []
    remarks += [f"without {listed(lacking, MOST_NAMES)}, absent for this model"] if lacking else []
    return Trajectory(
        checkpoint=names,
        step=whole.index.get_level_values("step").to_numpy(float),
        tokens=grouped["tokens"].first().to_numpy(float, na_value=np.nan),
        values=whole.to_numpy(float, na_value=np.nan),
        errors=errors.to_numpy(float, na_value=np.nan),
        draws=np.array([np.mean(drawn[name], axis=0) for name in names], float) if complete else None,
        freedom=float(series["freedom"].min()) if complete else np.inf,
        remarks=remarks,
    )


def subject_curves(
    table: pd.DataFrame, boot: xr.Dataset, roi: str, analysis: Analysis | None = None
) -> dict[str, Trajectory]:
    """Alignment of every subject in one region, under one analysis: dict of subject to curve.

    Parameters
    ----------
    table, boot : as for `read_curve`
    roi : str
    analysis : triphase.encoding.analyses.Analysis, optional
        The main one where not given.
    """
    return selected_curves(table, boot, Selection(ALIGNMENT, roi=roi, analysis=analysis))


def selected_curves(table: pd.DataFrame, boot: xr.Dataset, selection: Selection) -> dict[str, Trajectory]:
    """A measure of subjects, one by one: dict of subject to curve."""
    subjects = [str(name) for name in selection.rows(table)["subject"].dropna().unique()]
    return {name: read_curve(table, boot, replace(selection, subject=name)) for name in subjects}


def average_subjects(curves: list[Trajectory], rng: np.random.Generator) -> Trajectory:
    """Mean curve of several subjects; with ten and more, each draw also resamples them, alike at all checkpoints.

    Only checkpoints where every subject has a value have a mean; `remarks` name the others.
    """
    curves, remarks = on_shared_grid(curves, "checkpoint", "subjects")
    return replace(mean_curve(curves, len(curves) >= RESAMPLED_SUBJECTS, rng), remarks=remarks)


def average_seeds(curves: list[Trajectory], rng: np.random.Generator) -> Trajectory:
    """Mean curve of training runs of one model that differ in their seed, matched by tokens.

    With five and more runs each draw also resamples the runs, so that their deviations from each other enter the
    covariance (the seed is the outermost level); below that the runs are fixed, and `remarks` say so.
    """
    number = len(curves)
    curves, remarks = on_shared_grid(curves, "tokens", "training runs")
    if 1 < number < RESAMPLED_SEEDS:
        remarks.append(f"{number} training runs are too few to stand for others: they are taken as fixed")
    return replace(mean_curve(curves, seeds_resampled(number), rng), remarks=remarks)


def seeds_resampled(number: int) -> bool:
    """Whether so many training runs are a sample of runs, and not just these."""
    return number >= RESAMPLED_SEEDS


def on_shared_grid(curves: list[Trajectory], key: str, what: str) -> tuple[list[Trajectory], list[str]]:
    """The curves where all of them have a value, by checkpoint or by tokens, and remarks that name the other places."""
    if not curves:
        raise Undetermined(f"there are no {what}")
    grids = [getattr(curve, key) for curve in curves]
    had = [
        {place for place, value in zip(grid, curve.values, strict=True) if np.isfinite(value)}
        for grid, curve in zip(grids, curves, strict=True)
    ]
    shared = set.intersection(*had)
    remarks = list(dict.fromkeys(remark for curve in curves for remark in curve.remarks))
    places = dict(chain.from_iterable(zip(g, c.checkpoint, strict=True) for g, c in zip(grids, curves, strict=True)))
    lacking = {name: sum(place not in own for own in had) for place, name in places.items() if place not in shared}
    if lacking:
        named = listed([f"{name} (lacking in {count} of {len(curves)})" for name, count in lacking.items()], MOST_NAMES)
        remarks.append(f"left out, as not all {what} have a value: {named}")
    picks = [[i for i, place in enumerate(grid) if place in shared] for grid in grids]
    return [curve.at(pick) for curve, pick in zip(curves, picks, strict=True)], remarks


def mean_curve(curves: list[Trajectory], resampled: bool, rng: np.random.Generator) -> Trajectory:
    """Mean of curves on one grid; `resampled` draws the curves with replacement too, alike at all checkpoints.

    Resampling n curves gives (n - 1) / n of the variance of their mean, so its part of a draw is widened by the root of
    n / (n - 1).
    """
    number = len(curves)
    values = np.array([curve.values for curve in curves])
    errors = np.sqrt((np.array([curve.errors for curve in curves]) ** 2).sum(axis=0)) / number
    draws, freedom = None, min(curve.freedom for curve in curves)
    if all(curve.draws is not None for curve in curves):
        each = np.array([curve.draws for curve in curves])
        draws = each.mean(axis=0)
        if resampled:
            extra = rng.multinomial(number, np.full(number, 1 / number), size=each.shape[-1]) / number - 1 / number
            between = np.einsum("scd,ds->cd", each, extra * np.sqrt(number / (number - 1)))
            freedom = joint_freedom([draws, between], [freedom, number - 1])
            draws = draws + between
    elif resampled:
        errors = np.hypot(errors, values.std(axis=0, ddof=1) / np.sqrt(number))
    return replace(curves[0], values=values.mean(axis=0), errors=errors, draws=draws, freedom=freedom)


def joint_freedom(parts: list[np.ndarray], freedoms: list[float]) -> float:
    """Degrees of freedom of the sum of independent parts of draws (n, draw), each with its own (Satterthwaite 1946)."""
    variances = np.array([part.var(axis=1).mean() for part in parts])
    spent = (variances**2 / freedoms).sum()
    return float(variances.sum() ** 2 / spent) if spent > 0 else min(freedoms)


def usable(data: Trajectory) -> tuple[np.ndarray, list[str]]:
    """Indices of a curve's checkpoints that have a value, in order of step, step 0 among them, and remarks.

    Raises
    ------
    Undetermined
        Tokens are unknown or do not increase.
    """
    order, names = np.argsort(data.step, kind="stable"), data.checkpoint
    if unknown := [names[i] for i in order if not np.isfinite(data.tokens[i])]:
        raise Undetermined(f"tokens are unknown: {listed(unknown, MOST_NAMES)}")
    for earlier, later in zip(order[:-1], order[1:], strict=True):
        if not data.tokens[later] > data.tokens[earlier]:
            raise Undetermined(f"tokens do not increase from {names[earlier]} to {names[later]}")
    missing = [names[i] for i in order if not np.isfinite(data.values[i])]
    remarks = [f"without a value and left out: {listed(missing, MOST_NAMES)}"] if missing else []
    return order[np.isfinite(data.values[order])], [*data.remarks, *remarks]


def sampling(data: Trajectory, picked: np.ndarray) -> tuple[Noise, np.ndarray | None, list[str]]:
    """Sampling noise of the picked checkpoints from the paired draws, else from standard errors.

    A standard error that is missing, or 0 as that of a score of 0 of n, counts as 0: the fit's own noise of single
    checkpoints stands in for it.

    Returns
    -------
    noise, draws (draw, n) or None, remarks (list of str)

    Raises
    ------
    Undetermined
        The draws are of too few blocks.
    """
    if data.draws is not None:
        draws = data.draws[picked].T
        draws = draws[np.isfinite(draws).all(axis=1)]
        if len(draws) > 2 * len(picked):
            if data.freedom < LEAST_FREEDOM:
                raise Undetermined(
                    f"too few held-out blocks: the bootstrap has {data.freedom:.3g} degrees of freedom (blocks less one"
                    f" per stimulus), and a fit needs {LEAST_FREEDOM}; hold out more: longer or more test runs, or "
                    "encoding/split/kind outer_cv"
                )
            return estimate_noise(draws, data.freedom), draws, []
    errors = data.errors[picked]
    known = "standard errors taken as independent" if np.isfinite(errors).any() else "the residuals carry all noise"
    return Noise(np.diag(np.where(np.isfinite(errors), errors, 0) ** 2)), None, [f"no paired bootstrap: {known}"]


def prepare(data: Trajectory) -> tuple[np.ndarray, np.ndarray, Noise, np.ndarray | None, list[str]]:
    """What a fit needs from a curve: checkpoints after step 0 with values, their noise, and remarks.

    Returns
    -------
    t (log10 tokens), values, noise, draws (draw, checkpoint) or None, remarks (list of str)

    Raises
    ------
    Undetermined
        Tokens do not increase, fewer than five checkpoints, a curve that does not vary, or draws of too few blocks.
    """
    picked, remarks = usable(data)
    picked = picked[data.tokens[picked] > 0]
    if len(picked) < LEAST:
        there = "1 checkpoint after step 0 has" if len(picked) == 1 else f"{len(picked)} checkpoints after step 0 have"
        few = f"grid too coarse: {there} a value, and even a line needs {LEAST}"
        raise Undetermined("; ".join([few, *remarks]))
    values = data.values[picked]
    if np.ptp(values) <= 1e-12 * max(np.abs(values).max(), 1):
        raise Undetermined("; ".join(["the curve does not vary over checkpoints", *remarks]))
    noise, draws, more = sampling(data, picked)
    return np.log10(data.tokens[picked]), values, noise, draws, [*remarks, *more]
