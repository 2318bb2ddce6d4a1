"""All models of a study: alignment on tokens and on compute, where its turns lie on both, how large its changes are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triphase.core.units import TRAINING_FLOP
from triphase.report.figures.curves import alignment_curves
from triphase.report.figures.style import (
    BLACK,
    CYCLE,
    GREY,
    MARKERS,
    SHADES,
    WIDTH,
    TokenAxis,
    headline,
    note,
    plt,
    power_of_ten,
    say_empty,
)
from triphase.report.numbers import counted
from triphase.table.measures import MEASURES
from triphase.table.tidy import ALIGNMENT

EVENTS = {"onset": "onset\nof the rise", "peak": "peak before\nthe fall", "trough": "trough before\nthe return"}
CHANGES = ("rise", "fall", "return")
MEAN: dict[str, Any] = {"color": BLACK, "marker": "|", "markersize": 8, "markeredgewidth": 2}
SIGNS = {"rise": (SHADES["rise"], "//"), "fall": (SHADES["fall"], "\\\\"), "none": ("white", "")}
SPREAD = 0.24  # rows of one event lie closer to each other than this share of its height


@dataclass(frozen=True)
class Scale:
    """What models are compared on: its name among positions, what one token is worth for a model, its axis."""

    name: str
    worth: dict
    axis: TokenAxis


def draw_models(trajectories: pd.DataFrame, bootstrap: xr.Dataset, all_phases: dict, across: dict) -> Figure:
    """Curves of all models on tokens and compute, positions of their turns below, changes and signs at the foot."""
    names = list(all_phases)
    looks = {name: (CYCLE[i % 7], MARKERS[(i + i // 7) % 7]) for i, name in enumerate(names)}
    by_model = trajectories.groupby("model")["tokens"]
    tokens = {name: column.dropna().unique().astype(float) for name, column in by_model}
    parameters = {name: facts["parameters"] for name, facts in across["models"].items()}
    worth = {name: TRAINING_FLOP * number for name, number in parameters.items() if number}
    scales = [Scale("tokens", dict.fromkeys(names, 1), TokenAxis(np.concatenate(list(tokens.values()))))]
    if worth:
        compute = np.concatenate([worth[name] * tokens[name] for name in worth])
        scales.append(Scale("compute", worth, TokenAxis(compute, "training compute (FLOP)", power_of_ten)))
    # What compares models needs two of them.
    turns = [event for event in EVENTS if across["positions"][event]["tokens"]["n"] > 1]
    sizes = [change for change in CHANGES if across["changes"][change]["n"] > 1]
    legs = [leg for leg in across["legs"] if leg["n"] > 1]
    per_row, legend = 0.1 * (len(names) + 2), 0.15 * -(-len(names) // 2) + 0.3
    heights = [2.4] + [max(0.9, per_row * len(turns) + 0.6)] * bool(turns)
    heights += [max(1.2, per_row * len(sizes) + 0.6)] * bool(sizes or legs)
    figure = plt.figure(figsize=(WIDTH, sum(heights) + legend + 0.3), layout="constrained")
    cells, letters = figure.add_gridspec(len(heights), 2, height_ratios=heights), iter("abcdef")
    first = None
    for column, scale in enumerate(scales):
        first = figure.add_subplot(cells[0, column], sharey=first)
        draw_curves(first, scale, trajectories, bootstrap, all_phases, looks)
        first.set_title(f"{next(letters)}  Alignment over {scale.name}")
    if not worth:
        panel = figure.add_subplot(cells[0, 1])
        panel.set_axis_off()
        say_empty(panel, "the number of parameters is not known:\nno compute")
    for column, scale in enumerate(scales if turns else []):
        panel = figure.add_subplot(cells[1, column])
        draw_positions(panel, scale, across, turns, looks)
        panel.set_title(f"{next(letters)}  Turns on {scale.name}, 95 % intervals")
    if sizes:
        panel = figure.add_subplot(cells[-1, 0])
        draw_changes(panel, across, sizes, looks)
        panel.set_title(f"{next(letters)}  Size of the changes")
    if legs:
        panel = figure.add_subplot(cells[-1, 1])
        draw_signs(panel, legs)
        panel.set_title(f"{next(letters)}  Legs in their place (n = {counted(legs[0]['n'], 'model')})")
    handles = [
        plt.Line2D([], [], color=looks[name][0], marker=looks[name][1], label=described(name, all_phases, across))
        for name in names
    ]
    if any(pooled["interval"] for pooled in across["changes"].values()):
        mean = "mean of models, 95 % interval (random effects)"
        handles.append(plt.Line2D([], [], **MEAN, label=mean))
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    region = all_phases[names[0]]["headline"]["roi"]
    headline(figure, f"{counted(len(names), 'model')}: alignment over training, {region} regions")
    return figure


def described(name: str, phases: dict, across: dict) -> str:
    """A model's name with what it stands for."""
    entry, facts = phases[name], across["models"][name]
    share = facts["language_share"]
    language = f", {share:.0%} {across['language']}" if share is not None else ""
    return (
        f"{name}{language}: {counted(entry['n_subjects'], 'subject')}, "
        f"{counted(entry['n_checkpoints'], 'checkpoint')} fitted; {entry['verdict']}"
    )


