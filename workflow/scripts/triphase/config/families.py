"""The registry of checkpoint families, and the models of a study resolved to repositories, revisions and layers.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from triphase.config.initialisations import INITIALISATIONS
from triphase.config.selection import select, tokens_said
from triphase.config.series import OF_A_CHECKPOINT, Run, checkpoints_of, fields_of
from triphase.config.validation import read_checked, require_known
from triphase.core.errors import InputError
from triphase.core.formats import DTYPE_BYTES, has_tokenizer, tokenizer_files
from triphase.core.types import Entries, Section


def load_families(path: str | Path) -> dict[str, Section]:
    """Read and check a registry of checkpoint families.

    Parameters
    ----------
    path : path of a YAML file with `families`

    Returns
    -------
    dict of family name to entry

    Raises
    ------
    InputError : the file, the entry, the key and its value
    """
    from triphase.config.schema.registries import Families

    content = read_checked(path, Families)
    families = {family["name"]: family for family in content["families"]}
    for family in families.values():
        if scheme := (family["initialisation"] or {}).get("weights"):
            INITIALISATIONS.find(scheme, f"{path}/families/{family['name']}/initialisation/weights")
        for size in family["sizes"]:
            where = f"{path}/families/{family['name']}/{size['name']}"
            # Runs of one size differ in their names alone, but for groups that some seeds have.
            groups = size.get("revisions") or family["revisions"]
            special = [group["seeds"][0] for group in groups if group.get("seeds")]
            for seed in dict.fromkeys([*seeds_of(family, size)[:1], *special]) or [None]:
                checkpoints_of(_run(family, size, seed, (family.get("variants") or [None])[0]), where)
    return families


def resolve_models(models: Entries, families: dict[str, Section], *, trusted: Collection[str] = ()) -> Entries:
    """The models of a study with everything that later stages need of each checkpoint.

    Parameters
    ----------
    models : list of dict, `models` of the study's config
    families : what `load_families` returns
    trusted : repositories whose own code may run

    Returns
    -------
    list of dict
        Each with name, repository, layers (numbers), tokens_per_step, trust_remote_code, and checkpoints (name,
        revision, step, tokens; repository, where not the model's; commit, where pinned; asked_tokens, where a grid of
        tokens chose it; folder, where it lies in a folder of the user); family, size, seed, schedule, initialisation,
        floor_tokens, dtype and bytes (an
        estimate, per checkpoint) where the model names a family; series (the request and what it was chosen from)
        where a log-spaced number was asked for; cache_dir, local_folder and train as given.

    Raises
    ------
    InputError : the model, the key, its value and what there is
    """
    resolved = [_resolve(dict(model), families, trusted) for model in models]
    known = {repository for model in resolved for repository in _repositories(model)}
    require_known("trust_remote_code", trusted, known, "is no repository of the study's models; those are")
    return resolved


def _resolve(model: Section, families: dict[str, Section], trusted: Collection[str]) -> Section:
    where = f"models/{model['name']}"
    facts = _facts(model, families, where) if model.get("family") else None
    if facts:
        given = {key: value for key, value in model.items() if value is not None}
        model = {**facts["entry"], **given}
    if model.get("local_folder") and model.get("repository") is None:
        model["repository"] = f"local/{model['name']}"  # results name a repository everywhere
    listed = isinstance(model["checkpoints"], list) and all("tokens" in entry for entry in model["checkpoints"])
    for key in ("repository", "tokens_per_step"):
        if model.get(key) is None and (key == "repository" or not (listed or (facts and facts["available"]))):
            raise InputError(f"{where}: key {key!r} is missing; give it, or a family of the registry that has it")
    available = _available(model, facts, where)
    request = model["checkpoints"]
    model["checkpoints"] = _checkpoints(model, available, facts, where)
    if isinstance(request, dict) and "log_spaced" in request and not model.get("local_folder"):
        # Which of them the hub has is seen when the study is locked.
        model["series"] = {"log_spaced": request["log_spaced"], "available": available}
    model["layers"] = _layers(model, facts, where)
    model["trust_remote_code"] = _repositories(model) <= set(trusted)
    return model


def _repositories(model: Section) -> set[str]:
    return {entry.get("repository", model["repository"]) for entry in model["checkpoints"]}


def _facts(model: Section, families: dict[str, Section], where: str) -> Section:
    """What the registry knows of a family and size: `entry` (keys that it fills), `available`, `depth`, `family`."""
    require_known(f"{where}/family", [model["family"]], list(families), "is not in the registry; there are")
    family = families[model["family"]]
    sizes = _sizes(family)
    chosen = model.get("size") or (next(iter(sizes)) if len(sizes) == 1 else None)
    if chosen is None:
        raise InputError(f"{where}: key 'size' is missing; family {family['name']!r} has {', '.join(sizes)}")
    require_known(f"{where}/size", [chosen], list(sizes), f"is not a size of {family['name']!r}; there are")
    size, variant = sizes[chosen]
    seeds, seed = seeds_of(family, size), model.get("seed")
    if seeds and seed not in seeds:
        raise InputError(f"{where}/seed: {seed!r} is not a seed of {family['name']!r}; there are {seeds}")
    if not seeds and seed is not None:
        raise InputError(f"{where}/seed: family {family['name']!r} has one run; leave the seed out")
    run = _run(family, size, seed, variant)
    if model.get("tokens_per_step"):
        run = replace(run, tokens_per_step=model["tokens_per_step"])
    available = checkpoints_of(run, where)
    fields = fields_of(run.repository).intersection(OF_A_CHECKPOINT)
    # One repository for each checkpoint: the last one's stands for the model.
    repository = available[-1]["repository"] if fields else run.repository.format(**run.fields)
    for entry in available:
        if entry["repository"] == repository:
            del entry["repository"]
    entry = {
        "repository": repository,
        "tokens_per_step": run.tokens_per_step,
        "size": chosen,
        "dtype": size["dtype"],
        "bytes": size.get("bytes", size["parameters"] * DTYPE_BYTES[size["dtype"]]),
        "schedule": size["schedule"],
        "initialisation": family["initialisation"],
        "floor_tokens": family.get("floor_tokens", 0),
    }
    return {"entry": entry, "available": available, "depth": size["layers"], "family": family["name"]}


def seeds_of(family: Section, size: Section) -> list[int | str]:
    """Seeds of a family's runs of a size; none where there is one run."""
    seeds: list[int | str] = size.get("seeds") or family.get("seeds") or []
    return seeds


