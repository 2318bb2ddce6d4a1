"""The schema as the one source: defaults, what editors read, the reference."""

import copy
import json
import re

import jsonschema
import pytest
import yaml
from project import ROOT

from triphase.config.generate import files
from triphase.config.resolve import resolve_config
from triphase.config.schema import Study, Synthesis
from triphase.config.schema.base import Device
from triphase.config.schema.overlay import defaults, described, editor_schema, json_schema, keys, node_at
from triphase.core.digest import _closure

SCHEMA = json_schema(Study)
SHIPPED = sorted((ROOT / "config").glob("**/*.yaml"))
# What a study has to say.
LEAST = {
    "study": "mine",
    "dataset": {"name": "ds003020", "subjects": ["UTS01"]},
    "models": [{"name": "p", "family": "pythia", "size": "160m", "checkpoints": {"log_spaced": 12}}],
    "phases": {"headline": {"roi": "all"}},
}


def leaves(node, path=()):
    """Values of a config by path; entries of lists count together."""
    if isinstance(node, dict):
        return [found for key, below in node.items() for found in leaves(below, (*path, key))]
    if isinstance(node, list) and any(isinstance(entry, dict) for entry in node):
        return [found for entry in node for found in leaves(entry, (*path, "[]"))]
    return [("/".join(path), node)]


@pytest.mark.parametrize("kind", [Study, Synthesis])
def test_every_key_explains_itself(kind):
    for path, node, leaf in keys(json_schema(kind)):
        if leaf:
            assert node["description"].endswith((".", ":", "…")), path
            assert node.get("why") or "default" not in node, f"{path}: no reason of its default"
            shown = node.get("default") not in (None, [], {}) or "enum" in str(node)
            assert shown or node.get("examples") or "enum" in node, f"{path}: no example"


def test_examples_are_what_their_keys_allow():
    whole = jsonschema.Draft202012Validator(SCHEMA)
    for path, node, _ in keys(SCHEMA):
        for example in node.get("examples", []):
            assert whole.evolve(schema=node).is_valid(example), f"{path}: {example!r}"


def test_generated_files_are_fresh():
    for path, text in files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is stale: make reference"


def test_nothing_of_the_demo_is_a_default():
    """No name, path, task, concept or size of the embedded study is in what an empty overlay stands on."""
    empty = dict(leaves(defaults(SCHEMA)))
    said = leaves(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    assert not any("embedded" in str(value) for value in empty.values())
    for path, value in said:
        assert value != empty.get(path, "not there"), f"{path}: {value} is the default, and need not be said"
    texts = {text for _, value in said for text in (value if isinstance(value, list) else [value]) if type(text) is str}
    left = texts & {text for value in empty.values() for text in (value if isinstance(value, list) else [value])}
    # Choices of a list that the study shortens or lengthens.
    shared = {"word_rate", "word_length", "position", "zscore", "center", "first"}
    assert left <= {*shared, "float32"}, left


def test_the_least_overlay_is_a_study_without_a_value_of_the_demo():
    config = resolve_config(LEAST | {"local_data": None}, ROOT)
    assert config["tasks"] | {"include_path": []} == {"include_path": [], "evaluations": [], "adherence": []}
    assert config["states"]["probes"]["concepts"] == [] and config["states"]["mechanism"]["unseen"] is None
    assert config["activations"]["context"]["max"] == 256 and config["models"][0]["layers"] == [3, 6, 9, 12]
    assert config["models"][0]["floor_tokens"] == 256 * 2097152
    assert "embedded" not in json.dumps({key: config[key] for key in config if key != "dataset"})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT / "config")))
def test_editors_find_the_schema_of_every_shipped_file_and_accept_it(path):
    first, content = path.read_text().splitlines()[0], yaml.safe_load(path.read_text())
    assert first.startswith("# yaml-language-server: $schema=")
    found = (path.parent / first.partition("=")[2]).resolve()
    kind = "synthesis" if path.parent.name == "syntheses" else "config"
    assert found == ROOT / f"workflow/schemas/{kind}.schema.json"
    jsonschema.Draft7Validator(json.loads(found.read_text())).validate(content)


@pytest.mark.parametrize(
    "change",
    [
        {"modles": []}, {"seed": -1}, {"seed": 1.5}, {"models": []}, {"encoding": {"delay": 2}},
        {"activations": {"dtype": "float8"}}, {"encoding": {"alphas": [1, 2]}}, {"dataset": {}},
        {"phases": {"headline": {"roi": "all", "measure": "alignment"}}}, {"execution": {"disk_gb": 0}},
        {"models": [{"name": "p", "checkpoints": {"log_spaced": 1}}]}, {"study": "../up"},
    ],
)  # fmt: skip
def test_what_editors_refuse_is_what_the_workflow_refuses(change):
    schema = editor_schema(Study)
    jsonschema.Draft7Validator(schema).validate(LEAST)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(LEAST | change)
    with pytest.raises(ValueError, match=next(iter(change))):
        resolve_config(copy.deepcopy(LEAST | change), ROOT)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("seed",), "an integer >= 0 and <= 4294967295 (what random generators take)"),
        (("encoding", "delays"), "a list of numbers >= 0 and <= 60 (at least 1)"),
        (("encoding", "delays", 0), "a number >= 0 and <= 60 (a haemodynamic response is over by 30 s)"),
        (
            ("models", 0, "checkpoints"),
            "all or a list of mappings (at least 1) or a mapping (log_spaced, tokens, steps)",
        ),
        (("models", 0, "checkpoints", 0, "step"), "an integer >= 0"),
        (("models", 0, "train", "corpus", "mixture", "facts"), "a number >= 0 and <= 1"),
        (("activations", "context", "stride"), "1 or null"),
        (("responses", "confound_expansion"), "a list of derivatives, squares"),
        (("execution", "keep_raw"), "true or false"),
    ],
)
def test_what_a_value_must_be_in_words(path, text):
    assert described(SCHEMA, node_at(SCHEMA, path)) == text


@pytest.mark.parametrize("script", sorted((ROOT / "workflow/scripts").glob("*.py")), ids=lambda path: path.stem)
def test_jobs_do_without_pydantic(script):
    """No library module that a job imports has a typed section: its start, and its digest, are free of the schema."""
    assert not [
        path
        for path in _closure(script)
        if re.search("import.*pydantic|from (pydantic|triphase.config.schema)", path.read_text())
    ]


@pytest.mark.parametrize(("device", "right"), [("cuda:1", True), ("auto", True), ("meta", False), ("gpu", False)])
def test_a_device_that_computes_nothing_is_refused(device, right):
    assert bool(re.fullmatch(Device.__metadata__[0].metadata[0].pattern, device)) is right
