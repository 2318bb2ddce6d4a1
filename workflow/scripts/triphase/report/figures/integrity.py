"""Checkpoints x rules, and below it how far each checkpoint moved from the one before, file by file."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from triphase.report.figures.style import BLACK, BLUE, CYCLE, VERMILION, WIDTH, headline, plt, say_empty

VERDICTS = {"not applicable": "#F4F4F4", "not checked": "#C4C4C4", "ok": "#A9CCE3", "fault": VERMILION}
FAULT = list(VERDICTS).index("fault")
MOST_LABELS = 30


def draw_integrity(model: str, integrity: pd.DataFrame, distances: pd.DataFrame) -> Figure:
    """Draw one model's findings."""
    order = integrity.drop_duplicates("checkpoint").sort_values("step", kind="stable")["checkpoint"].tolist()
    rules = integrity["rule"].drop_duplicates().tolist()
    number = integrity["verdict"].map({name: at for at, name in enumerate(VERDICTS)})
    grid = integrity.assign(number=number).pivot(index="rule", columns="checkpoint", values="number").loc[rules, order]
    faulty = (grid == FAULT).any()
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(WIDTH, 4.8), sharex=True, layout="constrained", height_ratios=[1, 1.1]
    )
    headline(figure, f"{model}: {int(faulty.sum())} of {len(order)} checkpoints marked")
    draw_verdicts(top, grid)
    draw_distances(bottom, distances, order, faulty.to_numpy())
    every = int(np.ceil(len(order) / MOST_LABELS))
    places = np.arange(0, len(order), every)
    bottom.set_xticks(places, [order[at] for at in places], rotation=60, ha="right", rotation_mode="anchor")
    bottom.set_xlabel("checkpoint" + f" (every {every}th named)" * (every > 1))
    bottom.set_xlim(-0.5, len(order) - 0.5)
    return figure


def draw_verdicts(axis: Axes, grid: pd.DataFrame) -> None:
    """Rules downwards, checkpoints to the right; a fault also carries a mark, for readers who see no colour."""
    axis.set_title("a  Verdict of every rule")
    colours = ListedColormap(list(VERDICTS.values()))
    axis.imshow(grid.to_numpy(), aspect="auto", cmap=colours, vmin=0, vmax=FAULT, interpolation="nearest")
    rows, columns = np.nonzero(grid.to_numpy() == FAULT)
    axis.plot(columns, rows, "x", color=BLACK, markersize=float(np.clip(250 / grid.shape[1], 1.5, 5)), linewidth=0)
    axis.set_yticks(range(len(grid)), grid.index)
    axis.set_yticks(np.arange(0.5, len(grid) - 1), minor=True)
    axis.grid(which="minor", axis="y", color="white", linewidth=1.2)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_visible(False)
    handles = [Patch(facecolor=color, label=name) for name, color in VERDICTS.items()]
    axis.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderaxespad=0.2)


def draw_distances(axis: Axes, distances: pd.DataFrame, order: list[str], faulty: np.ndarray) -> None:
    """Distance to the checkpoint before on a log axis; columns of faulty checkpoints are shaded."""
    axis.set_title("b  Distance to the checkpoint before (1: as large as the weights themselves)")
    axis.set_ylabel("relative distance")
    shown = distances[distances["distance"] > 0]
    if not len(shown):
        say_empty(axis, "no two checkpoints to compare")
        return
    place = {name: at for at, name in enumerate(order)}
    for at in np.flatnonzero(faulty):
        axis.axvspan(at - 0.5, at + 0.5, color=VERMILION, alpha=0.18, linewidth=0)
    files = sorted(set(shown["file"]) - {""})
    for file, colour in zip(files, CYCLE[1:] * len(files), strict=False):
        part = shown[shown["file"] == file]
        name = file if len(file) <= 34 else "…" + file[-33:]
        axis.plot(part["checkpoint"].map(place), part["distance"], color=colour, linewidth=1, label=name)
    part = shown[shown["file"] == ""]
    axis.plot(part["checkpoint"].map(place), part["distance"], "o-", color=BLUE, markersize=2.5, label="all files")
    axis.set_yscale("log")
    if files:
        axis.legend(loc="best")
