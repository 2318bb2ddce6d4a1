"""Figure of the data report: what there is of every subject and run, and how they moved."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triphase.report.figures.style import GREY, SEQUENTIAL, WIDTH, headline, nothing_drawn, plt, write_cell
from triphase.report.numbers import counted
from triphase.responses.motion import MUCH_MOTION

# Cells of a table carry their number up to this many columns.
MOST_NUMBERS = 32


def draw_runs(description: dict) -> Figure:
    """Subjects x runs: length, voxels that can't be used, and motion where it is known; missing runs are hatched."""
    subjects = [entry["subject"] for entry in description["subjects"]]
    runs = [entry["run"] for entry in description["runs"]]
    tables = {name: np.full((len(subjects), len(runs)), np.nan) for name in ("minutes", "unusable", "motion")}
    for row, entry in enumerate(description["subjects"]):
        for record in entry["runs"]:
            column = runs.index(record["run"])
            tables["minutes"][row, column] = record["volumes"] * description["dataset"]["tr"] / 60
            share = (record["nonfinite"] + record["constant"]) / max(entry["voxels"], 1)
            tables["unusable"][row, column] = 100 * share
            if record.get("mean_fd") is not None:
                tables["motion"][row, column] = record["mean_fd"]
    named = [
        # The last column is the least top of the colour scale.
        ("minutes", "length (minutes)", "{:.1f}", 1),
        ("unusable", "voxels that cannot be used (%)", "{:.0f}", 10),
        ("motion", "mean framewise displacement (mm)", "{:.2f}", MUCH_MOTION),
    ]
    known = np.isfinite(tables["motion"]).any()
    named = named if known else named[:2]
    # What is the same in every run is said in words.
    same = [(label, form.format(np.nanmin(tables[name]))) for name, label, form, _ in named if constant(tables[name])]
    named = [row for row in named if not constant(tables[row[0]])]
    said = [f"{label}: {value} in every run" for label, value in same]
    said += [] if known else ["motion: no confounds that tell it"]
    across, down = (runs, subjects) if len(runs) >= len(subjects) else (subjects, runs)
    width = float(np.clip(0.3 * len(across) + 2, 4.5, WIDTH))
    heights = [0.2 * max(len(down), 2) + 0.4] * len(named)
    crowded = len(across) > 8 or sum(map(len, across)) > 60
    # Names that stand upright take room from the tables.
    room = 0.6 + 0.14 * len(said) + (0.05 * max(map(len, across)) if crowded else 0)
    name = description["dataset"]["name"]
    title = f"{name}: {counted(len(subjects), 'subject')}, {counted(len(runs), 'run')}"
    if not named:
        return nothing_drawn(title, "\n".join(said))
    figure, panels = plt.subplots(
        len(named), 1, figsize=(width, sum(heights) + room), sharex=True, squeeze=False, layout="constrained"
    )
    for panel, (name, label, form, least) in zip(panels.flat, named, strict=True):
        values = tables[name] if across is runs else tables[name].T
        _table(panel, values, label, form, least)
        panel.set_yticks(range(len(down)), down)
        panel.set_xticks(range(len(across)), across, rotation=90 if crowded else 0)
    if said:
        panels.flat[-1].set_xlabel("\n".join(said), color=GREY, style="italic")
    headline(figure, title)
    return figure


def constant(values: np.ndarray) -> bool:
    """Whether every run has the same value: a map of it would show one colour."""
    known = values[np.isfinite(values)]
    return len(known) == values.size and bool(np.ptp(known) == 0)


def _table(panel: Axes, values: np.ndarray, label: str, form: str, least: float) -> None:
    known = values[np.isfinite(values)]
    low, high = 0, max(known.max(initial=0), least)
    colors = plt.get_cmap(SEQUENTIAL).with_extremes(bad="white")
    image = panel.imshow(np.ma.masked_invalid(values), aspect="auto", cmap=colors, vmin=low, vmax=high)
    rows, columns = values.shape
    for row, column in np.argwhere(~np.isfinite(values)):
        panel.add_patch(
            plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#BBBBBB", linewidth=0)
        )
    if columns <= MOST_NUMBERS:
        for row, column in np.argwhere(np.isfinite(values)):
            write_cell(panel, column, row, form.format(values[row, column]), values[row, column])
    panel.set_title(label)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.figure.colorbar(image, ax=panel, shrink=0.9, pad=0.01, aspect=12)
