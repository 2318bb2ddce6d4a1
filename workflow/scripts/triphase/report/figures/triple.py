"""The three perspectives on one model over one token axis, with the phases of brain alignment shaded."""

import textwrap

import numpy as np

from triphase.report.figures.curves import names_after, subject_curves, tidy_curve
from triphase.report.figures.style import BLACK, BLUE, CYCLE, GREY, MARKERS, SHADES, TokenAxis, plt, say_empty

SHARES = ("accuracy", "validity", "commonest_answer", "label_mass")  # an interval of these ends at 0 and 1
NAMED_TASKS = 3  # more curves than these are drawn thin, with their mean
NAMED_LAYERS = 6  # about so many of many layers are in the legend
PHASE_NAMES = ("1 alignment", "2 detachment", "3 realignment")


def draw_triple(table, boot, phases, model):
    """Five panels: brain alignment; surprisal, intrinsic dimension, probe selectivity; tasks and adherence.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    boot : xarray.Dataset
        Its paired draws.
    phases : dict
        Its entry of phases.json.
    """
    axis = TokenAxis(table["tokens"].dropna().unique())
    reason = textwrap.wrap(because(phases), 118)
    # A long reason makes the page longer; it must not run into the first panel.
    head = 0.75 + 0.125 * len(reason)
    height = 9.95 + head
    figure, panels = plt.subplots(
        5, 1, figsize=(8.2, height), sharex=True, gridspec_kw={"height_ratios": [1.7, 1, 1, 1, 1.5], "hspace": 0.28}
    )
    figure.subplots_adjust(left=0.1, right=0.77, top=1 - head / height, bottom=0.6 / height)
    title = f"{model}: three transitions {phases['verdict']}"
    figure.text(0.1, 1 - 0.15 / height, title, fontsize=12, weight="bold", va="top")
    figure.text(0.1, 1 - 0.4 / height, "\n".join(reason), fontsize=7.5, color=GREY, va="top")
    for panel in panels:
        shade(panel, axis, phases["segments"])
    label_phases(panels[0], axis, phases)
    draw_alignment(panels[0], axis, table, boot, phases)
    draw_measure(
        panels[1],
        axis,
        table,
        "surprisal",
        "surprisal\n(bits per word)",
        "b  Internal states: prediction of the stories",
    )
    draw_measure(
        panels[2], axis, table, "intrinsic_dimension", "intrinsic\ndimension", "c  Internal states: geometry, by layer"
    )
    draw_selectivity(panels[3], axis, table)
    draw_tasks(panels[4], axis, table)
    for number, panel in enumerate(panels):
        axis.apply(panel, label=number == len(panels) - 1)
    figure.align_ylabels(panels)
    return figure


def because(phases):
    """The reason of a verdict as a sentence, without the verdict that the title gives."""
    reason = phases["reason"].removeprefix(f"{phases['verdict']}: ")
    names = [entry["checkpoint"] for entry in phases["excluded"]]
    left_out = f" Left out, not what the name says: {', '.join(names)}." if names else ""
    return f"{reason[:1].upper()}{reason[1:]}; {phases['scope']}.{left_out}"


def shade(panel, axis, segments):
    """Shade the segments of the alignment's fit and mark where they meet."""
    for segment in segments:
        panel.axvspan(
            *axis.place([segment["from"], segment["to"]]), color=SHADES[segment["kind"]], linewidth=0, zorder=0
        )
    for segment in segments[1:]:
        panel.axvline(axis.place(segment["from"]), color=GREY, linewidth=0.8, linestyle=":", zorder=1)


def phase_names(segments):
    """A name for every segment: the phases where a rise, a fall and a rise follow each other, else what happens."""
    names = [segment["kind"] for segment in segments]
    moving = [i for i, name in enumerate(names) if name != "plateau"]
    for i in range(len(moving) - 2):
        if [names[j] for j in moving[i : i + 3]] == ["rise", "fall", "rise"]:
            for j, name in zip(moving[i : i + 3], PHASE_NAMES, strict=True):
                names[j] = name
            break
    return names


