"""Curves over the checkpoints of one model: read from the tidy table and the draws, averaged, made ready to fit."""

import numpy as np

from triphase.phases.piecewise import shrink_covariance

RESAMPLED_SUBJECTS = 10  # from this number on subjects are a sample and are resampled; below it they are fixed


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
