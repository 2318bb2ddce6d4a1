"""What a study could have found: power over sizes of a fall and over lags, simulated on its own grid and noise."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from triphase.phases.transitions import Settings
from triphase.report.figures.style import BLACK, BLUE, GREY, WIDTH, headline, nothing_drawn, plt, say_empty
from triphase.stats.proportions import clopper_pearson

PANELS = {
    "fall": ("a  A fall (detachment) after the first rise", "size of the fall (% of the first rise)"),
    "lag": ("b  A lag between alignment and behaviour", "lag (factor in tokens)"),
}


def draw_power(power: pd.DataFrame, smallest_fall: float, model: str) -> Figure:
    """Power against the size of a fall and against a lag, with 95 % intervals of the simulation."""
    if power["power"].isna().all():
        why = dict.fromkeys(filter(None, (power.attrs[quantity] for quantity in PANELS)))
        said = "; ".join(why) or "the grid has no room for any fall or lag"
        return nothing_drawn(f"{model}: what this study could have found", f"not simulated: {said}")
    figure, panels = plt.subplots(1, 2, figsize=(WIDTH, 2.6), sharey=True, layout="constrained")
    noise = power.attrs["noise"]
    of_rise = f" (noise of a checkpoint: {noise:.2g} of the first rise)" if noise is not None else ""
    headline(figure, f"{model}: what this study could have found{of_rise}")
    for panel, (quantity, (title, label)) in zip(panels, PANELS.items(), strict=True):
        rows = power[(power["quantity"] == quantity) & power["power"].notna()].sort_values("size")
        panel.set_title(title)
        panel.set_xlabel(label)
        panel.set_ylim(-0.03, 1.03)
        panel.axhline(Settings.needed_power, color=GREY, linewidth=0.8, linestyle="--")
        panel.annotate(
            "needed ", (1, Settings.needed_power), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
        if not len(rows):
            lacking = power.attrs[quantity] or "the grid has no room for any"
            panel.set_xticks([])
            say_empty(panel, textwrap.fill(f"not simulated: {lacking}", 44))
            continue
        n = rows["n_simulations"].to_numpy(int)
        sizes = rows["size"].to_numpy(float) * (100 if quantity == "fall" else 1)
        low, high = clopper_pearson(np.round(rows["power"].to_numpy(float) * n), n)
        panel.fill_between(sizes, low, high, color=BLUE, alpha=0.2, linewidth=0)
        panel.plot(sizes, rows["power"], "o-", color=BLUE)
        least, most = n.min(), n.max()
        number = least if least == most else f"{least}–{most}"
        panel.set_xlabel(f"{panel.get_xlabel()}\nn = {number} simulations each, 95 % interval")
        if quantity == "fall":
            panel.axvline(100 * smallest_fall, color=BLACK, linewidth=0.8, linestyle=":")
            panel.annotate(" declared", (100 * smallest_fall, 1.0), va="top", fontsize=6.5)
        else:
            panel.set_xscale("log")
            panel.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
            panel.minorticks_off()
    panels[0].set_ylabel("power (share of simulations)")
    return figure
