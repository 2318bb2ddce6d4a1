"""The specification curve: every analysis of one model, sorted, with the choices that it made below."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triphase.phases.transitions import Settings
from triphase.report.figures.style import BLACK, BLUE, GREY, VERMILION, WIDTH, headline, nothing_drawn, plt, say_empty

VERDICTS = {"supported": (BLUE, "o"), "undetermined": (GREY, "^"), "not supported": (VERMILION, "s")}
FACTORS = {
    "layer_rule": "layer",
    "scaling": "scaling",
    "nuisance": "nuisance",
    "delays": "delays",
    "ceiling": "ceiling",
    "roi": "region",
}
MOST_LAYERS = 8  # so many single layers have rows of their own
NO_TEST = 2.2  # where analyses without a test stand on the axis of p, which ends at 1


def sorted_analyses(table: pd.DataFrame) -> pd.DataFrame:
    """Supported first, then undetermined, then not supported; within each by p, those without a test last."""
    order = {verdict: place for place, verdict in enumerate(VERDICTS)}
    keys = pd.DataFrame({"verdict": table["verdict"].map(order), "p": table["p"]})
    return table.loc[keys.sort_values(["verdict", "p"], na_position="last", kind="stable").index].reset_index(drop=True)


def choices(table: pd.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    """Rows of the lower panel: factor, level and which analyses have it.

    Many single layers are one row; a factor that is the same in all analyses has none (see `unvaried`).
    """
    rules = table["layer_rule"].astype(str)
    single = [rule for rule in dict.fromkeys(rules) if rule.startswith("layer ")]
    if len(single) > MOST_LAYERS:
        common = set(rules[rules.duplicated()])
        rules = rules.where(~rules.isin(single) | rules.isin(common), "another single layer")
    table = table.assign(layer_rule=rules)
    return [
        (factor, level, (table[factor] == level).to_numpy())
        for factor in FACTORS
        if table[factor].nunique(dropna=False) > 1
        for level in dict.fromkeys(table[factor].dropna())
    ]


def unvaried(table: pd.DataFrame) -> str:
    """What all analyses have in common, in words; empty where every factor varies."""
    same = [factor for factor in FACTORS if table[factor].nunique(dropna=False) == 1 and table[factor].notna().all()]
    return ", ".join(f"{FACTORS[factor]} {str(table[factor].iloc[0]).removeprefix('layer ')}" for factor in same)


def draw_analyses(specifications: pd.DataFrame, model: str) -> Figure:
    """Largest p over the rivals and power of every analysis, and below them the choices that it made."""
    number = len(specifications)
    title = f"{model}: {number} {'analysis' if number == 1 else 'analyses'} of the same question"
    if not number:
        return nothing_drawn(title, "no analysis could be made")
    table = sorted_analyses(specifications)
    rows = choices(table)
    heights = [1.5, 0.9, 0.14 * len(rows) + 0.2]
    figure, (top, middle, below) = plt.subplots(
        3, 1, figsize=(WIDTH, 0.7 + sum(heights)), sharex=True, layout="constrained", height_ratios=heights
    )
    counts = {verdict: int((table["verdict"] == verdict).sum()) for verdict in VERDICTS}
    shares = ", ".join(f"{count / len(table):.0%} {verdict}" for verdict, count in counts.items())
    headline(figure, f"{title}: {shares}")
    draw_tests(top, table, counts)
    draw_power_of(middle, table)
    draw_choices(below, table, rows)
    own = np.flatnonzero(table["headline"])
    for panel in (top, middle, below):
        panel.set_xlim(-0.7, len(table) - 0.3)
        for place in own:
            panel.axvline(place, color=BLACK, linewidth=0.8, linestyle=":", zorder=0)
    return figure


def label_line(panel: Axes, height: float, text: str) -> None:
    """A dashed line across a panel, with what it means at its right."""
    panel.axhline(height, color=BLACK, linewidth=0.8, linestyle="--")
    panel.text(1.01, height, text, transform=panel.get_yaxis_transform(), va="center", fontsize=6)


def draw_tests(panel: Axes, table: pd.DataFrame, counts: dict) -> None:
    """Largest p over the rivals; below the line every rival is rejected."""
    tested = table["p"].notna()
    for verdict, (colour, marker) in VERDICTS.items():
        at, label = np.flatnonzero(table["verdict"] == verdict), f"{verdict} (n = {counts[verdict]})"
        p = table["p"].where(tested, NO_TEST)[at]
        panel.plot(at, p, marker, color=colour, markersize=marker_size(len(table)), label=label)
    label_line(panel, Settings.significance, f"rejected below {Settings.significance:g}")
    panel.set_yscale("log")
    least = min(table["p"].min(skipna=True), Settings.significance / 5) if tested.any() else Settings.significance / 5
    panel.set_ylim(least / 1.8, NO_TEST * 1.5)
    ticks = [tick for tick in (0.001, 0.01, Settings.significance, 0.1, 1) if least / 1.8 <= tick]
    panel.set_yticks([*ticks, NO_TEST], [*(f"{tick:g}" for tick in ticks), "no test"], minor=False)
    panel.minorticks_off()
    panel.set_ylabel("p of the rival\nhardest to reject")
    handles, _ = panel.get_legend_handles_labels()
    own = "headline, declared before the run"
    handles.append(plt.Line2D([], [], color=BLACK, linewidth=0.8, linestyle=":", label=own))
    panel.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderaxespad=0.2, handletextpad=0.4
    )
    panel.tick_params(bottom=False)


def draw_power_of(panel: Axes, table: pd.DataFrame) -> None:
    """Power for the smallest fall declared, of analyses that found no triple."""
    panel.set_ylabel("power for the\ndeclared fall")
    panel.set_ylim(-0.05, 1.05)
    label_line(panel, Settings.needed_power, f"needed: {Settings.needed_power:g}")
    known = table["power"].notna()
    for verdict, (colour, marker) in VERDICTS.items():
        at = np.flatnonzero(known & (table["verdict"] == verdict))
        panel.plot(at, table["power"][at], marker, color=colour, markersize=marker_size(len(table)))
    panel.tick_params(bottom=False)
    if not known.any():
        say_empty(panel, "no analysis needed it: each found three legs, or could not be tested")


def draw_choices(panel: Axes, table: pd.DataFrame, rows: list) -> None:
    """A mark where an analysis made a choice, and at the right how many of these support."""
    panel.set_ylim(len(rows) - 0.4, -0.6)
    size, beside = float(np.clip(420 / len(table), 2, 7)), panel.get_yaxis_transform()
    for row, (_, _, chosen) in enumerate(rows):
        for verdict, (colour, _) in VERDICTS.items():
            at = np.flatnonzero(chosen & (table["verdict"] == verdict).to_numpy())
            panel.plot(at, np.full(len(at), row), "|", color=colour, markersize=5, markeredgewidth=size * 0.45)
        supported = int((chosen & (table["verdict"] == "supported").to_numpy()).sum())
        panel.text(1.01, row, f"{supported} of {chosen.sum()}", transform=beside, va="center", fontsize=6)
    panel.text(1.01, -0.75, "supported", transform=beside, va="bottom", fontsize=6, color=GREY)
    names = [f"{FACTORS[factor]}: {level.removeprefix('layer ')}" for factor, level, _ in rows]
    panel.set_yticks(range(len(rows)), names, fontsize=6)
    for row in range(1, len(rows)):
        if rows[row][0] != rows[row - 1][0]:
            panel.axhline(row - 0.5, color="#BBBBBB", linewidth=0.8)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set_xticks([])
    common = unvaried(table)
    panel.set_xlabel("analyses, sorted by verdict and p" + (f"\nin all of them: {common}" if common else ""))


def marker_size(n: int) -> float:
    """Size of a mark among so many."""
    return float(np.clip(400 / n, 2, 5))
