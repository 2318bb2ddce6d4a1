"""What several models have in common, as blocks of the page."""

from functools import partial

from triphase.report.numbers import UNKNOWN, counted, estimate, flops, known, percent, shown, tokens
from triphase.report.pages.blocks import Block, Items, Table, Text

EVENTS = {"onset": "onset of the rise", "peak": "peak before the fall", "trough": "trough before the return"}
CHANGES = {"rise": "size of the rise", "fall": "size of the fall", "return": "size of the return"}


def across_models(across: dict) -> list[Block]:
    """The blocks of across_models.json."""
    verdicts = ", ".join(f"{name} {shown(count)}" for name, count in across["verdicts"].items())
    remarks = [
        f"{counted(across['n_models'], 'model')}, {counted(across['n_runs'], 'training run')} fitted: {verdicts}."
    ]
    remarks += [f"{remark.removesuffix('.')}." for remark in across["remarks"]]
    remarks += [_leg(leg) for leg in across["legs"] if leg["n"] > 1]
    blocks: list[Block] = [Items(remarks)]
    rows = [
        [name, kind, *_pooled(across["positions"][event][kind], form)]
        for event, name in EVENTS.items()
        for kind, form in (("tokens", tokens), ("compute", flops))
        if event in across["positions"]
    ]
    signed = partial(estimate, sign=True)
    rows += [
        [name, "r", *_pooled(across["changes"][c], signed)] for c, name in CHANGES.items() if c in across["changes"]
    ]
    rows = [row for row in rows if row[2] != UNKNOWN]
    if rows:
        head = ["across models", "on", "mean [95 % interval]", "mean [95 % of models]", "between models", "n"]
        note = "Random-effects summary [ours]: positions as tokens and as compute, their spread as a factor"
        blocks += [Text(f"{note}; compute is {across['compute']}."), Table(head, rows, text=(0, 1))]
    relations = [_relation(entry) for entry in across["language_share"]["relations"] if known(entry["rho"])]
    if relations:
        blocks.append(Items([f"Share of the stimulus' language in training: {'; '.join(relations)}."]))
    if order := _emergence(across.get("emergence")):
        blocks.append(Items([order]))
    return blocks


def _emergence(entry):
    """Whether models agree on the order in which tasks and concepts emerge; None where that was not compared."""
    if not entry or not known(entry["w"]):
        return None
    low, high = entry["chance"]
    text = (
        f"Order of emergence [ours], {counted(entry['n_models'], 'model')}, {shown(len(entry['things']))} tasks and "
        f"concepts: Kendall's W = {shown(entry['w'])}, p = {shown(entry['p'])}; 95 % of permuted orders lie from "
        f"{shown(low)} to {shown(high)}. From the first to the last: {', '.join(entry['things'])}"
    )
    left = f". Left out: {', '.join(entry['left_out'])}" if entry["left_out"] else ""
    return f"{text}{left}."


def _leg(leg):
    kinds = ", ".join(f"{kind} {shown(count)}" for kind, count in leg["signs"].items())
    n, share = counted(leg["n"], "model"), percent(leg["consistent"])
    return f"Leg {shown(leg['place'])}, a {leg['phase']} in the triple: {kinds} of {n} ({share} alike)."


def _pooled(summary, form):
    """Mean with interval, the same with the interval that a further model is expected in, spread between models, n."""
    mean, further = form(summary["mean"], summary["interval"]), form(summary["mean"], summary["prediction"])
    return [mean, further if summary["prediction"] else UNKNOWN, shown(summary["tau"]), shown(summary["n"])]


def _relation(entry):
    p = f", p = {shown(entry['p'])}" if known(entry["p"]) else ""
    return f"rank correlation with {entry['of']} {shown(entry['rho'])} (n = {shown(entry['n'])}{p})"
