"""Figures of the data report: what there is, whether the clocks agree, how much can be predicted."""

import warnings

import numpy as np

from triphase.report.figures.brain import VIEWS, to_image
from triphase.report.figures.style import BLUE, GREY, SEQUENTIAL, VERMILION, counted, plt, say_empty
from triphase.responses.ceiling import GROUP

MOST_PANELS = 12
MUCH_MOTION = 0.5  # mm
MOST_REGIONS = 24
# Cells of a table carry their number up to this many columns.
MOST_NUMBERS = 32
KINDS = {
    "repeats": "noise ceiling r_max (repeats)",
    "isc": "inter-subject correlation (r)",
    "isc of region means": "inter-subject correlation of region means (r)",
}


def draw_runs(description):
    """Subjects x runs: length, voxels that can't be used, and motion where it is known; missing runs are hatched.

    Parameters
    ----------
    description : dict, as `describe_data` writes it
    """
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
    across, down = (runs, subjects) if len(runs) >= len(subjects) else (subjects, runs)
    width = float(np.clip(0.34 * len(across) + 2.2, 6.5, 12))
    heights = [0.26 * max(len(down), 2) + 0.45] * len(named)
    crowded = len(across) > 8 or sum(map(len, across)) > 60
    # Names that stand upright take room from the tables.
    room = 0.9 + (0.06 * max(map(len, across)) if crowded else 0)
    figure, panels = plt.subplots(
        len(named), 1, figsize=(width, sum(heights) + room), sharex=True, squeeze=False, layout="constrained"
    )
    for panel, (name, label, form, least) in zip(panels.flat, named, strict=True):
        values = tables[name] if across is runs else tables[name].T
        _table(panel, values, label, form, least)
        panel.set_yticks(range(len(down)), down)
        panel.set_xticks(range(len(across)), across, rotation=90 if crowded else 0, fontsize=7)
    if not known:
        panels.flat[-1].set_xlabel("motion: no confounds that tell it", color=GREY, style="italic")
    figure.suptitle(
        f"{description['dataset']['name']}: {counted(len(subjects), 'subject')}, {counted(len(runs), 'run')}",
        x=0.01, ha="left", weight="bold",
    )  # fmt: skip
    return figure


def _table(panel, values, label, form, least):
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
            bright = (values[row, column] - low) / (high - low) > 0.6
            panel.text(
                column, row, form.format(values[row, column]), ha="center", va="center", fontsize=6.5,
                color="black" if bright else "white",
            )  # fmt: skip
    panel.set_title(label)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.figure.colorbar(image, ax=panel, shrink=0.9, pad=0.01, aspect=12)


def panels_of(timing):
    """Regions that are drawn: those that decide first, then the others in order."""
    group = sorted(timing["group"], key=lambda entry: entry["roi"] not in timing["decisive"])
    return group[:MOST_PANELS]


