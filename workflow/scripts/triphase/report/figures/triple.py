"""The three perspectives on one model over one token axis, with the phases of brain alignment shaded."""

import textwrap

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from triphase.core.measures import Measure
from triphase.report.figures.curves import alignment_curves, targets_of, tidy_curve
from triphase.report.figures.panels import beside, best_layer, draw_rows, items, label_of, phase_names, shade
from triphase.report.figures.style import BLACK, CYCLE, GREY, MARKERS, WIDTH, TokenAxis, note, plt, say_empty
from triphase.table.measures import MEASURES
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

NAMED_TASKS = 3  # more curves than these are drawn thin, with their mean
NAMED_LAYERS = 6  # about so many of many layers are in the legend
LARGE_FACTOR = 5
NARROW = 0.15  # share of the axis that the name of a phase takes


def draw_triple(trajectories: pd.DataFrame, bootstrap: xr.Dataset, phases: dict, model: str) -> Figure:
    """Five panels: brain alignment; surprisal, intrinsic dimension, probe selectivity; tasks and adherence."""
    axis = TokenAxis(trajectories["tokens"].dropna().unique())
    reason = textwrap.wrap(because(phases), 128)
    # A long reason makes the page longer; it must not run into the first panel.
    head = 0.34 + 0.115 * len(reason)
    height = 8.2 + head
    figure, panels = plt.subplots(5, 1, figsize=(WIDTH, height), sharex=True, height_ratios=[1.6, 1, 1.15, 1.15, 1.4])
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - head / height)))
    figure.text(0.01, 1 - 0.08 / height, f"{model}: {found(phases)}", fontsize=9, weight="bold", va="top")
    figure.text(0.01, 1 - 0.27 / height, "\n".join(reason), fontsize=6.5, color=GREY, va="top")
    for panel in panels:
        shade(panel, axis, phases["segments"])
    label_phases(panels[0], axis, phases)
    draw_alignment(panels[0], axis, trajectories, bootstrap, phases)
    panels[1].set_title("b  Internal states: prediction of the stories", pad=3)
    draw_measure(panels[1], axis, trajectories, "surprisal")
    panels[2].set_title("c  Internal states: geometry, by layer", pad=3)
    draw_measure(panels[2], axis, trajectories, "intrinsic_dimension")
    draw_selectivity(panels[3], axis, trajectories)
    draw_tasks(panels[4], axis, trajectories)
    for number, panel in enumerate(panels):
        axis.apply(panel, label=number == len(panels) - 1)
    figure.align_ylabels(panels)
    return figure


def found(phases: dict) -> str:
    """The verdict in words that follow a model's name."""
    verdict = phases["verdict"]
    return "undetermined whether there are three phases" if verdict == "undetermined" else f"three phases {verdict}"


def because(phases: dict) -> str:
    """The reason of a verdict as a sentence, without the verdict that the title gives."""
    reason = phases["reason"].removeprefix(f"{phases['verdict']}: ")
    names = [entry["checkpoint"] for entry in phases["excluded"]]
    left_out = f" Left out, not what the name says: {', '.join(names)}." if names else ""
    return f"{reason[:1].upper()}{reason[1:]}; {phases['scope']}.{left_out}"


def label_phases(panel: Axes, axis: TokenAxis, phases: dict) -> None:
    """Names of the segments above a panel."""
    across = panel.get_xaxis_transform()
    ends = [axis.place([segment["from"], segment["to"]]) for segment in phases["segments"]]
    # Names of narrow neighbours stand at two heights.
    step = 0.06 * any(end - start < NARROW * (axis.high - axis.low) for start, end in ends)
    for number, (place, name) in enumerate(zip(ends, phase_names(phases["segments"]), strict=True)):
        panel.text(
            place.mean(),
            0.985 - step * (number % 2),
            name,
            transform=across,
            ha="center",
            va="top",
            fontsize=6.5,
            color=GREY,
        )


def draw_alignment(panel: Axes, axis: TokenAxis, table: pd.DataFrame, boot: xr.Dataset, phases: dict) -> None:
    """Alignment of every subject (thin), their mean with its interval, the fit and the intervals of its breakpoints."""
    headline = phases["headline"]
    drawn = alignment_curves(table, boot, headline["roi"])
    panel.set_title(f"a  Brain: gain over nuisance, {headline['roi']} regions", pad=4)
    panel.set_ylabel(label_of(ALIGNMENT))
    if drawn is None:
        say_empty(panel, f"no alignment for {headline['roi']}")
        return
    mean, curves = drawn.mean, drawn.subjects
    several = list(curves.values()) if len(curves) > 1 else []
    for number, curve in enumerate(several):
        label = f"single subjects (n = {len(curves)})" if number == 0 else None
        axis.curve(panel, curve.tokens, curve.values, color=GREY, alpha=0.4, linewidth=0.7, marker="", label=label)
    name = "mean, 95 % interval" if several else "n = 1 subject,\n95 % interval"
    colour = MEASURES[ALIGNMENT].colour
    axis.band(panel, mean.tokens, mean.values - drawn.half, mean.values + drawn.half, colour)
    axis.curve(panel, mean.tokens, mean.values, color=colour, marker="o", linewidth=1.8, label=name)
    if phases["fitted"]:
        tokens, values = np.array(phases["fitted"]).T
        axis.curve(panel, tokens, values, color=BLACK, linestyle="--", linewidth=1.1, label="piecewise-linear fit")
    (low, high), across = panel.get_ylim(), panel.get_xaxis_transform()
    panel.set_ylim(low - 0.12 * (high - low), high + 0.14 * (high - low))
    for number, (point, interval) in enumerate(zip(phases["breakpoints"], phases["intervals"], strict=True)):
        span = axis.place([*interval, point])
        foot = 0.03 + 0.03 * (number % 2)  # two levels, for neighbours may overlap
        label = "breakpoint, 95 % interval" if number == 0 else None
        panel.plot(span[:2], [foot, foot], transform=across, color=BLACK, linewidth=1.4, label=label)
        panel.plot(span[2], foot, "|", transform=across, color=BLACK, markersize=7)
    panel.axhline(0, color=GREY, linewidth=0.7)
    beside(panel)


