"""What a study could have found: power over sizes of a fall and over lags, simulated on its own grid and noise."""

import textwrap

import numpy as np
from scipy.stats import beta

from triphase.report.figures.style import BLACK, BLUE, GREY, plt, say_empty

PANELS = {
    "fall": ("a  A fall (detachment) after the first rise", "size of the fall (% of the first rise)"),
    "lag": ("b  A lag between alignment and behaviour", "lag (factor in tokens)"),
}


def draw_power(table, model, needed_power, smallest_fall):
    """Power against the size of a fall and against a lag, with 95 % intervals of the simulation.

    Parameters
    ----------
    table : DataFrame
        power/{model}.parquet: quantity, size, power, n_simulations; attributes noise, and why a quantity was not
        simulated.
    model : str
    needed_power, smallest_fall : float
        As declared before the run; the fall is a share of the first rise.
    """
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.3), sharey=True, layout="constrained")
    noise = table.attrs["noise"]
    of_rise = f" (noise of a checkpoint: {noise:.2g} of the first rise)" if noise is not None else ""
    figure.suptitle(
        f"{model}: what this study could have found{of_rise}", x=0.01, ha="left", weight="bold", fontsize=10
    )
    for panel, (quantity, (title, label)) in zip(panels, PANELS.items(), strict=True):
        rows = table[(table["quantity"] == quantity) & table["power"].notna()].sort_values("size")
        panel.set_title(title)
        panel.set_xlabel(label)
        panel.set_ylim(-0.03, 1.03)
        panel.axhline(needed_power, color=GREY, linewidth=0.8, linestyle="--")
        if not len(rows):
            why = table.attrs[quantity] or "the grid has no room for any"
            panel.set_xticks([])
            say_empty(panel, textwrap.fill(f"not simulated: {why}", 44))
            continue
        n = rows["n_simulations"].to_numpy(int)
        sizes = rows["size"].to_numpy(float) * (100 if quantity == "fall" else 1)
        low, high = exact_interval(rows["power"].to_numpy(float), n)
        panel.fill_between(sizes, low, high, color=BLUE, alpha=0.2, linewidth=0)
        panel.plot(sizes, rows["power"], "o-", color=BLUE)
        least, most = n.min(), n.max()
        number = least if least == most else f"{least}–{most}"
        panel.set_xlabel(f"{panel.get_xlabel()}\nn = {number} simulations each, 95 % interval")
        if quantity == "fall":
            panel.axvline(100 * smallest_fall, color=BLACK, linewidth=0.8, linestyle=":")
            panel.annotate(" declared", (100 * smallest_fall, 1.0), va="top", fontsize=8)
        else:
            panel.set_xscale("log")
            panel.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
            panel.minorticks_off()
    panels[0].set_ylabel("power (share of simulations)")
    return figure


def exact_interval(share, n):
    """Exact 95 % interval of shares of n simulations (Clopper and Pearson 1934)."""
    k = np.round(share * n)
    low, high = beta.ppf(0.025, k, n - k + 1), beta.ppf(0.975, k + 1, n - k)
    return np.where(k > 0, low, 0.0), np.where(k < n, high, 1.0)
