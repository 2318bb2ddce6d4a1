"""Figure of the data report: whether words and responses share a clock."""

import numpy as np
from matplotlib.figure import Figure

from triphase.report.figures.style import BLUE, GREY, MOST_PANELS, VERMILION, headline, panel_grid, plt, say_empty


def panels_of(timing: dict) -> list[dict]:
    """Regions that are drawn: those that decide first, then the others in order."""
    group = sorted(timing["group"], key=lambda entry: entry["roi"] not in timing["decisive"])
    return group[:MOST_PANELS]


def draw_timing(description: dict) -> Figure:
    """Correlation with the rate of words at every lag, region by region; the convolved rate should peak at 0."""
    timing, unit, tr = description["timing"], description["unit"], description["dataset"]["tr"]
    group, lags = panels_of(timing), np.array(timing["lags"])
    columns = min(3, max(len(group), 1))
    figure, panels = panel_grid(max(len(group), 1), columns, 1.7, 0.95)
    if not group:
        say_empty(panels[0], timing["reason"])
    for number, (panel, entry) in enumerate(zip(panels, group, strict=False)):
        panel.axvspan(-tr, tr, color="#E4E4E4", linewidth=0)
        panel.axhline(0, color=GREY, linewidth=0.7)
        mine = [each for each in timing["subjects"] if each["roi"] == entry["roi"] and each["lag"] is not None]
        for each in mine if len(mine) > 1 else []:
            panel.plot(lags, _floats(each["curve"]), color=VERMILION, alpha=0.18, linewidth=0.6)
        panel.plot(lags, _floats(entry["raw"]["curve"]), color=BLUE, linestyle="--", label=f"{unit} rate")
        label = f"{unit} rate convolved with the haemodynamic response"
        panel.plot(lags, _floats(entry["convolved"]["curve"]), color=VERMILION, linewidth=1.6, label=label)
        if entry["convolved"]["lag"] is not None:
            panel.plot(
                entry["convolved"]["lag"],
                entry["convolved"]["r"],
                "o",
                color=VERMILION,
                markersize=5,
                mfc=VERMILION if entry["plausible"] is not None else "white",
            )
        panel.set_title(_title(entry, timing["decisive"]))
        if number % columns == 0:
            panel.set_ylabel("correlation (r)")
        if number + columns >= len(group):
            panel.set_xlabel("lag of the response (s)")
            panel.tick_params(labelbottom=True)
    if group:
        handles, _ = panels[0].get_legend_handles_labels()
        handles.append(plt.Rectangle((0, 0), 1, 1, color="#E4E4E4", label="within one TR of the expected lag"))
        if len({each["subject"] for each in timing["subjects"]}) > 1:
            handles.append(plt.Line2D([], [], color=VERMILION, alpha=0.4, linewidth=0.6, label="single subjects"))
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    verdict = {True: "plausible", False: "NOT plausible", None: "not decided"}[timing["plausible"]]
    headline(figure, f"Lag between {unit} rate and response: {verdict}")
    return figure


def _title(entry, decisive):
    name = entry["roi"] + ("*" if entry["roi"] in decisive else "")
    peak = entry["convolved"]
    if peak["lag"] is None:
        return f"{name}: no data"
    verdict = {True: "", False: ", NOT plausible", None: ", not above chance"}[entry["plausible"]]
    return f"{name}: {peak['lag']:g} s, p = {peak['p']:.4f}{verdict}"


def _floats(values):
    return np.array([np.nan if value is None else value for value in values])
