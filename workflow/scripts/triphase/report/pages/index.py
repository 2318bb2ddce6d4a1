"""The first page of a study: the answer for each model at a glance, and the way to everything else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from triphase.report.numbers import counted, known, percent, shown, tokens
from triphase.report.pages.blocks import Picture
from triphase.report.templates import render

MEANINGS = (
    (
        "supported",
        "Alignment with the brain rises, falls and rises again, each change clear of zero, and every simpler course is "
        "rejected at 5 %.",
    ),
    (
        "not supported",
        "A simpler course fits, and a fall of the smallest size that counts would have been found with the power that "
        "was asked for.",
    ),
    ("undetermined", "This study could not tell; the reason says what it lacks. It is no evidence against phases."),
)
# Pages of a study, with what each is for.
PAGES = {
    "summary.html": ("Findings", "every number with its interval and n"),
    "tables.html": ("Tables", "all analyses, power and integrity, row by row, to search and to download"),
    "data.html": ("Data report", "runs, motion, clocks and ceilings, before any model"),
}
FILES = {
    "methods.md": "what was done, as text for a paper (CC0)",
    "methods.bib": "what it cites",
    "phases.json": "courses and verdicts",
    "trajectories.parquet": "every value of the study, one row each",
    "changes.parquet": "differences of alignment between checkpoints, by region",
    "across_models.json": "what the models have in common",
}


@dataclass(frozen=True)
class Card:
    """One model: its verdict, why, facts that go with it (name, value), and its picture."""

    model: str
    verdict: str
    sentence: str
    facts: Sequence[tuple[str, str]]
    picture: Picture


@dataclass(frozen=True)
class Link:
    """A file beside the page, as a path from it."""

    path: str
    name: str
    what: str = ""


@dataclass(frozen=True)
class Found:
    """What the page is made from: results as read, figures as their names with label and category."""

    study: str
    description: dict
    phases: dict[str, dict]
    specifications: Mapping[str, pd.DataFrame]
    figures: Sequence[tuple[str, str, str]]
    pictures: Mapping[str, tuple[Path, str]]
    gaps: Sequence[str] = ()


@dataclass(frozen=True)
class _Page:
    about: str
    together: str | None
    cards: Sequence[Card]
    meanings: Sequence[tuple[str, str]]
    data: Sequence[str]
    gaps: Sequence[str]
    links: dict[str, list[Link]]


def index_page(found: Found) -> str:
    """The page as HTML; it holds what it shows and requests nothing.

    Parameters
    ----------
    found : `figures` are (path from the page, label, category); `pictures` the triple figure of each model, as a PNG
        with its caption; `gaps` where the checkpoints leave something unseen
    """
    dataset = found.description["dataset"]
    page = _Page(
        about=f"{dataset['title']} ({dataset['name']}); {counted(len(found.phases), 'model')}.",
        together=_together(found.phases),
        cards=[_card(found, model) for model in found.phases],
        meanings=MEANINGS,
        data=found.description["findings"] or ["Nothing to remark: runs, voxels and clocks are as they should be."],
        gaps=found.gaps,
        links=_links(found.figures),
    )
    return render("index.html", title=f"Study {found.study}", page=page)


def plain_reason(phases: dict) -> str:
    """Why the verdict was given, as one sentence."""
    reason = phases["reason"].removeprefix(f"{phases['verdict']}: ").split("; ")[0]
    return f"{reason[:1].upper()}{reason[1:]}."


def _together(phases):
    """The verdicts of several models in one sentence."""
    if len(phases) < 2:
        return None
    by_verdict: dict[str, list[str]] = {}
    for model, mine in phases.items():
        by_verdict.setdefault(mine["verdict"], []).append(model)
    return "Three phases: " + "; ".join(f"**{verdict}** for {', '.join(m)}" for verdict, m in by_verdict.items()) + "."


def _card(found, model):
    phases, about = found.phases[model], found.specifications[model].attrs
    path, caption = found.pictures[model]
    return Card(model, phases["verdict"], plain_reason(phases), _facts(phases, about["counts"]), Picture(path, caption))


def _facts(phases, counts):
    facts = [("measured in", phases["headline"]["roi"])]
    if phases["pattern"]:
        facts.append(("course of alignment", phases["pattern"]))
    for segment in phases["segments"]:
        facts.append((segment["kind"], f"{tokens(segment['from'])} to {tokens(segment['to'])} tokens"))
    facts.append(("checkpoints fitted", shown(phases["n_checkpoints"])))
    # What was found needs no power to be found.
    if known(phases["power"]) and phases["verdict"] != "supported":
        smallest = percent(phases["provenance"]["settings"]["smallest_fall"])
        facts.append((f"power for a fall of {smallest} of the first rise", percent(phases["power"])))
    if phases["subjects"]:
        alike = sum(each["verdict"] == phases["verdict"] for each in phases["subjects"].values())
        facts.append(("subjects that agree, each judged alone", f"{shown(alike)} of {shown(len(phases['subjects']))}"))
    if n := sum(counts.values()):
        facts.append(("analyses that agree", f"{shown(counts.get(phases['verdict'], 0))} of {shown(n)}"))
    return facts


def _links(figures):
    links = {"Pages": [Link(path, name, what) for path, (name, what) in PAGES.items()]}
    for path, label, category in figures:
        links.setdefault(f"Figures: {category}", []).append(Link(path, label))
    links["Files"] = [Link(path, path, what) for path, what in FILES.items()]
    return links
