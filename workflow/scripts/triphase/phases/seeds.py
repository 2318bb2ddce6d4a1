"""One verdict for the training runs of one family and size, which differ in their seed alone."""

import zlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Section
from triphase.phases.curves import average_seeds, average_subjects, seeds_resampled, subject_curves
from triphase.phases.transitions import Settings
from triphase.phases.verdict import verdict_of
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT


def group_members(models: Mapping[str, Section]) -> dict[str, list[str]]:
    """Groups of models that differ in their seed alone: dict of group to names, those of one model left out."""
    members: dict[str, list[str]] = {}
    for name, model in models.items():
        members.setdefault(model["group"], []).append(name)
    return {group: names for group, names in members.items() if len(names) > 1}


def judge_groups(
    table: pd.DataFrame,
    boot: xr.Dataset,
    models: Mapping[str, Section],
    headline: Section,
    settings: Settings,
    seed: int,
) -> dict[str, Section]:
    """Verdict on the mean curve of each group's runs, with the seed as the outermost level of chance.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of the whole study.
    boot : xarray.Dataset
        Its paired draws.
    models : dict of model to dict with group
    headline : dict with roi
    settings : transitions.Settings
    seed : int

    Returns
    -------
    dict of group to dict with models, scope, and what `verdict_of` gives
    """
    asked = Selection(ALIGNMENT, roi=headline["roi"])
    rows, drawn = asked.rows(table), asked.draws(boot)
    found = {}
    for group, names in group_members(models).items():
        curves = []
        for name in names:
            mine, draws = rows[rows["model"] == name], drawn.isel(series=drawn["model"].values == name)
            of_subjects = subject_curves(mine, draws, headline["roi"])
            # The same subjects are resampled in every run.
            curves.append(average_subjects(list(of_subjects.values()), np.random.default_rng(seed)))
        rng = np.random.default_rng([seed, zlib.crc32(group.encode())])
        result, _ = verdict_of(average_seeds(curves, rng), settings, rng)
        scope = "over" if seeds_resampled(len(names)) else "in these"
        found[group] = {"models": names, "scope": f"{scope} {len(names)} training runs"} | result
    return found
