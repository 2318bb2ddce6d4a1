"""Pieces that several figures of the study share: shaded phases, curves with intervals, heat maps, legends."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from triphase.report.figures.curves import tidy_curve
from triphase.report.figures.style import (
    DIVERGING,
    GREY,
    SEQUENTIAL,
    SHADES,
    TokenAxis,
    say_empty,
    short_tokens,
    write_cell,
)
from triphase.table.measures import MEASURES
from triphase.table.selection import Selection

# What a map of half the page bears: letters across, and rows.
MOST_LETTERS, MOST_LINES = 56, 14
PHASE_NAMES = ("1 alignment", "2 detachment", "3 realignment")


def shade(panel: Axes, axis: TokenAxis, segments: list[dict]) -> None:
    """Shade the segments of the alignment's fit and mark where they meet."""
    for segment in segments:
        panel.axvspan(
            *axis.place([segment["from"], segment["to"]]), color=SHADES[segment["kind"]], linewidth=0, zorder=0
        )
    for segment in segments[1:]:
        panel.axvline(float(axis.place(segment["from"])), color=GREY, linewidth=0.8, linestyle=":", zorder=1)


def phase_names(segments: list[dict]) -> list[str]:
    """A name for every segment: the phases where a rise, a fall and a rise follow each other, else what happens."""
    names = [segment["kind"] for segment in segments]
    moving = [i for i, name in enumerate(names) if name != "plateau"]
    for i in range(len(moving) - 2):
        if [names[j] for j in moving[i : i + 3]] == ["rise", "fall", "rise"]:
            for j, name in zip(moving[i : i + 3], PHASE_NAMES, strict=True):
                names[j] = name
            break
    return names


def label_of(measure: str, width: int = 18) -> str:
    """Label of a measure beside an axis, in lines of so many characters, and its unit in a line below."""
    return "\n".join(textwrap.fill(line, width) for line in MEASURES[measure].text.replace(" (", "\n(").split("\n"))


def draw_rows(
    panel: Axes, axis: TokenAxis, rows: pd.DataFrame, color: str, marker: str | None, label: str | None, **style: Any
) -> None:
    """One curve of the tidy table with its interval, where it has one, which ends where the measure's range does."""
    tokens, values, half = tidy_curve(rows)
    if np.isfinite(half).any():
        low, high = values - half, values + half
        low, high = np.clip([low, high], *MEASURES[rows["measure"].iloc[0]].bounds)
        axis.band(panel, tokens, low, high, color, alpha=0.15)
    axis.curve(panel, tokens, values, color=color, marker=marker, label=label, **style)


def best_layer(table: pd.DataFrame, concept: str) -> int:
    """The layer with the highest mean selectivity over all checkpoints."""
    return int(Selection("selectivity", (concept,)).rows(table).groupby("layer")["value"].mean().idxmax())


def items(rows: pd.DataFrame) -> int | str:
    """Number of items behind a curve."""
    counts = rows["n"].dropna()
    return int(counts.max()) if len(counts) else "?"


def beside(panel: Axes, width: int = 24) -> None:
    """Legend to the right of a panel, with long names folded."""
    handles, labels = panel.get_legend_handles_labels()
    labels = ["\n".join(textwrap.fill(line, width) for line in label.split("\n")) for label in labels]
    panel.legend(handles, labels, loc="center left", bbox_to_anchor=(1.01, 0.5), borderaxespad=0, handlelength=1.8)


def draw_map(
    axis: Axes, rows: pd.DataFrame, tokens: list[float], label: str | None = None, small: bool = False, **colours: Any
) -> None:
    """One heat map: layers upwards, all checkpoints to the right; a cell without a value stays grey.

    Parameters
    ----------
    axis
    rows : layer, tokens, value
    tokens : those of all checkpoints
    label : of the colour bar; without one there is no bar
    small : one map of many, with few ticks and without numbers in its cells
    colours : cmap, vmin and vmax of the colour scale; by default it ends at the lowest and the highest value
    """
    ticks = 6 if small else 12
    rows = rows[rows["layer"].notna() & rows["value"].notna()]
    if not len(rows):
        axis.set_xticks([])
        say_empty(axis, "not measured in this study")
        return
    grid = rows.pivot_table(index="layer", columns="tokens", values="value", aggfunc="mean").reindex(columns=tokens)
    values = grid.to_numpy(float)
    axis.set_facecolor("#DDDDDD")
    image = axis.imshow(values, origin="lower", aspect="auto", **{"cmap": SEQUENTIAL} | colours)
    if label:
        axis.figure.colorbar(image, ax=axis, label=label, shrink=0.9)
    if grid.columns[0] == 0:
        # The untrained model is apart from the others, as on a token axis.
        axis.axvline(0.5, color="white", linewidth=3)
    every = int(np.ceil(grid.shape[1] / ticks))
    columns = np.arange(0, grid.shape[1], every)
    axis.set_xticks(columns, [short_tokens(grid.columns[i]) for i in columns], rotation=35, ha="right")
    every = int(np.ceil(grid.shape[0] / ticks))
    layers = np.arange(0, grid.shape[0], every)
    axis.set_yticks(layers, [f"{int(grid.index[i])}" for i in layers])
    axis.set_xlabel("training tokens (one column per checkpoint)")
    axis.set_ylabel("layer (0 = embedding)")
    axis.spines[:].set_visible(False)
    texts = {} if small else cell_texts(values)
    if texts and values.shape[1] * max(map(len, texts.values())) <= MOST_LETTERS and values.shape[0] <= MOST_LINES:
        for (row, column), text in texts.items():
            write_cell(axis, column, row, text, values[row, column])


def cell_texts(values: np.ndarray) -> dict[tuple[int, int], str]:
    """Texts of the cells of a map with a value: as many decimals as tell them apart, and no minus before nothing."""
    spread = max(np.nanmax(values) - np.nanmin(values), 1e-9)
    decimals = int(np.clip(1 - np.floor(np.log10(spread / 2)), 0, 4))
    cells = ((place, value) for place, value in np.ndenumerate(values) if np.isfinite(value))
    return {place: f"{value:z.{decimals}f}" for place, value in cells}


def signed_scale(values: pd.Series) -> dict[str, Any]:
    """Colours of values about zero: none at 0, and as strong to either side."""
    limit = max(values.abs().max(), 1e-6)
    return {"cmap": DIVERGING, "vmin": -limit, "vmax": limit}
