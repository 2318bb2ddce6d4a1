"""The findings of a study on one page: verdicts with their reasons, and every number with its interval and n."""

import pandas as pd

from triphase.report.numbers import UNKNOWN, counted, estimate, shown, tokens
from triphase.report.pages import remarks
from triphase.report.pages.across import across_models
from triphase.report.pages.blocks import Block, Heading, Items, Table, Text
from triphase.report.pages.courses import first_and_last, legs
from triphase.report.pages.sources import Sources
from triphase.responses.ceiling import GROUP

DEFINITIONS = (
    "**[ours]** marks what this project defines and the paper behind the question (Nakagi et al. 2025, arXiv "
    "2502.20779) does not, or does in a way that is not known to us: the measure of alignment, instruction adherence, "
    "legs and rivals, the verdict and its power, coincidence, stagnation, breadth, the set of other analyses. So no "
    "number here is meant to match one of the paper."
)


def summary(sources: Sources) -> list[Block]:
    """The page, as a list of blocks."""
    blocks: list[Block] = [Heading(1, f"Findings of the study {sources.study}"), Text(about(sources))]
    blocks += [Text(DEFINITIONS), Heading(2, "Verdicts [ours]"), verdicts(sources)]
    for model, phases in sources.phases.items():
        table = sources.table[sources.table["model"] == model]
        boot = sources.boot.isel(series=sources.boot["model"].values == model)
        blocks += [Heading(2, model), Text(f"**{sentence(phases['reason'])}** Said {phases['scope']}.")]
        blocks += [*legs(phases), *first_and_last(table, boot, phases), Items(_remarks(sources, model, table))]
    return [*blocks, Heading(2, "Across models"), *across_models(sources.across)]


def about(sources: Sources) -> str:
    """What was studied, and what was declared before the run."""
    dataset, phases = sources.dataset, next(iter(sources.phases.values()))
    headline = phases["headline"]
    tasks = ", ".join(headline["tasks"]) or "none"
    adherence = ", ".join(headline["adherence"]) or "none"
    return (
        f"Data set: {dataset['title']} ({dataset['name']}, version {dataset['version']}). Declared before the run: "
        f"alignment in {headline['roi']}; tasks for accuracy: {tasks}; for instruction adherence: "
        f"{adherence}. {ceiling(sources.ceilings, headline['roi'])}"
    )


def ceiling(ceilings: pd.DataFrame, roi: str) -> str:
    """How much of the responses can be predicted at all."""
    rows = ceilings[(ceilings["subject"] == GROUP) & (ceilings["roi"] == roi)].dropna(subset=["ceiling"])
    if rows.empty:
        return f"How much of the responses in {roi} could be predicted at all is not known."
    row = rows.iloc[0]
    what = "Ceiling of r" if row["kind"] == "repeats" else "Correlation between subjects, no upper bound,"
    value = estimate(row["ceiling"], (row["low"], row["high"]))
    return f"{what} in {roi}: {value}, 95 % interval ({counted(row['n_subjects'], 'subject')})."


def verdicts(sources: Sources) -> Table:
    """The verdict of every model in one table."""
    rows = []
    for model, phases in sources.phases.items():
        bends = [tokens(at, span) for at, span in zip(phases["breakpoints"], phases["intervals"], strict=True)]
        supported = phases["subjects_supported"]
        subjects = f"{shown(supported)} of {shown(phases['n_subjects'])}" if phases["subjects"] else UNKNOWN
        counts = sources.specifications[model].attrs["counts"]
        alike = f"{shown(counts.get(phases['verdict'], 0))} of {shown(sum(counts.values()))}"
        course = phases["pattern"] or UNKNOWN
        rows.append(
            [
                model,
                phases["verdict"],
                course,
                ", ".join(bends) or UNKNOWN,
                shown(phases["n_checkpoints"]),
                subjects,
                alike,
            ]
        )
    head = ["model", "three phases", "course", "bends in tokens [95 %]", "checkpoints fitted", "subjects supported"]
    return Table([*head, "analyses with this verdict"], rows, text=(0, 1, 2, 3))


def sentence(reason: str) -> str:
    """A reason as a sentence."""
    return f"{reason[0].upper()}{reason[1:]}."


def _remarks(sources, model, table):
    phases = sources.phases[model]
    findings = sources.integrity[sources.integrity["model"] == model]
    texts = [
        remarks.power(phases, sources.power[model]),
        remarks.subjects(phases),
        remarks.analyses(sources.specifications[model]),
        remarks.scale(phases),
        remarks.training_size(phases),
        remarks.content(phases),
        *remarks.controls(sources.across["controls"], model),
        *remarks.behaviour(phases),
        remarks.stagnation(phases),
        *remarks.competence(phases),
        remarks.order(phases),
        remarks.breadth(phases),
        remarks.contamination(table),
        remarks.checkpoints(phases, findings),
    ]
    return [text for text in texts if text]
