"""The tables behind the findings, each row of them: analyses, power, integrity."""

import pandas as pd

from triphase.checkpoints.integrity.verdict import RULES
from triphase.report.numbers import UNKNOWN, known, percent, share_interval, shown, text_or_dash
from triphase.report.pages.blocks import Block, Heading, Table, Text
from triphase.report.pages.sources import Sources

CHOICES = ("layer_rule", "scaling", "nuisance", "delays", "ceiling", "roi")


def tables(sources: Sources) -> list[Block]:
    """The page, as a list of blocks."""
    blocks: list[Block] = [Heading(1, f"Tables of the study {sources.study}")]
    blocks += [Text("A click on a column's head sorts by it.")]
    blocks += [Heading(2, "Analyses [ours]"), Text(SPECIFICATIONS), specifications(sources.specifications)]
    blocks += [Heading(2, "Power [ours]"), Text(POWER), power(sources.power)]
    return [*blocks, Heading(2, "Integrity of checkpoints"), Text(INTEGRITY), integrity(sources.integrity)]


SPECIFICATIONS = (
    "The headline was declared before the run; the other rows are the same question under other choices of layer, "
    "scaling of the model's features, nuisance, delays, ceiling and region. n: checkpoints after step 0."
)
POWER = "Share of simulated studies with this grid and noise in which a fall or lag was found, with 95 % interval."
INTEGRITY = "What each rule says of each checkpoint; weights and files alone decide."


def specifications(by_model: dict[str, pd.DataFrame]) -> Table:
    """One row per model and set of choices."""
    rows = []
    for model, table in by_model.items():
        for row in table.to_dict("records"):
            cells = [model, "yes" if row["headline"] else "", *(text_or_dash(row[choice]) for choice in CHOICES)]
            rows.append([*cells, row["verdict"], text_or_dash(row["pattern"]), percent(row["power"]), shown(row["p"])])
            rows[-1].append(shown(row["n_checkpoints"]))
    head = ["model", "headline", "layer", "scaling", "nuisance", "delays", "ceiling", "region", "verdict", "course"]
    return Table([*head, "power", "largest p", "n"], rows, text=tuple(range(len(head))))


def power(by_model: dict[str, pd.DataFrame]) -> Table:
    """One row per model and size of a fall or lag."""
    rows = []
    for model, table in by_model.items():
        for row in table.itertuples():
            size = percent(row.size) if row.quantity == "fall" else f"{shown(row.size)} x"
            share = percent(row.power, share_interval(row.power, row.n_simulations)) if known(row.power) else UNKNOWN
            rows.append([model, row.quantity, size, share, shown(row.n_simulations)])
    return Table(["model", "what", "size", "found in", "simulations"], rows, text=(0, 1))


def integrity(findings: pd.DataFrame) -> Table:
    """One row per checkpoint, one column per rule."""
    rows = []
    for (model, name), mine in findings.groupby(["model", "checkpoint"], sort=False):
        verdicts = dict(zip(mine["rule"], mine["verdict"], strict=True))
        why = "; ".join(mine["detail"][mine["verdict"] == "fault"])
        rows.append([model, name, shown(mine["step"].iloc[0]), *(verdicts[rule] for rule in RULES), why or UNKNOWN])
    return Table(["model", "checkpoint", "step", *RULES, "fault"], rows, text=(0, 1, *range(3, 4 + len(RULES))))