def _sizes(family: Section) -> dict[str, tuple[Section, str | None]]:
    """Sizes of a family and its variants, by the name that a study gives."""
    variants: list[str | None] = list(family.get("variants") or [])
    if "variant" not in fields_of(family["repository"]):
        variants = [None, *variants]
    return {
        f"{size['name']}-{variant}" if variant else size["name"]: (size, variant)
        for size in family["sizes"]
        for variant in variants
    }


def _run(family: Section, size: Section, seed: int | str | None, variant: str | None) -> Run:
    named = {"variant": variant, "size": size["name"]}
    if "variant" not in fields_of(family["repository"]):
        named = {"size": f"{size['name']}-{variant}" if variant else size["name"]}
    return Run(
        repository=family["repository"],
        groups=size.get("revisions") or family["revisions"],
        tokens_per_step=size.get("tokens_per_step", family["tokens_per_step"]),
        fields=named if seed is None else {**named, "seed": seed},
    )


def _available(model: Section, facts: Section | None, where: str) -> Entries:
    """Checkpoints of a family's repository or of a local folder, in the order of training."""
    if model.get("local_folder"):
        return local_checkpoints(model["local_folder"], model["tokens_per_step"], where)
    available: Entries = facts["available"] if facts else []
    return available


def local_checkpoints(template: str, tokens_per_step: int, where: str) -> Entries:
    """Checkpoints in folders of the user.

    Parameters
    ----------
    template : str
        Path of a checkpoint's folder with {step} in place of its number, which may have leading zeros.

    Returns
    -------
    list of dict with name, revision (the folder's name), folder, step and tokens, in order
    """
    parts = Path(template).parts
    levels = [level for level, part in enumerate(parts) if "{step}" in part]
    if len(levels) != 1 or parts[levels[0]].count("{step}") != 1:
        raise InputError(f"{where}/local_folder: {template!r} must hold {{step}} once, where the number stands")
    parent, below = Path(*parts[: levels[0]]), parts[levels[0] + 1 :]
    before, after = (re.escape(text) for text in parts[levels[0]].split("{step}"))
    if not parent.is_dir():
        raise InputError(f"{where}/local_folder: there is no folder {parent}; name one that is there")
    found: dict[int, Section] = {}
    for path in sorted(parent.iterdir()):
        match = re.fullmatch(f"{before}(\\d+){after}", path.name)
        folder = path.joinpath(*below)
        if match and folder.is_dir():
            step = int(match[1])
            if step in found:
                raise InputError(f"{where}/local_folder: {found[step]['folder']} and {folder} are both step {step}")
            names = {"name": f"step{step}", "revision": path.name, "folder": str(folder)}
            found[step] = {**names, "step": step, "tokens": step * tokens_per_step}
    if not found:
        raise InputError(f"{where}/local_folder: no folder is like {template}; put the number where {{step}} stands")
    return [found[step] for step in sorted(found)]


