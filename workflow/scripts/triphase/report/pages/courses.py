"""The course of one model on the page: legs of the headline's fit, and where each perspective began and ended."""

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from triphase.phases.behaviour import declared
from triphase.phases.curves import Trajectory, Undetermined, average_subjects, read_curve, subject_curves
from triphase.report.numbers import UNKNOWN, counted, estimate, known, percent, shown, tokens
from triphase.report.pages.blocks import Block, Table, Text
from triphase.table.measures import MEASURES
from triphase.table.selection import Selection

NORMAL_95 = 1.96  # half the width of a 95 % interval in standard errors


def legs(phases: dict) -> list[Block]:
    """What was fitted to the headline's curve: a sentence and a table; nothing where nothing was fitted."""
    segments = phases["segments"]
    if not segments:
        return []
    edges = [None, *phases["intervals"], None]
    grid = np.array([count for count, _ in phases["fitted"]])
    rows = []
    for segment, before, after in zip(segments, edges[:-1], edges[1:], strict=True):
        held = segment["change_interval"] is None
        change = "held at 0" if held else estimate(segment["change"], segment["change_interval"], sign=True)
        inside = int(((grid >= segment["from"]) & (grid <= segment["to"])).sum())
        ends = tokens(segment["from"], before), tokens(segment["to"], after)
        rows.append([segment["kind"], *ends, change, shown(inside)])
    headline, settings = phases["headline"], phases["provenance"]["settings"]
    text = (
        f"Legs [ours] of alignment in {headline['roi']}, fitted to {counted(len(grid), 'checkpoint')} "
        f"after step 0: changes with {percent(settings['confidence'])} interval, bends with "
        f"{percent(phases['interval_level'])} interval, which is no narrower than the grid."
    )
    return [Text(text), Table(["leg", "from (tokens)", "to (tokens)", "change of r", "checkpoints"], rows)]


def first_and_last(table: pd.DataFrame, boot: xr.Dataset, phases: dict) -> list[Block]:
    """Where the perspectives of one model began and ended: a sentence and a table; nothing where none was measured.

    Parameters
    ----------
    table, boot : tidy rows and paired draws of the model
    phases : phases/{model}.json
    """
    headline, rows = phases["headline"], []
    curve = aligned(table, boot, headline)
    if curve is not None:
        label = f"alignment in {headline['roi']} (r)"
        rows.append(_row(label, curve, [counted(phases["n_subjects"], "subject")] * 2))
    asked = declared(headline)
    nouns = {Selection("surprisal"): "word", asked["accuracy"]: "item", asked["adherence"]: "item"}
    for selection, noun in nouns.items():
        try:
            curve = read_curve(table, boot, selection)
        except Undetermined:
            continue
        mine = selection.rows(table).groupby("checkpoint")["n"].sum()
        counts = [counted(int(mine[curve.checkpoint[at]]), noun) for at in (0, -1)]
        measure = MEASURES[selection.measure]
        rows.append(_row(measure.text, curve, counts, measure.bounds))
    if not rows:
        return []
    text = "First and last checkpoint of the series, with tokens and 95 % intervals from bootstrap standard errors."
    head = ["measure", "at (tokens)", "first", "n", "at (tokens)", "last", "n"]
    return [Text(text), Table(head, rows)]


def aligned(table: pd.DataFrame, boot: xr.Dataset, headline: dict) -> Trajectory | None:
    """The headline's curve, mean over subjects; None where it was not measured.

    Its errors are those of the paired draws: subjects hear one story, and its blocks are drawn alike for all of them.
    """
    curves = subject_curves(table, boot, headline["roi"])
    if not curves:
        return None
    curve = average_subjects(list(curves.values()), np.random.default_rng(0))
    if curve.draws is None:
        return curve
    return replace(curve, errors=curve.draws.std(axis=-1, ddof=1))


def _row(label, curve, numbers, bounds=(-np.inf, np.inf)):
    """Cells of one measure: tokens, value and n at its first checkpoint and at its last (curves are in that order).

    Intervals end where the measure's range does (`bounds`).
    """
    cells = [label]
    for at, number in zip((0, -1), numbers, strict=True):
        value, half = curve.values[at], NORMAL_95 * curve.errors[at]
        interval = np.clip([value - half, value + half], *bounds) if known(half) else None
        known_here = known(value)
        cells += [tokens(curve.tokens[at]), estimate(value, interval), number if known_here else UNKNOWN]
    return cells
