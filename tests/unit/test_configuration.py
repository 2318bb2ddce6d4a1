import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from triphase.configuration import check_config, tokens_seen
from triphase.errors import InputError

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.json"
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
STUDIES = sorted((ROOT / "config/studies").glob("*.yaml"))


def resolved(study):
    config = copy.deepcopy(DEFAULT)
    update_config(config, yaml.safe_load(study.read_text()))
    return config


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid_and_named_like_its_file(study):
    config = resolved(study)
    check_config(config, SCHEMA)
    assert config["study"] == study.stem


def names(node):
    if isinstance(node, dict):
        return {node["name"]} if "name" in node else set().union(*map(names, node.values()), set())
    return set().union(*map(names, node), set()) if isinstance(node, list) else set()


def test_no_embedded_name_survives_in_the_alice_study():
    config = resolved(ROOT / "config/studies/alice.yaml")
    for key in ("dataset", "models", "tasks"):
        left = names(DEFAULT[key]) & names(config[key]) - {"voxels"}
        assert not left, f"{key}: {left} come from the embedded study"
    assert "embedded" not in str(config["dataset"])


def broken(change):
    config = copy.deepcopy(DEFAULT)
    change(config)
    return config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(modles=[]), "unknown key 'modles'; known here: .*models"),
        (lambda c: c["encoding"].update(delay=2), "encoding: unknown key 'delay'; known here: .*delays"),
        (lambda c: c.pop("seed"), "key 'seed' is missing"),
        (lambda c: c["dataset"].update(tr="2 s"), 'dataset/tr: "2 s" must be number'),
        (lambda c: c.update(models=[]), r"models: \[\] needs at least 1 entries"),
        (lambda c: c["models"][0].update(name="../up"), "models/0/name: .* must match"),
        (lambda c: c["activations"].update(dtype="float8"), "activations/dtype: .*must be one of"),
        (lambda c: c["models"].append(c["models"][0]), "models: name 'neox' is used more than once"),
        (lambda c: c["models"][0]["checkpoints"].reverse(), r"does not come after step \d+"),
        (lambda c: c["dataset"]["runs"][2].update(test=False), "'festival' is marked test: True here"),
        (lambda c: [run.update(test=False) for run in c["dataset"]["runs"]], "needs runs with test: true"),
        (lambda c: c["phases"]["headline"].update(roi="V1"), "phases/headline/roi: 'V1' is not a region"),
        (lambda c: c["dataset"]["responses"].update(source="surface"), "'surface' is not among the sources: voxels"),
    ],
)
def test_a_mistake_is_named_with_its_value_and_what_would_be_right(change, message):
    with pytest.raises(InputError, match=message):
        check_config(broken(change), SCHEMA)


def test_tokens_are_steps_times_tokens_per_step_unless_given():
    model = {"tokens_per_step": 2097152}
    assert tokens_seen(model, {"step": 1000}) == 2_097_152_000
    assert tokens_seen(model, {"step": 1000, "tokens": 5}) == 5


def keys_of(schema, path=()):
    for name, part in schema.get("properties", {}).items():
        yield (*path, name)
        yield from keys_of(part, (*path, name))
        yield from keys_of(part.get("items", {}), (*path, name))


def test_every_key_is_documented():
    text = (ROOT / "config/README.md").read_text()
    missing = [path for path in keys_of(json.loads(SCHEMA.read_text())) if not re.search(rf"\b{path[-1]}\b", text)]
    assert not missing, missing
