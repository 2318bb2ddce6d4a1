"""Figure of the data report: how much can be predicted, region by region."""

import numpy as np
from matplotlib.figure import Figure

from triphase.report.ceilings import KINDS
from triphase.report.figures.style import BLUE, GREY, VERMILION, WIDTH, headline, plt, say_empty
from triphase.report.numbers import counted
from triphase.responses.ceiling import GROUP

MOST_REGIONS = 24


def draw_ceilings(description: dict) -> Figure:
    """Ceiling of every region: single subjects, and their mean with its 95 % interval."""
    rows = description["ceilings"]
    regions = list(dict.fromkeys(row["roi"] for row in rows))
    regions = [r for r in regions if any(row["ceiling"] is not None for row in rows if row["roi"] == r)]
    # Of a fine atlas, those with the highest mean and the summaries.
    mean = {row["roi"]: row for row in rows if row["subject"] == GROUP}
    summaries = [region for region in regions if region in ("language", "all")]
    others = [region for region in regions if region not in summaries]
    if len(regions) > MOST_REGIONS:
        others = sorted(others, key=lambda region: -mean[region]["ceiling"])[: MOST_REGIONS - len(summaries)]
    regions = others + summaries
    figure, panel = plt.subplots(
        figsize=(float(np.clip(0.6 * len(regions) + 1.6, 5.4, WIDTH)), 2.6), layout="constrained"
    )
    kind = rows[0]["kind"] if rows else "isc"
    if not regions:
        say_empty(panel, "not known: no stimulus was repeated,\nand fewer than two subjects can be compared")
        panel.set_axis_off()
        figure.set_figheight(1.2)
        return figure
    panel.set_ylabel(KINDS[kind])
    panel.set_xlim(-0.8, max(len(regions) - 0.2, 0.8))
    number = max(mean[region]["n_subjects"] for region in regions)
    for place, region in enumerate(regions):
        each = [row for row in rows if row["roi"] == region and row["subject"] != GROUP and row["ceiling"] is not None]
        spread = np.linspace(-0.25, 0.25, len(each)) if len(each) > 1 else [0.0]
        for shift, row in zip(spread, each, strict=True):
            if number <= 10 and row["low"] is not None:
                panel.vlines(place + shift, row["low"], row["high"], color=BLUE, alpha=0.4, linewidth=1)
            panel.plot(place + shift, row["ceiling"], "o", color=BLUE, alpha=0.5, markersize=2.5)
        if number > 1:
            row = mean[region]
            panel.hlines(row["ceiling"], place - 0.32, place + 0.32, color=VERMILION, linewidth=2)
            if row["low"] is not None:
                panel.vlines(place, row["low"], row["high"], color=VERMILION, linewidth=2)
    panel.axhline(0, color=GREY, linewidth=0.7)
    panel.set_xticks(range(len(regions)), regions, rotation=30 if len(regions) > 8 else 0)
    one, several = "n = 1 subject, with", f"dots: n = {counted(number, 'single subject')}; red: mean with"
    # Over the whole figure: a panel of one region is narrower than its title.
    headline(figure, f"Ceiling by region ({several if number > 1 else one} 95 % interval)")
    return figure
