"""The methods of a study as text for a paper, written from its config and results, and the references that it cites."""

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from triphase.core.types import Entries, Section
from triphase.report.numbers import counted, percent, shown, tokens
from triphase.report.templates import plain, render


@dataclass(frozen=True)
class Methods:
    """What the text is written from.

    Attributes
    ----------
    study : its name
    seed : of the study
    config : sections of the resolved config: responses, activations, encoding, states, tasks, phases
    models : name, repository, layers and chat_template of each model
    description : responses/description.json
    table : the tidy table, whose metadata hold the provenance of checkpoints
    phases : phases.json
    """

    study: str
    seed: int
    config: Section
    models: Entries
    description: Section
    table: pd.DataFrame
    phases: dict[str, Section]


def methods(source: Methods) -> tuple[str, str]:
    """The text as Markdown, with keys of references in brackets, and the BibTeX entries of those that it cites."""
    text = render("methods.md", **_values(source))
    cited = set(re.findall(r"\[@(\w+)\]", text))
    entries = re.findall(r"^(@\w+\{(\w+),(?:.*\n)+?\}\n)", plain("methods.bib"), flags=re.M)
    return text, "\n".join(entry for entry, key in entries if key in cited)


def _values(source: Methods) -> Section:
    description, config = source.description, source.config
    runs = description["runs"]
    heard = {run["stimulus"]: run["events"] for run in runs}
    context, first = config["activations"]["context"], next(iter(source.phases.values()))
    provenance = source.table.attrs["checkpoints"]
    least = 3 * context["max"] // 4 if context["min"] is None else context["min"]
    return {
        "study": source.study,
        "seed": source.seed,
        **config,
        "dataset": description["dataset"],
        "subjects": description["subjects"],
        "runs": runs,
        "volumes": _range([count for run in runs for count in run["volumes"]]),
        "held_out": _held_out(config["encoding"]["split"], sum(run["test"] for run in runs)),
        "voxels": shown(sum(subject["voxels"] for subject in description["subjects"])),
        "valid": shown(sum(subject["valid"] for subject in description["subjects"])),
        "stimuli": heard,
        "events": shown(sum(heard.values())),
        "unit": description["unit"],
        "models": [_model(model, source.table, provenance) for model in source.models],
        "excluded": [f"{name} {e['checkpoint']}" for name, found in source.phases.items() for e in found["excluded"]],
        "least_context": least,
        "headline": first["headline"],
        "settings": first["provenance"]["settings"],
        "found": source.phases,
        "versions": next(iter(provenance.values()))["versions"] | first["provenance"]["versions"],
        "counted": counted,
        "number": "{:g}".format,
        "percent": percent,
    }


def _model(model: Section, table: pd.DataFrame, provenance: Section) -> Section:
    rows = table[table["model"] == model["name"]].dropna(subset=["checkpoint"]).drop_duplicates("checkpoint")
    names: list[Any] = list(rows["checkpoint"])
    about = provenance[f"{model['name']}/{names[0]}"]
    span = tokens(rows["tokens"].min()), tokens(rows["tokens"].max())
    return model | {"n": len(names), "first": span[0], "last": span[1], "architecture": about["architecture"]}


def _held_out(split: Section, tests: int) -> str:
    if split["kind"] == "outer_cv":
        return "every scan was held out once"
    return f"{counted(tests, 'run')} {'was' if tests == 1 else 'were'} held out for testing"


def _range(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return shown(low) if low == high else f"{shown(low)} to {shown(high)}"
