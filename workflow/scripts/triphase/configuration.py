"""Checks of a study's config that need nothing but the config, so that a mistake is found before any job starts."""

import json
import math
from itertools import pairwise
from pathlib import Path

from triphase import config_checks
from triphase.errors import InputError


def check_config(config, schema_path):
    """Check a study's config against the schema, then what a schema can't say.

    Raises
    ------
    InputError
        Names the key, its value and what would be right.
    """
    import jsonschema

    schema = json.loads(Path(schema_path).read_text(encoding="utf-8"))
    draft = jsonschema.Draft202012Validator
    # 10.0 is no integer for range(), and no limit refuses NaN.
    strict = draft.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number})
    validator = jsonschema.validators.extend(draft, type_checker=strict)(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(part) for part in error.path])
    if errors:
        raise InputError("; ".join(_describe(error) for error in errors[:5]))
    _unique_names(config)
    config_checks.check_sources(config)
    config_checks.check_headline(config)
    _increasing_steps(config)
    _same_side(config)
    config_checks.check_context(config)
    config_checks.check_trained_models(config)
    config_checks.check_encoding(config)
    config_checks.check_labels(config)
    config_checks.check_paths(config)


def in_order(node):
    """A config with the keys of every mapping sorted: their order has no meaning, and Snakemake would rerun for it."""
    if isinstance(node, dict):
        return {key: in_order(node[key]) for key in sorted(node)}
    return [in_order(item) for item in node] if isinstance(node, list) else node


def tokens_seen(model, checkpoint):
    """Tokens that a checkpoint has been trained on: its own `tokens`, else step x tokens per step."""
    return checkpoint.get("tokens", checkpoint["step"] * model["tokens_per_step"])


def _is_integer(_, value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_, value):
    return _is_integer(_, value) or isinstance(value, float) and math.isfinite(value)


def _describe(error):
    """One line: where, what it is, what it should be."""
    where = "/".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema["properties"])
        unknown = sorted(set(error.instance) - set(known))
        return f"{where or 'top level'}: unknown key {', '.join(map(repr, unknown))}; known here: {', '.join(known)}"
    if error.validator == "required":
        missing = [key for key in error.schema["required"] if key not in error.instance]
        return f"{where or 'top level'}: key {', '.join(map(repr, missing))} is missing"
    value = json.dumps(error.instance, ensure_ascii=False, default=str)
    value = value if len(value) < 80 else value[:77] + "…"
    rules = {
        "type": f"must be {_either(error.schema.get('type'))}",
        "enum": f"must be one of {error.schema.get('enum')}",
        "minItems": f"needs at least {error.schema.get('minItems')} entries",
        "maxItems": f"takes at most {error.schema.get('maxItems')} entries",
        "minLength": "must not be empty",
        "uniqueItems": "must not repeat an entry",
        "minimum": f"must be at least {error.schema.get('minimum')}",
        "maximum": f"must be at most {error.schema.get('maximum')}",
        "exclusiveMinimum": f"must be above {error.schema.get('exclusiveMinimum')}",
        "exclusiveMaximum": f"must be below {error.schema.get('exclusiveMaximum')}",
        "pattern": f"must match {error.schema.get('pattern')}; {error.schema.get('description', 'see config/README')}",
    }
    return f"{where}: {value} {rules.get(error.validator, error.message)}"


def _either(kinds):
    return " or ".join([kinds] if isinstance(kinds, str) else kinds or [])


def _lists_of_named(node, where=""):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _lists_of_named(value, f"{where}/{key}" if where else key)
    elif isinstance(node, list) and node and all(isinstance(item, dict) and "name" in item for item in node):
        yield where, [item["name"] for item in node]
        for item in node:
            yield from _lists_of_named(item, f"{where}/{item['name']}")


def _unique_names(config):
    for where, names in _lists_of_named(config):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{where}: name {', '.join(map(repr, twice))} is used more than once; names must differ")


def _increasing_steps(config):
    for model in config["models"]:
        entries = [(entry["name"], entry["step"], tokens_seen(model, entry)) for entry in model["checkpoints"]]
        for (_, step, tokens), (name, next_step, next_tokens) in pairwise(entries):
            if next_step <= step or next_tokens <= tokens:
                raise InputError(
                    f"models/{model['name']}/checkpoints/{name}: step {next_step} ({next_tokens} tokens) does not come "
                    f"after step {step} ({tokens} tokens); list checkpoints in the order of training"
                )


def _same_side(config):
    sides, fixed = {}, config["encoding"]["split"]["kind"] == "fixed"
    for run in config["dataset"]["runs"]:
        if sides.setdefault(run["stimulus"], run["test"]) != run["test"]:
            raise InputError(
                f"dataset/runs/{run['name']}: stimulus {run['stimulus']!r} is marked test: {run['test']} here and "
                f"test: {sides[run['stimulus']]} in another run; every run of a stimulus stands on the same side"
            )
    if fixed and set(sides.values()) != {True, False}:
        raise InputError(
            "dataset/runs: split kind 'fixed' needs runs with test: true and runs with test: false; "
            "with one stimulus use encoding/split/kind: outer_cv"
        )