def _checkpoints(model: Section, available: Entries, facts: Section | None, where: str) -> Entries:
    request, where = model["checkpoints"], f"{where}/checkpoints"
    if isinstance(request, list):
        entries = [_listed(dict(entry), model, available, where) for entry in request]
    else:
        if not available:
            reason = f"family {facts['family']!r} has no public series" if facts else "the model names no family"
            raise InputError(f"{where}: {reason}; list the checkpoints, or give local_folder")
        entries = select(request, available, where)
    for entry in entries:
        if "folder" in entry:
            _check_folder(Path(entry["folder"]), f"{where}/{entry['name']}")
    return entries


def _listed(entry: Section, model: Section, available: Entries, where: str) -> Section:
    """A checkpoint of an explicit list, completed from the series where it gives no revision."""
    known = {other["step"]: other for other in available}
    match = known.get(entry["step"], {})
    if model.get("local_folder") and not match:
        near = ", ".join(str(step) for step in sorted(known, key=lambda step: abs(step - entry["step"]))[:3])
        raise InputError(f"{where}/{entry['name']}: {model['local_folder']} has no step {entry['step']}; it has {near}")
    if "revision" not in entry and not match:
        source = "not in the family" if available else "not known without a family"
        raise InputError(
            f"{where}/{entry['name']}: key 'revision' is missing, and step {entry['step']} is {source}; give it"
        )
    entry = {**{key: match[key] for key in ("repository", "revision", "folder") if key in match}, **entry}
    if "tokens" not in entry:
        # The family's stages may have batches of their own.
        entry["tokens"] = match["tokens"] if match else entry["step"] * model["tokens_per_step"]
        if not model.get("train"):  # whose revisions have a rule of their own
            _check_said(entry, where)
    return entry


def _check_said(entry: Section, where: str) -> None:
    """InputError where a name of the user's says another step, or other tokens than are computed, beyond rounding."""
    name = entry.get("revision") or ""
    step, said = re.search(r"step[-_]?0*(\d+)", name), tokens_said(name)
    if step and int(step[1]) != entry["step"] and re.fullmatch(r"(stage1-)?step[-_]?\d+(-tokens.*)?", name):
        raise InputError(
            f"{where}/{entry['name']}: the revision {name!r} says step {int(step[1])}, and `step` {entry['step']}; "
            "correct one of them, or, where the steps of a repository restart, give the checkpoint's `tokens`"
        )
    if step and said and int(step[1]) == entry["step"] and abs(said[0] - entry["tokens"]) > said[1]:
        raise InputError(
            f"{where}/{entry['name']}: the revision {name!r} says {said[0] / 1e9:.12g} billion tokens, and "
            f"tokens_per_step makes {entry['tokens'] / 1e9:.4g} of its step; correct it, or give the checkpoint's "
            "`tokens`"
        )


def _check_folder(folder: Path, where: str) -> None:
    if not (folder / "config.json").is_file():
        raise InputError(f"{where}: {folder} has no config.json; it must be a checkpoint in Hugging Face format")
    if not has_tokenizer(path.name for path in folder.iterdir() if path.is_file()):
        raise InputError(f"{where}: {folder} has no tokenizer ({tokenizer_files()})")


def _layers(model: Section, facts: Section | None, where: str) -> list[int]:
    asked, depth = model["layers"], (model.get("train") or {}).get("layers") or (facts or {}).get("depth")
    layers: list[int] = [] if isinstance(asked, dict) else asked
    if isinstance(asked, dict):
        if depth is None:
            raise InputError(f"{where}/layers: relative layers need a family; list numbers instead")
        layers = [round(share * depth) for share in asked["relative"]]
        if len(set(layers)) < len(layers):
            raise InputError(
                f"{where}/layers/relative: {asked['relative']} are layers {layers} of {depth}; they must differ"
            )
    if depth is not None and facts and max(layers) > depth:
        name = model["repository"]
        raise InputError(f"{where}/layers: {max(layers)} is beyond the {depth} layers of {name}; give 0 to {depth}")
    return layers