def label_phases(panel, axis, phases):
    """Names of the segments above a panel."""
    for segment, name in zip(phases["segments"], phase_names(phases["segments"]), strict=True):
        low, high = axis.place([segment["from"], segment["to"]])
        panel.text((low + high) / 2, 0.985, name, transform=panel.get_xaxis_transform(), ha="center", va="top",
                   fontsize=8, color=GREY)  # fmt: skip


def draw_alignment(panel, axis, table, boot, phases):
    """Alignment of every subject (thin), their mean with its interval, the fit and the intervals of its breakpoints."""
    headline = phases["headline"]
    mean, curves = subject_curves(table, boot, headline["measure"], headline["roi"])
    panel.set_title(f"a  Brain: gain over nuisance, {headline['roi']} regions", pad=4)
    panel.set_ylabel("alignment\n(gain in r)")
    if mean is None:
        say_empty(panel, f"no {headline['measure']} for {headline['roi']}")
        return
    several = list(curves.values()) if len(curves) > 1 else []
    for number, curve in enumerate(several):
        label = f"single subjects (n = {len(curves)})" if number == 0 else None
        axis.curve(
            panel, curve["tokens"], curve["values"], color=GREY, alpha=0.4, linewidth=0.7, marker="", label=label
        )
    name = "mean, 95 % interval" if several else "n = 1 subject,\n95 % interval"
    axis.band(panel, mean["tokens"], mean["values"] - mean["half"], mean["values"] + mean["half"], BLUE)
    axis.curve(panel, mean["tokens"], mean["values"], color=BLUE, marker="o", linewidth=2.2, label=name)
    if phases["fitted"]:
        tokens, values = np.array(phases["fitted"]).T
        axis.curve(panel, tokens, values, color=BLACK, linestyle="--", linewidth=1.1, label="piecewise-linear fit")
    low, high = panel.get_ylim()
    panel.set_ylim(low - 0.08 * (high - low), high + 0.14 * (high - low))
    for number, (point, interval) in enumerate(zip(phases["breakpoints"], phases["intervals"], strict=True)):
        span = axis.place([*interval, point])
        foot = 0.03 + 0.03 * (number % 2)  # two levels, for neighbours may overlap
        panel.plot(span[:2], [foot, foot], transform=panel.get_xaxis_transform(), color=BLACK, linewidth=1.4,
                   label="breakpoint, 95 % interval" if number == 0 else None)  # fmt: skip
        panel.plot(span[2], foot, "|", transform=panel.get_xaxis_transform(), color=BLACK, markersize=9)
    panel.axhline(0, color=GREY, linewidth=0.7)
    beside(panel)


