"""A study's config: checked against the schema and its own rules, with the data set that it names put in."""

from itertools import pairwise
from pathlib import Path

from triphase.config import rules as config_checks
from triphase.config.datasets import load_registry, resolve_dataset
from triphase.config.families import load_families, resolve_models
from triphase.config.lockfile import lock_path
from triphase.config.validation import check_schema, check_unique_names
from triphase.core.errors import InputError
from triphase.core.redaction import check_no_password


def resolve_config(config, project):
    """Check a study's config and replace `dataset` and `models` by what they stand for.

    Everything is found before any job starts.

    Parameters
    ----------
    config : dict, as merged from the config files
    project : path of the folder that holds workflow/; a relative `dataset/registry` is looked for in the working
        directory first and there next

    Returns
    -------
    dict : the config with `dataset` as `registry.resolve_dataset` describes it and `models` as
        `models.resolve_models` does, not yet pinned; `lock` is the path of the study's lock

    Raises
    ------
    InputError : the key, its value and what would be right
    """
    schemas = Path(project) / "workflow" / "schemas"
    check_no_password(config)
    check_schema(config, schemas / "config.schema.json")
    check_unique_names(config)
    path, schema = Path(config["dataset"]["registry"]), schemas / "datasets.schema.json"
    registry = load_registry(path if path.is_file() else Path(project) / path, schema)
    dataset = resolve_dataset(
        config["dataset"], registry, schema, study=config["study"], local_data=config["local_data"]
    )
    check_no_password(dataset, f"{path}: dataset")
    families = load_families(Path(project) / "resources/registry/models.yaml", schemas / "models.schema.json")
    models = resolve_models(config["models"], families, trusted=config["trust_remote_code"])
    lock = str(lock_path(config["lock"], config["study"], project))
    config = {**config, "dataset": dataset, "models": models, "lock": lock}
    config_checks.check_headline(config)
    _increasing_steps(config)
    _same_side(config)
    config_checks.check_context(config)
    config_checks.check_trained_models(config)
    config_checks.check_mechanism(config)
    config_checks.check_encoding(config)
    config_checks.check_labels(config)
    config_checks.check_concepts(config, registry)
    return config


def in_order(node):
    """A config with the keys of every mapping sorted: their order has no meaning, and Snakemake would rerun for it."""
    if isinstance(node, dict):
        return {key: in_order(node[key]) for key in sorted(node)}
    return [in_order(item) for item in node] if isinstance(node, list) else node


def tokens_seen(model, checkpoint):
    """Tokens that a checkpoint has been trained on: its own `tokens`, else step x tokens per step."""
    return checkpoint.get("tokens", checkpoint["step"] * model["tokens_per_step"])


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
            "dataset/test_runs: split kind 'fixed' needs test runs and others among the study's runs; "
            "with one stimulus use encoding/split/kind: outer_cv"
        )
