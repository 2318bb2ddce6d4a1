"""Probes by concept: curves at each concept's best layer, and layer x checkpoint maps."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from triphase.report.figures.curves import targets_of
from triphase.report.figures.panels import beside, best_layer, draw_map, draw_rows, items, label_of, shade, signed_scale
from triphase.report.figures.style import (
    CYCLE,
    GREY,
    MARKERS,
    WIDTH,
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
    height = max(1.45, 0.14 * min(len(concepts), MOST_CONCEPTS))
    heights = [3 * height + 0.5, 1.5 * n_rows + 0.4]
    figure = plt.figure(figsize=(WIDTH, sum(heights) + 0.3), layout="constrained")
    top, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights).flat
    headline(figure, f"{title} (curves: at each concept's best layer, 95 % interval)")
    panels = top.subplots(3, 1, sharex=True)
    axis = TokenAxis(trajectories["tokens"].dropna().unique())
    for panel in panels:
        shade(panel, axis, phases["segments"])
    draw_concepts(panels, axis, trajectories, concepts[:MOST_CONCEPTS])
    for number, panel in enumerate(panels):
        axis.apply(panel, label=number == len(panels) - 1)
    draw_concept_maps(below, trajectories, concepts)
    return figure


def draw_concepts(panels: Sequence[Axes], axis: TokenAxis, table: pd.DataFrame, concepts: list[str]) -> None:
    """Selectivity, balanced accuracy, and balanced accuracy on new words, one curve for each concept."""
    panels[0].set_title("a  Selectivity: balanced accuracy minus a control task with random labels per word type")
    panels[1].set_title("b  Balanced accuracy (triangles: of word identity, without a model)")
    panels[2].set_title("c  Balanced accuracy, word types held out too")
    for panel, measure in zip(panels, ("selectivity", "probe", "probe_types"), strict=True):
        panel.set_ylabel(label_of(measure))
        for number, concept in enumerate(concepts):
            layer = best_layer(table, concept)
            rows = Selection(measure, (concept,)).rows(table[table["layer"] == layer])
            if rows["value"].notna().any():
                label = f"{concept}: layer {layer}, n = {items(rows)} words"
                draw_rows(panel, axis, rows, CYCLE[number], MARKERS[number], label)
        if not panel.lines:
            say_empty(panel, f"{MEASURES[measure].label}: not in this table")
    panels[0].axhline(0, color=GREY, linewidth=0.7)
    beside(panels[0], width=40)
    for number, concept in enumerate(concepts):
        identity = Selection("probe_identity", (concept,)).rows(table)["value"].dropna()
        if len(identity):
            at: dict[str, Any] = {"transform": panels[1].get_yaxis_transform(), "clip_on": False}
            panels[1].plot(1.012, identity.iloc[0], "<", color=CYCLE[number], **at)


def draw_concept_maps(part: SubFigure, table: pd.DataFrame, concepts: list[str]) -> None:
    """Layer x checkpoint maps of selectivity on one colour scale."""
    n_rows = -(-len(concepts) // MOST_COLUMNS)
    n_columns = -(-len(concepts) // n_rows)
    panels = part.subplots(n_rows, n_columns, squeeze=False)
    columns = sorted(table["tokens"].dropna().unique())
    rows = {concept: Selection("selectivity", (concept,)).rows(table) for concept in concepts}
    values = pd.concat([each["value"] for each in rows.values()])
    # At 0 a probe tells no more than one of random labels.
    scale = signed_scale(values)
    for number, (panel, (concept, each)) in enumerate(zip(panels.flat, rows.items(), strict=False)):
        panel.set_title(f"{'d  ' * (number == 0)}{concept}")
        draw_map(panel, each, columns, small=True, **scale)
        panel.set_xlabel("training tokens" if number + n_columns >= len(concepts) else "")
        panel.set_ylabel("layer (0 = embedding)" if number % n_columns == 0 else "")
    for panel in panels.flat[len(concepts) :]:
        panel.remove()
    label = MEASURES["selectivity"].label
    part.colorbar(panels.flat[0].images[0], ax=panels.ravel()[: len(concepts)], label=label, shrink=0.9, aspect=25)
