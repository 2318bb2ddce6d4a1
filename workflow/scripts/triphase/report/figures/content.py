"""Controls of content: alignment over ever more of what the words say by themselves, and what is whose alone."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triphase.phases.content import gains_over, unique_rows
from triphase.report.figures.curves import Alignment, mean_curve
from triphase.report.figures.panels import shade
from triphase.report.figures.style import CYCLE, GREY, MARKERS, WIDTH, TokenAxis, headline, plt, say_empty
from triphase.table.measures import MEASURES
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT, UNIQUE

# Nuisance sets in the legend.
SETS = {
    "N1": "rate, length and the like (N1)",
    "N2": "and word identity (N2)",
    "N1+static": "N1 and static embedding: contextual",
    "N1+surprisal": "N1 and own surprisal",
    "N2+surprisal": "N2 and own surprisal",
}
PARTS = {"model": "the model's layer", "identity": "word identity", "surprisal": "its surprisal"}


def draw_content(trajectories: pd.DataFrame, bootstrap: xr.Dataset, phases: dict, model: str) -> Figure:
    """Alignment over every nuisance set, and the unique variance of the layer, word identity and surprisal."""
    axis, roi = TokenAxis(trajectories["tokens"].dropna().unique()), phases["headline"]["roi"]
    figure, panels = plt.subplots(1, 2, figsize=(WIDTH, 2.6), layout="constrained")
    gains = {
        SETS[name]: mean_curve(trajectories, bootstrap, Selection(ALIGNMENT, roi=roi, analysis=analysis))
        for name, analysis in gains_over(trajectories).items()
    }
    rows = unique_rows(trajectories)
    unique = {label: mean_curve(rows, bootstrap, Selection(UNIQUE, (part,), roi)) for part, label in PARTS.items()}
    for panel, curves, name, letter in (
        (panels[0], gains, ALIGNMENT, "a  Alignment over"),
        (panels[1], unique, UNIQUE, "b  Unique variance of"),
    ):
        panel.set_title(letter)
        panel.set_ylabel(MEASURES[name].text)
        shade(panel, axis, phases["segments"])
        _draw(panel, axis, {label: curve for label, curve in curves.items() if curve})
    n = phases["n_subjects"]
    counted = f"mean over n = {n} subjects" if n > 1 else "n = 1 subject"
    headline(figure, f"{model}: controls of content in {roi} ({counted}, 95 % interval)")
    return figure


def _draw(panel: Axes, axis: TokenAxis, curves: dict[str, Alignment]) -> None:
    axis.apply(panel)
    panel.axhline(0, color=GREY, linewidth=0.7)
    if not curves:
        say_empty(panel, "not measured")
    for (label, found), colour, marker in zip(curves.items(), CYCLE, MARKERS, strict=False):
        mean = found.mean
        axis.band(panel, mean.tokens, mean.values - found.half, mean.values + found.half, colour, alpha=0.12)
        axis.curve(panel, mean.tokens, mean.values, color=colour, marker=marker, label=label)
    if curves:
        low, high = panel.get_ylim()
        panel.set_ylim(low, high + 0.09 * len(curves) * np.ptp((low, high)))  # room for the legend
        panel.legend(loc="upper left")
