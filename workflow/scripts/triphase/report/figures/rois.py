"""Curves of brain alignment region by region."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from triphase.report.figures.curves import mean_curve
from triphase.report.figures.panels import shade
from triphase.report.figures.style import GREY, VERMILION, TokenAxis, headline, panel_grid, say_empty
from triphase.responses.hemispheres import HOMOLOGOUS, MIRRORED
from triphase.table.lateralisation import LATERALISATION
from triphase.table.measures import MEASURES
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

COLOURS = {ALIGNMENT: MEASURES[ALIGNMENT].colour, LATERALISATION: VERMILION}


def draw_rois(trajectories: pd.DataFrame, bootstrap: xr.Dataset, phases: dict, rois: list[dict], model: str) -> Figure:
    """One panel per region, one for all and one per pair of sides: subjects thin, the mean with its 95 % interval."""
    regions = [(roi["name"], f"{roi['name']} (language)" if roi["language"] else roi["name"]) for roi in rois]
    regions += [("language", "all language regions")] * any(roi["language"] for roi in rois)
    regions += [("all", "all regions" if rois else "all voxels")]
    drawn = [(Selection(ALIGNMENT, roi=roi), title_of(trajectories, roi, name)) for roi, name in regions]
    drawn += side_panels(trajectories)
    columns = 4 if len(drawn) > 6 else min(3, len(drawn))
    axis = TokenAxis(trajectories["tokens"].dropna().unique())
    figure, panels = panel_grid(len(drawn), columns, 1.75, 0.7)
    n_subjects = 0
    for number, (panel, (selection, title)) in enumerate(zip(panels, drawn, strict=True)):
        shade(panel, axis, phases["segments"])
        found = mean_curve(trajectories, bootstrap, selection)
        panel.set_title(title)
        panel.axhline(0, color=GREY, linewidth=0.7)
        last = number + columns >= len(drawn)
        axis.apply(panel, label=last)
        panel.tick_params(labelbottom=last)
        panel.set_xlabel("training tokens" if last else "")
        if number % columns == 0:
            panel.set_ylabel(MEASURES[selection.measure].text)
        if found is None:
            say_empty(panel, "not measured")
            continue
        mean, curves, colour = found.mean, found.subjects, COLOURS[selection.measure]
        n_subjects = max(n_subjects, len(curves))
        for curve in curves.values() if len(curves) > 1 else []:
            axis.curve(panel, curve.tokens, curve.values, color=GREY, alpha=0.4, linewidth=0.7, marker="")
        axis.band(panel, mean.tokens, mean.values - found.half, mean.values + found.half, colour)
        axis.curve(panel, mean.tokens, mean.values, color=colour, marker="o", linewidth=1.6)
    note = f"thin: n = {n_subjects} single subjects; thick: mean, " if n_subjects > 1 else "n = 1 subject, "
    headline(figure, f"{model}: alignment by region ({note}95 % interval)")
    return figure


def side_panels(table: pd.DataFrame) -> list[tuple[Selection, str]]:
    """What is drawn of each pair of sides, and its title."""
    rows = table.loc[table["measure"] == LATERALISATION, ["roi", "target"]].drop_duplicates()
    return [
        (
            Selection(LATERALISATION, (target,), roi=roi),
            f"{roi}: left − right" if target in (MIRRORED, HOMOLOGOUS) else f"{roi} − {target}",
        )
        for roi, target in rows.itertuples(index=False)
    ]


def title_of(table: pd.DataFrame, region: str, name: str) -> str:
    """Name of a region with its number of voxels per subject."""
    counts = Selection(ALIGNMENT, roi=region).rows(table)["n"].dropna()
    if not len(counts):
        return name
    low, high = int(np.min(counts)), int(np.max(counts))
    if high == 1:
        return f"{name}, 1 time course"
    return f"{name}, {low if low == high else f'{low}–{high}'} voxels"
