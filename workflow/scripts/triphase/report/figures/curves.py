"""What figures draw: mean curves with 95 % intervals, taken from the tidy table and the paired draws."""

import numpy as np
import pandas as pd
import xarray as xr

from triphase.phases.curves import average_subjects, subject_curves

Z = 1.959964


def tidy_curve(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, mean value and 95 % half-width of one measure of the whole model (or one layer), by tokens.

    The half-width is NaN where the table gives no standard error.
    """
    grouped = rows.groupby("tokens")
    se = grouped["se"].agg(lambda column: np.sqrt((column**2).sum(skipna=False)) / len(column))
    mean = grouped["value"].mean()
    return mean.index.to_numpy(float), mean.to_numpy(float), Z * se.to_numpy(float)


def alignment_curves(table: pd.DataFrame, boot: xr.Dataset, roi: str) -> tuple[dict | None, dict[str, dict]]:
    """Alignment of every subject in one region, and their mean.

    Returns
    -------
    mean : dict as `verdict.read_curve` returns it, or None without data; `half` is the 95 % half-width of the mean,
        from the paired draws (with ten and more subjects these resample subjects too), else from standard errors
    curves : dict of subject to such a dict
    """
    curves = subject_curves(table, boot, roi)
    if not curves:
        return None, {}
    mean = average_subjects(list(curves.values()), np.random.default_rng(0))
    if mean["draws"] is None:
        mean["half"] = Z * mean["errors"]
    else:
        mean["half"] = Z * np.nanstd(mean["draws"], axis=1, ddof=1)
    return mean, curves


def targets_of(table: pd.DataFrame, measure: str) -> list[str]:
    """What a measure was taken of (tasks, concepts), in order of appearance."""
    return list(table.loc[table["measure"] == measure, "target"].dropna().unique())
