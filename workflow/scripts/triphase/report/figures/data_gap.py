"""Figure of the data report: what can be predicted without any model, as a function of the gap beside a block."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from triphase.report.figures.style import BLUE, GREY, MOST_PANELS, VERMILION, headline, panel_grid, plt
from triphase.report.gap import LEAST_SUBJECTS, scores
from triphase.report.numbers import counted
from triphase.stats.intervals import mean_half_width

STYLES: dict[str, dict[str, Any]] = {
    "nuisance": {"color": BLUE, "marker": "o", "label": "nuisance features alone (N1)"},
    "floor": {"color": VERMILION, "marker": "s", "label": "autocorrelation alone (N3)"},
}


def draw_gap(gap: dict) -> Figure:
    """Held-out r against the gap, region by region."""
    regions = list(dict.fromkeys(row["roi"] for row in gap["rows"]))
    if len(regions) > MOST_PANELS:
        summaries = [region for region in regions if region in ("language", "all")]
        regions = [r for r in regions if r not in summaries][: MOST_PANELS - len(summaries)] + summaries
    columns = min(3, len(regions))
    figure, panels = panel_grid(len(regions), columns, 1.7, 1.0)
    single = False
    for number, (panel, region) in enumerate(zip(panels, regions, strict=True)):
        panel.axhline(0, color=GREY, linewidth=0.7)
        panel.axvline(gap["own_gap"], color=GREY, linestyle="--", linewidth=1)
        for band, style in STYLES.items():
            values, color = scores(gap, region, band), style["color"]
            if len(values) > 1:
                panel.plot(gap["gaps"], values.T, color=color, alpha=0.15, linewidth=0.6)
                single = True
            panel.plot(gap["gaps"], values.mean(0), linewidth=1.5, **style)
            # Nothing that trains was near enough: r is 0 by definition and not by measurement.
            silent = np.array(gap["gaps"])[~values.any(0)]
            panel.plot(silent, 0 * silent, linestyle="none", marker=style["marker"], color=color, mfc="white", zorder=3)
            if len(values) >= LEAST_SUBJECTS:
                half = mean_half_width(values)
                panel.errorbar(gap["gaps"], values.mean(0), half, color=color, fmt="none", capsize=2)
        panel.set_title(f"{region} (n = {len(values)})")
        if number % columns == 0:
            panel.set_ylabel("held-out correlation (r)")
        if number + columns >= len(regions):
            panel.set_xlabel("gap (s)")
            panel.tick_params(labelbottom=True)
    handles, _ = panels[0].get_legend_handles_labels()
    handles.append(plt.Line2D([], [], color=GREY, linestyle="--", linewidth=1, label="gap of the study"))
    if single:
        handles.append(plt.Line2D([], [], color=GREY, alpha=0.6, linewidth=0.6, label="single subjects"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    subjects = len({row["subject"] for row in gap["rows"]})
    note = (
        f"n = {counted(subjects, 'subject')}, {counted(gap['folds'], 'block')} held out in turn, each predicted from "
        f"{gap['train_seconds'] / 60:.1f} minutes"
    )
    headline(figure, f"Score against gap ({note})")
    return figure