def draw_measure(panel: Axes, axis: TokenAxis, table: pd.DataFrame, measure: str) -> None:
    """A measure of internal states, one line per layer where it has layers."""
    rows = Selection(measure).rows(table)
    panel.set_ylabel(label_of(measure))
    if not len(rows):
        say_empty(panel, f"no {MEASURES[measure].label} in this study")
        return
    layers = sorted(rows["layer"].dropna().unique())
    if not layers:
        draw_rows(panel, axis, rows, MEASURES[measure].colour, "o", f"mean, 95 % interval\nn = {items(rows)} words")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, max(len(layers), 1)))
    named = set(layers[:: max(-(-(len(layers) - 1) // NAMED_LAYERS), 1)]) if layers else set()
    for colour, layer in zip(colours, layers, strict=bool(layers)):
        label = f"layer {layer}" if layer in named else None
        draw_rows(panel, axis, rows[rows["layer"] == layer], colour, "o", label)
    spread_out(panel, rows["value"], MEASURES[measure])
    beside(panel)


def spread_out(panel: Axes, values: pd.Series, measure: Measure) -> None:
    """A logarithmic axis where values that cannot be negative differ by a large factor: one layer hides no others."""
    values = values.dropna()
    if measure.bounds[0] == 0 and len(values) and values.min() > 0 and values.max() > LARGE_FACTOR * values.min():
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(plt.LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(plt.FuncFormatter(lambda value, _: f"{value:g}"))
        panel.yaxis.set_minor_formatter(plt.NullFormatter())


def draw_selectivity(panel: Axes, axis: TokenAxis, table: pd.DataFrame) -> None:
    """Probe selectivity per concept at its best layer over all checkpoints."""
    panel.set_title("d  Internal states: probes, accuracy above a control task", pad=3)
    panel.set_ylabel(MEASURES["selectivity"].label)
    probed = table[table["value"].notna()]
    concepts = targets_of(probed, "selectivity")
    if not concepts:
        say_empty(panel, "no probes in this study")
        return
    for number, concept in enumerate(concepts):
        layer = best_layer(table, concept)
        rows = Selection("selectivity", (concept,)).rows(table[table["layer"] == layer])
        draw_rows(panel, axis, rows, CYCLE[number % 7], MARKERS[number % 7], f"{concept} (layer {layer})")
    panel.axhline(0, color=GREY, linewidth=0.7)
    beside(panel)


def draw_tasks(panel: Axes, axis: TokenAxis, table: pd.DataFrame) -> None:
    """Task accuracy on a scale from chance to perfect, and instruction adherence."""
    panel.set_title("e  Tasks: 0 = chance (adherence: no effect of the instruction), 1 = perfect", pad=3)
    panel.set_ylabel(",\n".join(MEASURES[name].label for name in ("accuracy_rescaled", "adherence")))
    tasks, adherence = targets_of(table, "accuracy_rescaled"), targets_of(table, "adherence")
    for number, task in enumerate(tasks):
        rows = Selection("accuracy_rescaled", (task,)).rows(table)
        if len(tasks) > NAMED_TASKS:
            tokens, values, _ = tidy_curve(rows)
            label = None if number else f"accuracy: each of {len(tasks)} tasks\n(named in the tasks figure)"
            axis.curve(panel, tokens, values, color=CYCLE[0], alpha=0.35, linewidth=0.8, label=label)
        else:
            label = f"accuracy: {task}\nn = {items(rows)} items"
            draw_rows(panel, axis, rows, CYCLE[number % 7], MARKERS[number % 7], label)
    if len(tasks) > NAMED_TASKS:
        rows = Selection("accuracy_rescaled").rows(table)
        draw_rows(panel, axis, rows, CYCLE[0], MARKERS[0], "accuracy: their mean", linewidth=1.8)
    for number, name in enumerate(adherence):
        rows = Selection("adherence", (name,)).rows(table)
        colour, marker = CYCLE[(number + len(tasks)) % 7], MARKERS[-1 - number % 7]
        label = f"adherence: {name}\nn = {items(rows)} items"
        draw_rows(panel, axis, rows, colour, marker, label, linestyle="--")
    if not tasks and not adherence:
        say_empty(panel, "no tasks in this study")
        return
    if not adherence:
        note(panel, "no instruction data: adherence is not measured", style="italic")
    panel.axhline(0, color=GREY, linewidth=0.7)
    beside(panel)
