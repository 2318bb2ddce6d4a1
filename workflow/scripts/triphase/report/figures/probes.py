"""Probes by concept: curves at each concept's best layer, and layer x checkpoint maps."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from triphase.report.figures.curves import targets_of, tidy_curve
from triphase.report.figures.panels import beside, best_layer, draw_map, draw_rows, items, shade
from triphase.report.figures.style import (
    CYCLE,
    DIVERGING,
    GREY,
    MARKERS,
    TokenAxis,
    headline,
    nothing_drawn,
    plt,
    say_empty,
)
from triphase.table.measures import MEASURES
from triphase.table.selection import Selection

MOST_COLUMNS = 4
MOST_CONCEPTS = 7  # as many as there are colours; the maps show all


def draw_probes(trajectories: pd.DataFrame, phases: dict, model: str) -> Figure:
    """Selectivity and balanced accuracy of every concept over training, then a heat map of selectivity for each."""
    concepts = targets_of(trajectories, "selectivity")
    concepts = [c for c in concepts if Selection("selectivity", (c,)).rows(trajectories)["value"].notna().any()]
    title = f"{model}: probes by concept"
    if not concepts:
        return nothing_drawn(title, "no probes in this study, or no concept that could be probed")
    n_rows = -(-len(concepts) // MOST_COLUMNS)
    height = max(2.2, 0.36 * min(len(concepts), MOST_CONCEPTS))
    figure = plt.figure(figsize=(11.5, 2 * height + 2.3 * n_rows + 1.2), layout="constrained")
    top, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[2 * height + 0.7, 2.3 * n_rows + 0.3]).flat
    headline(figure, f"{title} (curves: at each concept's best layer, 95 % interval)")
    panels = top.subplots(2, 1, sharex=True)
    axis = TokenAxis(trajectories["tokens"].dropna().unique())
    for panel in panels:
        shade(panel, axis, phases["segments"])
    draw_concepts(panels, axis, trajectories, concepts[:MOST_CONCEPTS])
    for number, panel in enumerate(panels):
        axis.apply(panel, label=number == 1)
    draw_concept_maps(below, trajectories, concepts)
    return figure


def draw_concepts(panels: Sequence[Axes], axis: TokenAxis, table: pd.DataFrame, concepts: list[str]) -> None:
    """Selectivity above; below balanced accuracy, with held-out word types dashed and word identity alone dotted."""
    panels[0].set_title("a  Selectivity: balanced accuracy minus a control task with random labels per word type")
    panels[1].set_title("b  Balanced accuracy (dashed: word types held out too; dotted: word identity, no model)")
    panels[0].set_ylabel(MEASURES["selectivity"].label)
    panels[1].set_ylabel(MEASURES["probe"].unit)
    for number, concept in enumerate(concepts):
        layer, look = best_layer(table, concept), (CYCLE[number], MARKERS[number])
        at_layer = table[table["layer"] == layer]
        rows = Selection("selectivity", (concept,)).rows(at_layer)
        draw_rows(panels[0], axis, rows, *look, f"{concept}: layer {layer}, n = {items(rows)} words")
        rows = Selection("probe", (concept,)).rows(at_layer)
        if len(rows):
            draw_rows(panels[1], axis, rows, *look, None)
        tokens, values, _ = tidy_curve(Selection("probe_types", (concept,)).rows(at_layer))
        if len(tokens):
            axis.curve(panels[1], tokens, values, color=look[0], linestyle="--", linewidth=1.1, marker="")
        identity = Selection("probe_identity", (concept,)).rows(table)["value"].dropna()
        if len(identity):
            panels[1].axhline(identity.iloc[0], color=look[0], linestyle=":", linewidth=1.2)
    panels[0].axhline(0, color=GREY, linewidth=0.7)
    beside(panels[0], width=44)
    if not panels[1].lines:
        say_empty(panels[1], "balanced accuracy is not in this table")


def draw_concept_maps(part: SubFigure, table: pd.DataFrame, concepts: list[str]) -> None:
    """Layer x checkpoint maps of selectivity on one colour scale."""
    n_rows = -(-len(concepts) // MOST_COLUMNS)
    n_columns = -(-len(concepts) // n_rows)
    panels = part.subplots(n_rows, n_columns, squeeze=False)
    columns = sorted(table["tokens"].dropna().unique())
    rows = {concept: Selection("selectivity", (concept,)).rows(table) for concept in concepts}
    values = np.concatenate([each["value"].dropna() for each in rows.values()])
    # Symmetric: at 0 a probe tells no more than one of random labels.
    limit = max(np.abs(values).max(), 1e-6)
    for number, (panel, (concept, each)) in enumerate(zip(panels.flat, rows.items(), strict=False)):
        panel.set_title(f"{'c  ' * (number == 0)}{concept}")
        draw_map(panel, each, columns, small=True, vmin=-limit, vmax=limit, cmap=DIVERGING)
        panel.set_xlabel("training tokens" if number + n_columns >= len(concepts) else "")
        panel.set_ylabel("layer (0 = embedding)" if number % n_columns == 0 else "")
    for panel in panels.flat[len(concepts) :]:
        panel.remove()
    label = MEASURES["selectivity"].label
    part.colorbar(panels.flat[0].images[0], ax=panels.ravel()[: len(concepts)], label=label, shrink=0.9, aspect=25)
