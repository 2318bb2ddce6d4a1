"""The figure of a synthesis: courses of each model in all studies, and the sizes of their legs with the summaries."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from triphase.core.types import Section
from triphase.report.figures.style import BLACK, CYCLE, GREY, MARKERS, TokenAxis, headline, plt, say_empty
from triphase.synthesis.courses import LEGS

COLUMNS = 3


def draw_synthesis(joined: Section) -> Figure:
    """The figure of synthesis.json."""
    models, studies = list(joined["courses"]), [study["name"] for study in joined["studies"]]
    looks = {name: (CYCLE[i % len(CYCLE)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(studies)}
    rows = -(-len(models) // COLUMNS)
    height = 0.24 * len(models) * (len(studies) + 2) + 0.9
    figure = plt.figure(figsize=(11, 2.6 * rows + height + 0.9), layout="constrained")
    cells = figure.add_gridspec(rows + 1, COLUMNS, height_ratios=[2.6] * rows + [height])
    shapes = [shape for entries in joined["courses"].values() for entry in entries.values() for shape in entry["shape"]]
    first, axis = None, TokenAxis(np.array([shape[0] for shape in shapes] or [1.0]))
    for number, model in enumerate(models):
        place = cells[number // COLUMNS, number % COLUMNS]
        first = panel = figure.add_subplot(place, sharey=first)
        draw_courses(panel, axis, joined["courses"][model], looks)
        panel.set_title(model)
        axis.apply(panel)
        if number % COLUMNS == 0:
            panel.set_ylabel("shares of the first rise")
    bottom = None
    for column, leg in enumerate(LEGS):
        bottom = panel = figure.add_subplot(cells[rows, column], sharey=bottom)
        draw_sizes(panel, joined, leg, looks)
        panel.set_title(f"{leg}, {'r' if leg == 'rise' else 'shares of the first rise'}")
    handles = [plt.Line2D([], [], color=color, marker=marker, label=name) for name, (color, marker) in looks.items()]
    handles.append(plt.Line2D([], [], color=BLACK, marker="|", markersize=9, label="over data sets"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    headline(figure, f"Synthesis {joined['synthesis']}: alignment over training in {len(studies)} studies")
    return figure


def draw_courses(panel: Any, axis: TokenAxis, entries: Section, looks: Section) -> None:
    """One model's shapes in all studies."""
    drawn = {study: np.array(entry["shape"]).T for study, entry in entries.items() if entry["shape"]}
    if not drawn:
        return say_empty(panel, "no course has a first rise")
    for study, (tokens, shape, low, high) in drawn.items():
        color, marker = looks[study]
        axis.curve(panel, tokens, shape, color=color, marker=marker)
        axis.band(panel, tokens, low, high, color, alpha=0.15)
    panel.axhline(0, color=GREY, linewidth=0.6)
    # A band far wider than the courses would hide them.
    top = max(shape.max() for _, shape, _, _ in drawn.values())
    panel.set_ylim(min(-0.5, *(shape.min() - 0.2 for _, shape, _, _ in drawn.values())), top + 0.5)
    return None


def draw_sizes(panel: Any, joined: Section, leg: str, looks: Section) -> None:
    """One leg's size in all models and studies, a row each, and the summaries."""
    place, ticks = 0.0, []
    for model, entries in joined["courses"].items():
        start = place
        for study, entry in entries.items():
            if (found := entry["quantities"].get(leg)) is not None:
                color, marker = looks[study]
                panel.errorbar(
                    found["value"], place, xerr=1.96 * found["error"], color=color, marker=marker, linewidth=1
                )
            place += 1
        summary = joined["summaries"][model][leg]
        if summary["interval"]:
            low, high = summary["interval"]
            panel.plot([low, high], [place, place], color=BLACK)
            panel.plot(summary["mean"], place, color=BLACK, marker="|", markersize=9)
        ticks.append(((start + place) / 2, model))
        place += 2
    panel.axvline(0, color=GREY, linewidth=0.6)
    panel.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
    panel.set_ylim(place - 1, -1)
