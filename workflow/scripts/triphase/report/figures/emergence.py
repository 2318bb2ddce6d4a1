"""Order of emergence: where tasks and concepts begin to rise in every model."""

import numpy as np
from matplotlib.figure import Figure

from triphase.phases.emergence import EARLY, SEEN
from triphase.report.figures.style import CYCLE, MARKERS, WIDTH, TokenAxis, headline, nothing_drawn, plt


def draw_emergence(all_phases: dict, across: dict) -> Figure:
    """One row for each task or concept, a mark with its interval for each model; the earliest by mean rank on top."""
    found, compared = {model: phases["emergence"] for model, phases in all_phases.items()}, across["emergence"]
    title = "Onset of tasks and concepts"
    names = [*compared["things"], *compared["left_out"]]
    places = [place for model in found.values() for entry in model.values() for place in entry["interval"] or []]
    if not places:
        return nothing_drawn(title, "no task or concept has an onset between the first and the last checkpoint")
    tokens = [at for phases in all_phases.values() for at, _ in phases.get("fitted", [])]
    axis = TokenAxis(np.array([*tokens, *places], float))
    height = 0.55 + len(names) * max(0.2, 0.09 * len(found))
    figure, panel = plt.subplots(figsize=(WIDTH, height + 0.6), layout="constrained")
    for number, (model, entries) in enumerate(found.items()):
        colour, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
        shift = 0.6 * ((number + 0.5) / len(found) - 0.5)
        seen = [(row, entries[name]) for row, name in enumerate(names) if name in entries]
        for row, entry in seen:
            if entry["status"] == SEEN:
                panel.hlines(row + shift, *axis.place(entry["interval"]), color=colour, linewidth=1.2)
        at = [(row + shift, entry["onset"]) for row, entry in seen if entry["status"] == SEEN]
        rows, onsets = np.array(at, float).reshape(-1, 2).T
        panel.plot(axis.place(onsets), rows, marker, color=colour, markersize=4, label=model)
        early = [row + shift for row, entry in seen if entry["status"] == EARLY]
        panel.plot(np.full(len(early), axis.low), early, "<", color=colour, markersize=4, clip_on=False)
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), borderaxespad=0)
    axis.apply(panel)
    if compared["w"] is not None:
        low, high = compared["chance"]
        title += f": W = {compared['w']:.2f} (chance: {low:.2f} to {high:.2f}), p = {compared['p']:.2g}"
    headline(figure, title)
    return figure