def draw_curves(panel: Axes, scale: Scale, table: pd.DataFrame, boot: xr.Dataset, phases: dict, looks: dict) -> None:
    """Mean alignment of each model with its interval."""
    for name, entry in phases.items():
        if name not in scale.worth:
            continue
        colour, marker = looks[name]
        own = boot.isel(series=boot["model"].values == name)
        found = alignment_curves(table[table["model"] == name], own, entry["headline"]["roi"])
        if found is None:
            continue
        places, values = found.mean.tokens * scale.worth[name], found.mean.values
        scale.axis.band(panel, places, values - found.half, values + found.half, colour, alpha=0.15)
        scale.axis.curve(panel, places, values, color=colour, marker=marker)
    if not panel.lines:
        say_empty(panel, "no model has the headline's measure")
    panel.axhline(0, color=GREY, linewidth=0.7)
    panel.set_ylabel(f"{MEASURES[ALIGNMENT].text}, 95 % interval")
    scale.axis.apply(panel)
    missing = [name for name in phases if name not in scale.worth]
    if missing:
        note(panel, f"parameters not known: {', '.join(missing)}")


def draw_positions(panel: Axes, scale: Scale, across: dict, events: list[str], looks: dict) -> None:
    """Where each model's turns lie with their intervals, and below them the mean of models with its own."""
    rows = []
    for event in events:
        turns = {model: across["models"][model]["events"].get(event) for model in scale.worth}
        estimates = {
            model: (at["tokens"] * scale.worth[model], np.array(at["interval"]) * scale.worth[model])
            for model, at in turns.items()
            if at and not at["censored"]
        }
        rows.append((EVENTS[event], estimates, across["positions"][event][scale.name]))
    draw_estimates(panel, rows, looks, scale.axis.place)
    scale.axis.apply(panel)


def draw_changes(panel: Axes, across: dict, changes: list[str], looks: dict) -> None:
    """Sizes of the first rise, the fall and the return of each model, and the mean of models."""
    panel.axvline(0, color=GREY, linewidth=0.7)
    rows = []
    for change in changes:
        sizes = {model: facts["changes"].get(change) for model, facts in across["models"].items()}
        estimates = {model: (size["change"], size["interval"]) for model, size in sizes.items() if size}
        rows.append((change, estimates, across["changes"][change]))
    draw_estimates(panel, rows, looks, np.asarray)
    panel.set_xlabel("change of alignment (gain in r; 99 %, of the mean 95 %)")


def draw_estimates(panel: Axes, rows: list[tuple[str, dict, dict]], looks: dict, place: Callable) -> None:
    """Estimates with their intervals, one row for each quantity: of every model, and the mean of models below them.

    Parameters
    ----------
    panel
    rows : what is estimated, value and interval (or None) by model, mean and interval of the models
    looks : colour and marker of every model
    place : gives positions on the axis of values
    """
    for row, (_, estimates, pooled) in enumerate(rows):
        for number, (model, (colour, marker)) in enumerate(looks.items()):
            if model not in estimates:
                continue
            value, interval = estimates[model]
            y = row - SPREAD + 2 * SPREAD * (number + 0.5) / (len(looks) + 1)
            if interval is not None:
                panel.plot(place(interval), [y, y], color=colour, linewidth=1.4)
            panel.plot(place(value), y, marker, color=colour)
        if pooled["mean"] is not None and pooled["interval"]:
            panel.plot(place(pooled["interval"]), [row + 1.35 * SPREAD] * 2, color=BLACK, linewidth=1.4)
            panel.plot(place(pooled["mean"]), row + 1.35 * SPREAD, **MEAN)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.set_yticks(range(len(rows)), [f"{name}\n(n = {pooled['n']})" for name, _, pooled in rows])
    for line in range(1, len(rows)):
        panel.axhline(line - 0.5, color="#DDDDDD", linewidth=0.8)


def draw_signs(panel: Axes, legs: list[dict]) -> None:
    """How many models have each leg of the triple in its place."""
    for row, leg in enumerate(legs):
        left = 0
        for kind, (colour, hatch) in SIGNS.items():
            count = leg["signs"][kind]
            panel.barh(row, count, left=left, color=colour, edgecolor=GREY, hatch=hatch, linewidth=0.8, height=0.6)
            if count:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
                panel.text(left + count / 2, row, f"{count} {kind}", ha="center", va="center", fontsize=6, bbox=box)
            left += count
        low, high = leg["interval"]
        panel.text(left * 1.02, row, f"{leg['consistent']:.0%} alike\n[{low:.0%}, {high:.0%}]", va="center", fontsize=6)
    panel.set_yticks(range(len(legs)), [f"leg {leg['place']}\n(triple: {leg['expected']})" for leg in legs])
    panel.set_ylim(len(legs) - 0.5, -0.5)
    panel.set_xlim(0, legs[0]["n"] * 1.3)
    panel.set_xticks(np.unique(np.linspace(0, legs[0]["n"], 5).round()))
    panel.set_xlabel("models (95 % interval of the share in brackets)")
