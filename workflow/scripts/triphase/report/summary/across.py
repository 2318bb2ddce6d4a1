"""What several models have in common, as blocks of the page."""

from functools import partial

from triphase.report.summary.blocks import Items, Table, Text
from triphase.report.summary.numbers import UNKNOWN, counted, estimate, flops, known, percent, shown, tokens

EVENTS = {"onset": "onset of the rise", "peak": "peak before the fall", "trough": "trough before the return"}
CHANGES = {"rise": "size of the rise", "fall": "size of the fall", "return": "size of the return"}


def across_models(found):
    """The blocks of across_models.json."""
    verdicts = ", ".join(f"{name} {shown(count)}" for name, count in found["verdicts"].items())
    said = [f"{counted(found['n_models'], 'model')}, {counted(found['n_runs'], 'training run')} fitted: {verdicts}."]
    said += [f"{remark.removesuffix('.')}." for remark in found["remarks"]]
    said += [_leg(leg) for leg in found["legs"] if leg["n"] > 1]
    blocks = [Items(said)]
    rows = [
        [name, kind, *_pooled(found["positions"][event][kind], form)]
        for event, name in EVENTS.items()
        for kind, form in (("tokens", tokens), ("compute", flops))
        if event in found["positions"]
    ]
    signed = partial(estimate, sign=True)
    rows += [[name, "r", *_pooled(found["changes"][c], signed)] for c, name in CHANGES.items() if c in found["changes"]]
    rows = [row for row in rows if row[2] != UNKNOWN]
    if rows:
        head = ["across models", "on", "mean [95 % interval]", "mean [95 % of models]", "between models", "n"]
        note = "Random-effects summary [ours]: positions as tokens and as compute, their spread as a factor"
        blocks += [Text(f"{note}; compute is {found['compute']}."), Table(head, rows, text=(0, 1))]
    relations = [_relation(entry) for entry in found["language_share"]["relations"] if known(entry["rho"])]
    if relations:
        blocks.append(Items([f"Share of the stimulus' language in training: {'; '.join(relations)}."]))
    return blocks


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
