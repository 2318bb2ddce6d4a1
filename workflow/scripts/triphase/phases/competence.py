"""Formal and functional competence: whether groups of tasks emerge together with alignment, and controls do not.

Groups are the config's (`tasks/evaluations/group`), after Mahowald et al. (2024): formal competence is of the rules of
a language, functional competence of its use. Controls follow rules that fluent text does not need. The nearest rival of
this project's question (arXiv 2602.12811) reports that the asymmetry between the hemispheres rises suddenly, together
with formal and not with functional competence: every group is compared with alignment and with lateralisation [ours].
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Entries, Section
from triphase.phases.behaviour import LAG_FACTOR, coincidence
from triphase.phases.curves import Trajectory, Undetermined, average_subjects, read_curve, selected_curves
from triphase.phases.transitions import Settings
from triphase.phases.verdict import Judged
from triphase.stats.intervals import half_width
from triphase.table.lateralisation import LATERALISATION, WHOLE
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

GROUPS = ("formal", "functional", "control")
CONTROL = GROUPS[-1]
ACCURACY = "accuracy_rescaled"
# A group that gains less than this of the way from chance to perfect does not emerge. [ours]
LEAST_RISE = 0.25


def groups_of(evaluations: Entries) -> tuple[dict[str, list[str]], list[str]]:
    """Tasks of each group, and those without one.

    Parameters
    ----------
    evaluations : list of dict with name and group (null where there is none)
    """
    found: dict[str, list[str]] = {}
    for group in GROUPS:
        if names := [entry["name"] for entry in evaluations if entry.get("group") == group]:
            found[group] = names
    return found, [entry["name"] for entry in evaluations if not entry.get("group")]


def competence(
    table: pd.DataFrame, boot: xr.Dataset, roi: str, evaluations: Entries, settings: Settings, seed: int
) -> Section | None:
    """The entry `competence` of phases.json; None where no task has a group.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    boot : xarray.Dataset
        Paired draws of the same model.
    roi : str
        Region of the headline; lateralisation is that of the same region where it has two sides, else of all.
    evaluations : list of dict with name and group
    settings : transitions.Settings
    seed : int

    Returns
    -------
    dict with groups (of each: tasks, the fit of their mean accuracy rescaled to chance 0 and perfect 1, `coincidence`
    of its first rise with that of alignment and with that of lateralisation; `co_emerges`: true where it coincides,
    false where its lag is clearly longer, or where it has no rise and a gain of `LEAST_RISE` is excluded, null where
    neither is shown), lateralisation (its fit), ungrouped, and controls_hold (whether no control co-emerges, null where
    that is not shown or there is none)
    """
    groups, ungrouped = groups_of(evaluations)
    if not groups:
        return None
    rng = np.random.default_rng([seed, len(evaluations)])
    alignment, _ = fitted(mean_of(table, boot, Selection(ALIGNMENT, roi=roi), seed), settings, rng)
    sided = [name for name in (roi, WHOLE) if len(Selection(LATERALISATION, roi=name).rows(table))]
    wanted = Selection(LATERALISATION, roi=sided[0] if sided else roi)
    lateral, lacking = fitted(mean_of(table, boot, wanted, seed), settings, rng)
    found: Section = {"groups": {}, "ungrouped": ungrouped}
    found["lateralisation"] = {"roi": wanted.roi} | described(lateral, lacking)
    for group, tasks in groups.items():
        curve: Trajectory | str
        try:
            curve = read_curve(table, boot, Selection(ACCURACY, tuple(tasks)))
        except Undetermined as absent:
            curve = str(absent)
        fit, why = fitted(curve, settings, rng, settings.floor_tokens)
        with_alignment, with_sides = together("alignment", alignment, fit), together(LATERALISATION, lateral, fit)
        found["groups"][group] = (
            {"tasks": tasks, "measure": ACCURACY}
            | described(fit, why)
            | {"coincidence": with_alignment, "with_lateralisation": with_sides}
            | {"co_emerges": emerges(fit, curve, with_alignment)}
        )
    control = found["groups"].get(CONTROL, {}).get("co_emerges")
    return found | {"controls_hold": None if control is None else not control}


def mean_of(table: pd.DataFrame, boot: xr.Dataset, selection: Selection, seed: int) -> Trajectory | str:
    """Mean curve over subjects, who are resampled as for the headline; why there is none, in words."""
    curves = selected_curves(table, boot, selection)
    if not curves:
        return f"{selection.name} was not measured"
    try:
        return average_subjects(list(curves.values()), np.random.default_rng(seed))
    except Undetermined as problem:
        return str(problem)


def fitted(
    curve: Trajectory | str, settings: Settings, rng: np.random.Generator, floor: float | None = None
) -> tuple[Judged | None, str]:
    """The fit of a curve, or None and why there is none."""
    if isinstance(curve, str):
        return None, curve
    try:
        return Judged(curve, settings, rng, floor), ""
    except Undetermined as problem:
        return None, str(problem)


def described(fit: Judged | None, reason: str) -> Section:
    """A fit as JSON has it; without one, why."""
    if fit is not None:
        return fit.describe()
    nothing: Section = {"pattern": None, "breakpoints": [], "intervals": [], "segments": []}
    return nothing | {"remarks": [f"undetermined: {reason}"]}


def together(name: str, reference: Judged | None, fit: Judged | None) -> Section:
    """Lag of the first rise of behaviour behind the first rise of what has a name, see `behaviour.coincidence`."""
    onset = None if reference is None else reference.onset()
    found = coincidence(onset, fit, reference, last=False)
    return found | {"reason": found["reason"].replace("alignment", name)}


def emerges(fit: Judged | None, curve: Trajectory | str, lag: Mapping[str, object]) -> bool | None:
    """Whether a group emerges together with alignment; None where neither that nor the contrary is shown.

    That it does not emerge at all is an equivalence claim: no rise was found, and the 95 % interval of what it gained
    from its first to its last checkpoint lies below `LEAST_RISE`. Where there is nothing to emerge with, nothing is
    shown.
    """
    if fit is None or isinstance(curve, str):
        return None
    if lag["coincides"]:
        return True
    if fit.onset() is None:
        return False if gained_at_most(curve) < LEAST_RISE else None
    interval = lag["lag_interval"]
    if isinstance(interval, list) and (interval[0] > LAG_FACTOR or interval[1] < 1 / LAG_FACTOR):
        return False
    return None


def gained_at_most(curve: Trajectory) -> float:
    """Upper end of the 95 % interval of the change from the first to the last checkpoint; infinite without errors."""
    known = np.flatnonzero(np.isfinite(curve.values))
    first, last = known[0], known[-1]
    if curve.draws is not None:
        error = np.std(curve.draws[last] - curve.draws[first], ddof=1)
    else:
        error = np.hypot(curve.errors[first], curve.errors[last])
    gained = curve.values[last] - curve.values[first] + half_width(error, curve.freedom)
    return float(gained) if np.isfinite(gained) else np.inf
