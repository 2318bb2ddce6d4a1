"""What figures draw: mean curves with 95 % intervals, taken from the tidy table and the paired draws."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from triphase.phases.curves import Trajectory, average_subjects, selected_curves
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

Z = 1.959964


def tidy_curve(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, mean value and 95 % half-width of one measure of the whole model (or one layer), by tokens.

    The half-width is NaN where the table gives no standard error.
    """
    grouped = rows.groupby("tokens")
    se = grouped["se"].agg(lambda column: np.sqrt((column**2).sum(skipna=False)) / len(column))
    mean = grouped["value"].mean()
    return mean.index.to_numpy(float), mean.to_numpy(float), Z * se.to_numpy(float)


@dataclass(frozen=True)
class Alignment:
    """Alignment in one region: of every subject, and their mean with the half-width of its 95 % interval.

    The width is that of the paired draws (with ten and more subjects these resample subjects too), else that of the
    standard errors.
    """

    subjects: dict[str, Trajectory]
    mean: Trajectory
    half: np.ndarray


def alignment_curves(table: pd.DataFrame, boot: xr.Dataset, roi: str) -> Alignment | None:
    """Alignment in one region; None where no subject has it."""
    return mean_curve(table, boot, Selection(ALIGNMENT, roi=roi))


def mean_curve(table: pd.DataFrame, boot: xr.Dataset, selection: Selection) -> Alignment | None:
    """A measure that subjects have; None where no subject has it."""
    curves = selected_curves(table, boot, selection)
    if not curves:
        return None
    mean = average_subjects(list(curves.values()), np.random.default_rng(0))
    half = Z * (mean.errors if mean.draws is None else np.nanstd(mean.draws, axis=1, ddof=1))
    return Alignment(curves, mean, half)


def targets_of(table: pd.DataFrame, measure: str) -> list[str]:
    """What a measure was taken of (tasks, concepts), in order of appearance."""
    return list(table.loc[table["measure"] == measure, "target"].dropna().unique())
