"""Layer x checkpoint heat maps: brain alignment and internal states over depth and training."""

import pandas as pd
from matplotlib.figure import Figure

from triphase.core.measures import Measure
from triphase.report.figures.panels import draw_map, signed_scale
from triphase.report.figures.style import WIDTH, headline, plt
from triphase.report.numbers import counted
from triphase.table.measures import MEASURES

COLUMNS = 2


def draw_layers(trajectories: pd.DataFrame, roi: str, model: str) -> Figure:
    """A heat map of every measure of layers that the table of measures gives a panel."""
    drawn = [measure for measure in MEASURES.values() if measure.per_layer and measure.panel is not None]
    n_rows = -(-len(drawn) // COLUMNS)
    figure, axes = plt.subplots(
        n_rows, COLUMNS, figsize=(WIDTH, 2.2 * n_rows + 0.3), layout="constrained", squeeze=False
    )
    tokens, subjects = sorted(trajectories["tokens"].dropna().unique()), {}
    for letter, axis, measure in zip("abcdefghijklmnopqrstuvwxyz", axes.flat, drawn, strict=False):
        rows, note = panel_rows(trajectories, measure, roi)
        axis.set_title(f"{letter}  {measure.title}{note}")
        draw_map(axis, rows, tokens, measure.text, **(signed_scale(rows["value"]) if signed(rows["value"]) else {}))
        if n := rows["subject"].nunique():
            subjects[letter] = n
    for axis in axes.flat[len(drawn) :]:
        axis.remove()
    means = "; ".join(f"{letter}: mean of n = {counted(n, 'subject')}" for letter, n in subjects.items())
    headline(figure, f"{model}: layers over training" + (f" ({means})" if means else ""))
    return figure


def signed(values: pd.Series) -> bool:
    """Whether values lie on both sides of zero by more than noise about it."""
    return bool(values.min() < -0.1 * values.max())


def panel_rows(table: pd.DataFrame, measure: Measure, roi: str) -> tuple[pd.DataFrame, str]:
    """The rows that a measure's panel shows, and what its title adds: the region, or how many targets are averaged.

    Of what is compared with another checkpoint the first is shown.
    """
    rows = table[(table["measure"] == measure.name) & table["main"]]
    rows = rows[rows["reference"].isna() | (rows["reference"] == "first")]
    if rows["roi"].notna().any():
        return rows[rows["roi"] == roi], f", {roi} regions"
    n = rows["target"].nunique()
    return rows, f", mean of {counted(n, measure.target or 'target')}" if n else ""