def draw_measure(panel, axis, table, measure, label, title):
    """A measure of internal states, one line per layer where it has layers."""
    rows = table[table["measure"] == measure]
    panel.set_title(title, pad=3)
    panel.set_ylabel(label)
    if not len(rows):
        say_empty(panel, f"no {measure.replace('_', ' ')} in this study")
        return
    layers = sorted(rows["layer"].dropna().unique())
    if not layers:
        draw_rows(panel, axis, rows, CYCLE[0], "o", f"mean, 95 % interval\nn = {items(rows)} words")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, max(len(layers), 1)))
    named = set(layers[:: max(-(-(len(layers) - 1) // NAMED_LAYERS), 1)]) if layers else set()
    for colour, layer in zip(colours, layers, strict=bool(layers)):
        label = f"layer {layer}" if layer in named else None
        draw_rows(panel, axis, rows[rows["layer"] == layer], colour, "o", label)
    beside(panel)


def draw_rows(panel, axis, rows, color, marker, label, **style):
    """One curve of the tidy table with its interval, where it has one."""
    tokens, values, half = tidy_curve(rows)
    if np.isfinite(half).any():
        low, high = values - half, values + half
        if rows["measure"].iloc[0].split("/")[0] in SHARES:
            low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
        axis.band(panel, tokens, low, high, color, alpha=0.15)
    axis.curve(panel, tokens, values, color=color, marker=marker, label=label, **style)


def draw_selectivity(panel, axis, table):
    """Probe selectivity per concept at its best layer over all checkpoints."""
    panel.set_title("d  Internal states: probes, accuracy above a control task", pad=3)
    panel.set_ylabel("selectivity")
    probed = table[table["value"].notna()]
    concepts = names_after(probed, "selectivity")
    if not concepts:
        say_empty(panel, "no probes in this study")
        return
    for number, concept in enumerate(concepts):
        layer = best_layer(table, concept)
        rows = table[(table["measure"] == f"selectivity/{concept}") & (table["layer"] == layer)]
        draw_rows(panel, axis, rows, CYCLE[number % 7], MARKERS[number % 7], f"{concept} (layer {layer})")
    panel.axhline(0, color=GREY, linewidth=0.7)
    beside(panel)


def best_layer(table, concept):
    """The layer with the highest mean selectivity over all checkpoints."""
    return int(table[table["measure"] == f"selectivity/{concept}"].groupby("layer")["value"].mean().idxmax())


def draw_tasks(panel, axis, table):
    """Task accuracy on a scale from chance to perfect, and instruction adherence."""
    panel.set_title("e  Tasks: 0 = chance (adherence: no effect of the instruction), 1 = perfect", pad=3)
    panel.set_ylabel("accuracy,\nadherence")
    tasks, adherence = names_after(table, "accuracy_rescaled"), names_after(table, "adherence")
    for number, task in enumerate(tasks):
        rows = table[table["measure"] == f"accuracy_rescaled/{task}"]
        if len(tasks) > NAMED_TASKS:
            tokens, values, _ = tidy_curve(rows)
            label = None if number else f"accuracy: each of {len(tasks)} tasks\n(named in the tasks figure)"
            axis.curve(panel, tokens, values, color=CYCLE[0], alpha=0.35, linewidth=0.8, label=label)
        else:
            label = f"accuracy: {task}\nn = {items(rows)} items"
            draw_rows(panel, axis, rows, CYCLE[number % 7], MARKERS[number % 7], label)
    if len(tasks) > NAMED_TASKS:
        rows = table[table["measure"].isin([f"accuracy_rescaled/{task}" for task in tasks])]
        draw_rows(panel, axis, rows, CYCLE[0], MARKERS[0], "accuracy: their mean", linewidth=2.2)
    for number, name in enumerate(adherence):
        rows = table[table["measure"] == f"adherence/{name}"]
        colour = CYCLE[(number + len(tasks)) % 7]
        draw_rows(panel, axis, rows, colour, MARKERS[-1 - number % 7], f"adherence: {name}\nn = {items(rows)} items",
                  linestyle="--")  # fmt: skip
    if not tasks and not adherence:
        say_empty(panel, "no tasks in this study")
        return
    if not adherence:
        panel.text(0.01, 0.97, "no instruction data: adherence is not measured", transform=panel.transAxes, va="top",
                   fontsize=7.5, color=GREY, style="italic")  # fmt: skip
    panel.axhline(0, color=GREY, linewidth=0.7)
    beside(panel)


def items(rows):
    """Number of items behind a curve."""
    counts = rows["n"].dropna()
    return int(counts.max()) if len(counts) else "?"


def beside(panel, width=24):
    """Legend to the right of a panel, with long names folded."""
    handles, labels = panel.get_legend_handles_labels()
    labels = ["\n".join(textwrap.fill(line, width) for line in label.split("\n")) for label in labels]
    panel.legend(handles, labels, loc="center left", bbox_to_anchor=(1.01, 0.5), borderaxespad=0, handlelength=1.8)
