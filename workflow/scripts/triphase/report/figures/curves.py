"""What figures draw: mean curves with 95 % intervals, taken from the tidy table and the paired draws."""

import numpy as np
import pandas as pd
import xarray as xr

from triphase.phases.curves import Undetermined, average_subjects, read_curve

Z = 1.959964


def tidy_curve(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, mean value and 95 % half-width of one measure of the whole model (or one layer), by tokens.

    The half-width is NaN where the table gives no standard error.
    """
    grouped = rows.groupby("tokens")
    se = grouped["se"].agg(lambda column: np.sqrt((column**2).sum(skipna=False)) / len(column))
    mean = grouped["value"].mean()
    return mean.index.to_numpy(float), mean.to_numpy(float), Z * se.to_numpy(float)


def subject_curves(
    table: pd.DataFrame, boot: xr.Dataset, measure: str, roi: str
) -> tuple[dict | None, dict[str, dict]]:
    """Curves of every subject and their mean.

    Returns
    -------
    mean : dict as `verdict.read_curve` returns it, or None without data; `half` is the 95 % half-width of the mean,
        from the paired draws (with ten and more subjects these resample subjects too), else from standard errors
    curves : dict of subject to such a dict
    """
    rows = table[(table["measure"] == measure) & (table["roi"] == roi)]
    curves = {}
    for subject in rows["subject"].dropna().unique():
        try:
            curves[subject] = read_curve(table, boot, [measure], roi, subject)
        except Undetermined:
            continue
    if not curves:
        return None, {}
    mean = average_subjects(list(curves.values()), np.random.default_rng(0))
    if mean["draws"] is None:
        mean["half"] = Z * mean["errors"]
    else:
        mean["half"] = Z * np.nanstd(mean["draws"], axis=1, ddof=1)
    return mean, curves


def names_after(table: pd.DataFrame, prefix: str) -> list[str]:
    """Names that follow `prefix/` among the measures, in order of appearance."""
    measures = table["measure"].dropna().unique()
    return [name.split("/", 1)[1] for name in measures if name.startswith(f"{prefix}/")]
