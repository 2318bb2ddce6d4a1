"""What the small files of a checkpoint say of its model, checked before its weights are fetched or read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from triphase.core.errors import InputError
from triphase.core.types import Section

# How configs name depth, width and vocabulary, besides what transformers itself knows of an architecture.
DEPTH = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
WIDTH = ("hidden_size", "n_embd", "d_model")
VOCABULARY = ("vocab_size", "n_vocab")
# No model is near these; numbers beyond them are mistakes, and would take minutes and all memory to find out.
MOST_LAYERS, MOST_WIDTH = 10_000, 1_000_000


@dataclass(frozen=True)
class Dimensions:
    """Layers without the embedding, numbers of a hidden state, and ids of the embedding (None: not said)."""

    layers: int
    width: int
    vocabulary: int | None


def read_json_object(path: Path) -> Section:
    """Content of a JSON file that holds an object; InputError where it holds anything else."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{path} is not JSON ({reason}); delete it to have it fetched again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a JSON {type(content).__name__}, an object is needed; it is another file")
    return content


def dimensions(config: Mapping[str, Any]) -> Dimensions:
    """Depth and width of the text model that a config describes.

    Where a config does not have the common names, transformers' own class of the architecture knows them; of a model
    of several kinds of input it is the text model's.

    Raises
    ------
    InputError
        The config names no depth or width, or such as no model has.
    """
    text = config.get("text_config")
    inner: Mapping[str, Any] = text if isinstance(text, dict) else {}
    for name in DEPTH:
        for value in (config.get(name), inner.get(name)):
            if value is not None:
                _check(name, value, MOST_LAYERS)
    found = {kind: config.get(names[0]) for kind, names in (("layers", DEPTH), ("width", WIDTH))}
    vocabulary: Any = config.get(VOCABULARY[0])
    if inner or None in found.values():
        found, vocabulary = _by_class(config, inner)
    layers, width = _check("depth", found["layers"], MOST_LAYERS), _check("width", found["width"], MOST_WIDTH)
    projected = config.get("word_embed_proj_dim")
    if projected not in (None, width):
        raise InputError(
            f"config.json: the embedding has {projected} numbers (word_embed_proj_dim), the layers have {width}: "
            "hidden states of several sizes are not supported; take another size of this family"
        )
    return Dimensions(layers, width, vocabulary if type(vocabulary) is int and vocabulary > 0 else None)


def _by_class(config, inner):
    """Depth, width and vocabulary as transformers has them, or by the names that configs of others use."""
    # By its name: who plans a study needs this module, and no transformers.
    classes = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    kind = config.get("model_type")
    if kind in classes:
        try:
            own = classes[kind].from_dict(dict(config)).get_text_config()
        except Exception as error:  # each class checks in its own way
            reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
            raise InputError(f"config.json is not one of a {kind!r} model ({reason})") from None
        found = {"layers": getattr(own, DEPTH[0], None), "width": getattr(own, WIDTH[0], None)}
        return found, getattr(own, VOCABULARY[0], None)
    said = {**config, **inner}

    def first(names):
        return next((said[name] for name in names if name in said), None)

    return {"layers": first(DEPTH), "width": first(WIDTH)}, first(VOCABULARY)


def _check(name, value, most):
    if type(value) is not int or not 1 <= value <= most:
        said = "does not say it" if value is None else f"says {str(value)[:40]!r}"
        raise InputError(f"config.json: the {name} of the model is needed, 1 to {most:,}; the file {said}")
    return value


def check_vocabulary(tokenizer: Path, vocabulary: int | None) -> None:
    """InputError where a tokenizer.json is none, or has ids that the embedding of a config lacks.

    Added tokens may lie beyond, where the model never saw them: they are refused when a text has one.
    """
    if not tokenizer.is_file():
        return
    model = read_json_object(tokenizer).get("model") or {}
    entries = model.get("vocab") if isinstance(model, dict) else None
    ids = entries.values() if isinstance(entries, dict) else range(len(entries)) if isinstance(entries, list) else ()
    largest = max((value for value in ids if type(value) is int), default=-1)
    if vocabulary is not None and largest >= vocabulary:
        raise InputError(
            f"{tokenizer}: it has ids up to {largest}, the model's vocabulary has {vocabulary} (config.json): it is "
            "another model's tokenizer; put the model's own there"
        )