def draw_timing(description):
    """Correlation with the rate of words at every lag, region by region; the convolved rate should peak at 0."""
    timing, unit, tr = description["timing"], description["unit"], description["dataset"]["tr"]
    group, lags = panels_of(timing), np.array(timing["lags"])
    columns = min(3, max(len(group), 1))
    rows = max(-(-len(group) // columns), 1)
    size = (max(3.3 * columns + 0.6, 6.5), 2.3 * rows + 1.2)
    figure, panels = plt.subplots(
        rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    if not group:
        say_empty(panels[0, 0], timing["reason"])
    for number, (panel, entry) in enumerate(zip(panels.flat, group, strict=False)):
        panel.axvspan(-tr, tr, color="#E4E4E4", linewidth=0)
        panel.axhline(0, color=GREY, linewidth=0.7)
        mine = [each for each in timing["subjects"] if each["roi"] == entry["roi"] and each["lag"] is not None]
        for each in mine if len(mine) > 1 else []:
            panel.plot(lags, _floats(each["curve"]), color=VERMILION, alpha=0.18, linewidth=0.6)
        panel.plot(lags, _floats(entry["raw"]["curve"]), color=BLUE, linestyle="--", label=f"{unit} rate")
        panel.plot(
            lags, _floats(entry["convolved"]["curve"]), color=VERMILION, linewidth=2,
            label=f"{unit} rate convolved with the haemodynamic response",
        )  # fmt: skip
        if entry["convolved"]["lag"] is not None:
            panel.plot(entry["convolved"]["lag"], entry["convolved"]["r"], "o", color=VERMILION, markersize=6)
        panel.set_title(_title(entry, timing["decisive"]), fontsize=8.5)
        if number % columns == 0:
            panel.set_ylabel("correlation (r)")
        if number + columns >= len(group):
            panel.set_xlabel("lag of the response (s)")
            panel.tick_params(labelbottom=True)
    for panel in panels.flat[max(len(group), 1) :]:
        panel.remove()
    if group:
        handles, _ = panels[0, 0].get_legend_handles_labels()
        handles.append(plt.Rectangle((0, 0), 1, 1, color="#E4E4E4", label="within one TR of the expected lag"))
        if len({each["subject"] for each in timing["subjects"]}) > 1:
            handles.append(plt.Line2D([], [], color=VERMILION, alpha=0.4, linewidth=0.6, label="single subjects"))
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    verdict = {True: "plausible", False: "NOT plausible", None: "not decided"}[timing["plausible"]]
    figure.suptitle(f"Lag between {unit} rate and response: {verdict}", x=0.01, ha="left", weight="bold")
    return figure


def _title(entry, decisive):
    name = entry["roi"] + ("*" if entry["roi"] in decisive else "")
    peak = entry["convolved"]
    if peak["lag"] is None:
        return f"{name}: no data"
    verdict = {True: "", False: ", NOT plausible", None: ", not above chance"}[entry["plausible"]]
    return f"{name}: {peak['lag']:g} s, p = {peak['p']:.4f}{verdict}"


def _floats(values):
    return np.array([np.nan if value is None else value for value in values])


def draw_ceilings(description):
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
    figure, panel = plt.subplots(figsize=(float(np.clip(0.75 * len(regions) + 2, 6.5, 12)), 3.6), layout="constrained")
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
            panel.plot(place + shift, row["ceiling"], "o", color=BLUE, alpha=0.5, markersize=3)
        if number > 1:
            row = mean[region]
            panel.hlines(row["ceiling"], place - 0.32, place + 0.32, color=VERMILION, linewidth=2)
            if row["low"] is not None:
                panel.vlines(place, row["low"], row["high"], color=VERMILION, linewidth=2)
    panel.axhline(0, color=GREY, linewidth=0.7)
    panel.set_xticks(range(len(regions)), regions, rotation=30 if len(regions) > 8 else 0)
    said = f"dots: n = {counted(number, 'single subject')}; red: mean with 95 % interval" if number > 1 else (
        "n = 1 subject, with 95 % interval"
    )  # fmt: skip
    # Over the whole figure: a panel of one region is narrower than its title.
    figure.suptitle(f"Ceiling by region ({said})", x=0.01, ha="left", weight="bold", fontsize=10)
    return figure


def draw_ceiling_map(values, xyz, kind, n_subjects):
    """Glass brain of the ceiling, mean over subjects where their voxels share a place.

    Parameters
    ----------
    values : float array (voxel,), of all subjects
    xyz : float array (voxel, 3), mm, MNI space
    kind : str
    n_subjects : int
    """
    from nilearn.plotting import plot_glass_brain

    figure = plt.figure(figsize=(10, 2.9))
    figure.text(0.01, 0.97, KINDS[kind][0].upper() + KINDS[kind][1:], fontsize=11, weight="bold", va="top")
    figure.text(
        0.01, 0.89, f"mean of n = {counted(n_subjects, 'subject')}; unthresholded, strongest along the line of sight",
        fontsize=8, color=GREY, va="top",
    )  # fmt: skip
    known = np.isfinite(values)
    if not known.any():
        axis = figure.add_axes((0.05, 0.05, 0.9, 0.75))
        axis.set_axis_off()
        say_empty(axis, "no ceiling is known")
        return figure
    limit = max(float(np.quantile(values[known], 0.995)), 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plot_glass_brain(
            to_image(values, xyz), display_mode=VIEWS, figure=figure, axes=(0.01, 0.0, 0.96, 0.82), cmap=SEQUENTIAL,
            vmin=0, vmax=limit, plot_abs=False, colorbar=True, threshold=1e-9,
        )  # fmt: skip
    return figure
