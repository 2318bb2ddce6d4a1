"""A study's config: checked against its schema and rules, with the data set and the models that it names put in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triphase.config import rules
from triphase.config.datasets import load_registry, resolve_dataset
from triphase.config.families import load_families, resolve_models
from triphase.config.groups import with_members
from triphase.config.lockfile import lock_path
from triphase.config.modality import settle_rows
from triphase.config.places import Collected, Sources, refuse
from triphase.config.validation import problems_of
from triphase.core.redaction import check_no_password


def resolve_config(config: Mapping[str, Any], project: str | Path, sources: Sources | None = None) -> dict[str, Any]:
    """Check a study's config, fill in the defaults, and replace `dataset` and `models` by what they stand for.

    Everything is found before any job starts.

    Parameters
    ----------
    config : as merged from the config files and the command line
    project : path of the folder that holds workflow/; a relative `dataset/registry` is looked for in the working
        directory first and there next
    sources : where the config comes from, for messages

    Returns
    -------
    dict : the config with `dataset` as `datasets.resolve_dataset` describes it and `models` as
        `families.resolve_models` does, not yet pinned; `lock` is the path of the study's lock

    Raises
    ------
    InputError : every mistake, each with its key, its value, what would be right, and the line of the file that has it
    """
    from triphase.config.schema import Study

    sources, given = sources or Sources(), config
    check_no_password(config)
    refuse([*problems_of(config, Study), *sources.surprises()], sources)
    config = as_given(Study.model_validate(config).model_dump(mode="json", by_alias=True), config)
    path, collected = Path(config["dataset"]["registry"]), Collected(sources)
    families = load_families(Path(project) / "resources/registry/models.yaml")
    registry = collected.value(load_registry, path if path.is_file() else Path(project) / path)
    models = collected.value(resolve_models, config["models"], families, trusted=config["trust_remote_code"])
    if registry:
        options = {"study": config["study"], "local_data": config["local_data"]}
        dataset = collected.value(resolve_dataset, config["dataset"], registry, **options)
    collected.refuse()
    check_no_password(dataset, f"{path}: dataset")
    # The one measure that a headline can have, for those who read it in results.
    config["phases"]["headline"]["measure"] = "alignment"
    lock, floor = str(lock_path(config["lock"], config["study"], project)), config["phases"]["floor_tokens"]
    models = [model | {"floor_tokens": model.get("floor_tokens", 0) if floor is None else floor} for model in models]
    config = {**config, "dataset": dataset, "models": models, "lock": lock}
    config = collected.value(with_members, config) or config
    config["encoding"] = collected.value(settle_rows, config, given) or config["encoding"]
    for rule in rules.RULES:
        collected.value(rule, config)
    collected.value(rules.check_concepts, config, registry)
    collected.refuse()
    return config


def as_given(filled: Any, given: Any) -> Any:
    """A config with its defaults, in which 8 stays 8 where a number may have a fraction."""
    if isinstance(filled, dict) and isinstance(given, Mapping):
        return {key: as_given(value, given.get(key)) for key, value in filled.items()}
    if isinstance(filled, list) and isinstance(given, list | tuple) and len(filled) == len(given):
        return [as_given(*pair) for pair in zip(filled, given, strict=True)]
    return given if isinstance(filled, float) and isinstance(given, int) else filled


def in_order(node: Any) -> Any:
    """A config with the keys of every mapping sorted: their order has no meaning, and Snakemake would rerun for it."""
    if isinstance(node, dict):
        return {key: in_order(node[key]) for key in sorted(node)}
    return [in_order(item) for item in node] if isinstance(node, list) else node
