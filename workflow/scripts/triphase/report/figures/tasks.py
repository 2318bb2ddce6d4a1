"""Task performance and instruction following over training, measure by measure."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triphase.report.figures.curves import targets_of, tidy_curve
from triphase.report.figures.panels import beside, draw_rows, items, shade
from triphase.report.figures.style import CYCLE, GREY, MARKERS, WIDTH, TokenAxis, headline, plt, say_empty
from triphase.table.measures import MEASURES
from triphase.table.selection import Selection
from triphase.tasks.reading_times import POWER

PANELS = (
    ("Accuracy (dotted: chance)", ("accuracy",)),
    ("Instruction adherence (dashed: lenient parser)", ("adherence", "adherence_lenient")),
    ("Answers that are one of the labels asked for (dashed: probability mass on them)", ("validity", "label_mass")),
    ("Entropy of the answers", ("answer_entropy",)),
    ("Share of the commonest answer", ("commonest_answer",)),
    ("Psychometric power: what surprisal adds to a model of reading times", (POWER,)),
)
GROUPS = ("Accuracy by group (vertical: onset of its first rise)", ("accuracy_rescaled",))


def draw_tasks(trajectories: pd.DataFrame, phases: dict, model: str) -> Figure:
    """Panels over training tokens: accuracy, adherence, validity, spread of answers, with 95 % intervals."""
    axis = TokenAxis(trajectories["tokens"].dropna().unique())
    drawn = [panel for panel in PANELS if targets_of(trajectories, panel[1][0])] or PANELS[:1]
    # A legend entry takes up to two lines beside its panel.
    heights = [max(1.45, 0.27 * len(targets_of(trajectories, panel[1][0]))) for panel in drawn]
    groups = (phases.get("competence") or {}).get("groups", {})
    if groups:
        drawn, heights = [*drawn, GROUPS], [*heights, 1.45]
    size = (WIDTH, sum(heights) + 0.6)
    figure, panels = plt.subplots(
        len(drawn), figsize=size, sharex=True, squeeze=False, layout="constrained", height_ratios=heights
    )
    missing = "" if targets_of(trajectories, "adherence") else " (no instruction data: adherence is not measured)"
    headline(figure, f"{model}: tasks over training{missing}")
    for number, (panel, (title, measures)) in enumerate(zip(panels.flat, drawn, strict=True)):
        shade(panel, axis, phases["segments"])
        panel.set_title(f"{'abcdefg'[number]}  {title}")
        panel.set_ylabel(MEASURES[measures[0]].unit)
        panel.axhline(0, color=GREY, linewidth=0.7)
        if title == GROUPS[0]:
            draw_groups(panel, axis, trajectories, groups)
        else:
            draw_pair(panel, axis, trajectories, measures)
        axis.apply(panel, label=number == len(drawn) - 1)
    return figure


def draw_pair(panel: Axes, axis: TokenAxis, table: pd.DataFrame, measures: tuple[str, ...]) -> None:
    """Every task's curve of one measure with its interval, and of a second one dashed in the same colour."""
    names = targets_of(table, measures[0])
    if not names:
        say_empty(panel, "no tasks in this study")
        return
    for number, name in enumerate(names):
        colour, marker = CYCLE[number % 7], MARKERS[(number + number // 7) % 7]
        rows = Selection(measures[0], (name,)).rows(table)
        noun = "words read" if measures[0] == POWER else "items"
        draw_rows(panel, axis, rows, colour, marker, f"{name}\nn = {items(rows)} {noun}")
        for measure in measures[1:]:
            tokens, values, _ = tidy_curve(Selection(measure, (name,)).rows(table))
            axis.curve(panel, tokens, values, color=colour, marker=marker, linestyle="--", linewidth=1.1)
        if measures[0] == "accuracy":
            panel.axhline(chance_level(table, name), color=colour, linestyle=":", linewidth=1.2)
    beside(panel)


def draw_groups(panel: Axes, axis: TokenAxis, table: pd.DataFrame, groups: dict) -> None:
    """Mean accuracy of the tasks of each group, and where it begins to rise."""
    for number, (group, entry) in enumerate(groups.items()):
        rows = Selection(entry["measure"], tuple(entry["tasks"])).rows(table)
        if not len(rows):
            continue
        colour, tasks = CYCLE[number], len(entry["tasks"])
        label = f"{group}\nn = {tasks} task{'s' * (tasks > 1)}"
        draw_rows(panel, axis, rows, colour, MARKERS[number], label)
        rises = [segment["from"] for segment in entry["segments"] if segment["kind"] == "rise"]
        if rises:
            panel.axvline(float(axis.place(rises[0])), color=colour, linewidth=1, linestyle="--")
    beside(panel)


def chance_level(table: pd.DataFrame, name: str) -> float:
    """Chance of a task, from its accuracy as measured and as rescaled to 0 = chance; NaN where that is not known."""
    _, plain, _ = tidy_curve(Selection("accuracy", (name,)).rows(table))
    _, rescaled, _ = tidy_curve(Selection("accuracy_rescaled", (name,)).rows(table))
    if len(plain) != len(rescaled):
        return np.nan
    known = rescaled < 1
    return float(np.median((plain - rescaled)[known] / (1 - rescaled[known]))) if known.any() else np.nan
