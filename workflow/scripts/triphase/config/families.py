"""The registry of checkpoint families, and the models of a study resolved to repositories, revisions and layers.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import re
from collections.abc import Collection
from pathlib import Path

from triphase.config.initialisations import INITIALISATIONS
from triphase.config.selection import expand_steps, revision_name, select
from triphase.config.validation import read_checked, require_known
from triphase.core.errors import InputError
from triphase.core.formats import DTYPE_BYTES, TOKENIZERS
from triphase.core.types import Entries, Section

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
            steps = [step for group in _revisions(family, size) for step in expand_steps(group["steps"])]
            if sorted(set(steps)) != steps:
                raise InputError(f"{where}: steps of revisions must differ and come in the order of training")
            if steps and size.get("tokens_per_step", family["tokens_per_step"]) is None:
                raise InputError(f"{where}: revisions need tokens_per_step")
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
        revision, step, tokens; commit, where pinned; asked_tokens, where a grid of tokens chose it; folder, where it
        lies in a folder of the user); family, size, seed, schedule, initialisation, floor_tokens, dtype and bytes (an
        estimate, per checkpoint) where the model names a family; cache_dir, local_folder and train as given.

    Raises
    ------
    InputError : the model, the key, its value and what there is
    """
    resolved = [_resolve(dict(model), families, trusted) for model in models]
    known = {model["repository"] for model in resolved}
    require_known("trust_remote_code", trusted, known, "is no repository of the study's models; those are")
    return resolved


def _resolve(model: Section, families: dict[str, Section], trusted: Collection[str]) -> Section:
    where = f"models/{model['name']}"
    facts = _facts(model, families, where) if model.get("family") else None
    if facts:
        given = {key: value for key, value in model.items() if value is not None}
        model = {**facts["entry"], **given}
    for key in ("repository", "tokens_per_step"):
        if model.get(key) is None:
            raise InputError(f"{where}: key {key!r} is missing; give it, or a family of the registry that has it")
    available = _available(model, facts, where)
    model["checkpoints"] = _checkpoints(model, available, facts, where)
    model["layers"] = _layers(model, facts, where)
    model["trust_remote_code"] = model["repository"] in trusted
    return model


def _facts(model: Section, families: dict[str, Section], where: str) -> Section:
    """What the registry knows of a family and size: `entry` (keys that it fills), `revisions`, `depth`, `family`."""
    require_known(f"{where}/family", [model["family"]], list(families), "is not in the registry; there are")
    family = families[model["family"]]
    variants = ["", *(f"-{variant}" for variant in family.get("variants", []))]
    sizes = {f"{size['name']}{variant}": size for size in family["sizes"] for variant in variants}
    chosen = model.get("size") or (family["sizes"][0]["name"] if len(family["sizes"]) == 1 else None)
    if chosen is None:
        raise InputError(f"{where}: key 'size' is missing; family {family['name']!r} has {', '.join(sizes)}")
    require_known(f"{where}/size", [chosen], list(sizes), f"is not a size of {family['name']!r}; there are")
    seeds, seed = family.get("seeds"), model.get("seed")
    if seeds and seed not in seeds:
        raise InputError(f"{where}/seed: {seed!r} is not a seed of {family['name']!r}; there are {seeds}")
    if not seeds and seed is not None:
        raise InputError(f"{where}/seed: family {family['name']!r} has one run; leave the seed out")
    size = sizes[chosen]
    entry = {
        "repository": family["repository"].format(size=chosen, seed=seed),
        "tokens_per_step": size.get("tokens_per_step", family["tokens_per_step"]),
        "size": chosen,
        "dtype": size["dtype"],
        "bytes": size.get("bytes", size["parameters"] * DTYPE_BYTES[size["dtype"]]),
        "schedule": size["schedule"],
        "initialisation": family["initialisation"],
        "floor_tokens": family.get("floor_tokens", 0),
    }
    return {"entry": entry, "revisions": _revisions(family, size), "depth": size["layers"], "family": family["name"]}


def _revisions(family: Section, size: Section) -> Entries:
    chosen: Entries = size.get("revisions") or family["revisions"]
    return chosen


def _available(model: Section, facts: Section | None, where: str) -> Entries:
    """Checkpoints of a family's repository or of a local folder, in the order of training."""
    if model.get("local_folder"):
        return local_checkpoints(model["local_folder"], model["tokens_per_step"], where)
    found = []
    for group in facts["revisions"] if facts else []:
        for step in expand_steps(group["steps"]):
            revision = revision_name(group["pattern"], step, model["tokens_per_step"], group.get("rounding", "up"))
            name = revision if "{index" in group["pattern"] else f"step{step}"
            tokens = step * model["tokens_per_step"]
            found.append({"name": name, "revision": revision, "step": step, "tokens": tokens})
    return found


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
        raise InputError(f"{where}/local_folder: there is no folder {parent}")
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
        raise InputError(f"{where}/local_folder: no folder is like {template}")
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
        raise InputError(f"{where}/{entry['name']}: key 'revision' is missing, and step {entry['step']} is {source}")
    entry = {**{key: match[key] for key in ("revision", "folder") if key in match}, **entry}
    return {**entry, "tokens": entry.get("tokens", entry["step"] * model["tokens_per_step"])}


def _check_folder(folder: Path, where: str) -> None:
    if not (folder / "config.json").is_file():
        raise InputError(f"{where}: {folder} has no config.json; it must be a checkpoint in Hugging Face format")
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise InputError(f"{where}: {folder} has no tokenizer ({' or '.join(TOKENIZERS)})")


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
        raise InputError(f"{where}/layers: {max(layers)} is beyond the {depth} layers of {model['repository']}")
    return layers
