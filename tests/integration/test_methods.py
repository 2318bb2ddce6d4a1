"""The methods text says nothing that the study's config and results do not, and cites what it names."""

import json
import re

import pytest
import yaml
from project import ROOT

from triphase.config.resolve import resolve_config
from triphase.core.artefacts import read_json, read_table
from triphase.report.numbers import shown, tokens

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def results(tiny_as_run):
    return tiny_as_run / "results/tiny"


@pytest.fixture(scope="module")
def text(results):
    return (results / "methods.md").read_text(encoding="utf-8")


def numbers(said):
    """Numbers of a text, without those that are part of a word or a hash."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", said)
    return {float(found) for found in re.findall(r"(?<![\w.^-])\d+(?:\.\d+)?(?![\w.]*\w)", plain)}


def test_every_number_stands_in_config_or_results(text, results):
    config = resolve_config(yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text()), ROOT)
    description, table = read_json(results / "responses/description.json"), read_table(results / "trajectories.parquet")
    phases = read_json(results / "phases.json")
    known = numbers(json.dumps([config, description, table.attrs, phases]))
    settings = phases["neox"]["provenance"]["settings"]
    known |= {round(100 * value, 9) for value in settings.values() if isinstance(value, float)}
    # What is counted, and what is said of the text's making.
    heard = {run["stimulus"]: run["events"] for run in description["runs"]}
    subjects, runs = description["subjects"], description["runs"]
    known |= {len(heard), sum(heard.values()), len(subjects), len(runs), sum(run["test"] for run in runs)}
    known |= {
        table.loc[table["model"] == "neox", "checkpoint"].nunique(),
        10.0,
        config["activations"]["context"]["max"] * 3 // 4,
    }
    for span in {tokens(count) for count in table["tokens"].dropna().unique()} - {"0"}:
        text = text.replace(span, "")
    text = re.sub(r"CC0|[Bb]yte|log10|`[^`]*`|Versions: .*", "", text)
    assert numbers(text) <= known, sorted(numbers(text) - known)
    assert shown(sum(heard.values())) in text


def test_versions_are_those_of_the_jobs(text, results):
    phases, table = read_json(results / "phases.json"), read_table(results / "trajectories.parquet")
    versions = next(iter(table.attrs["checkpoints"].values()))["versions"] | phases["neox"]["provenance"]["versions"]
    for name, version in versions.items():
        assert f"{name} {version}" in text


def test_what_is_cited_is_listed_and_nothing_else(text, results):
    cited = set(re.findall(r"\[@(\w+)\]", text))
    listed = re.findall(r"^@\w+\{(\w+),", (results / "methods.bib").read_text(encoding="utf-8"), flags=re.M)
    assert cited == set(listed) and len(listed) == len(cited) > 5
