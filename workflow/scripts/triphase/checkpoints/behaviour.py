"""What a loaded model must be, found by looking at it and by running it once, not by names in its config."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from triphase.core.errors import InputError

# Largest change of states, as a share of their size, that is rounding, by type of the weights: models that read from
# left to right show 0, BERT before its training 3e-3 in float32 and 5e-3 in bfloat16.
ROUNDING, ROUNDING_OF_HALF = {"float32": 1e-5, "float64": 1e-10}, 3e-3
TOKENS = 16
NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
# Masks and frequencies that older releases stored as if they were weights.
BUFFER = re.compile(r"(attn|attention)\.(bias|masked_bias)$|inv_freq$|position_ids$|attn_mask$")


def text_config(model: Any) -> Any:
    """The config of a model's text part: a model of several kinds of input has one below its own."""
    own = getattr(model.config, "get_text_config", None)
    return own() if own else model.config


def headless(model: Any) -> Any:
    """The part of a model below its vocabulary head, which ends in the last hidden states; a model without one itself.

    Where an architecture's own name of that part leads nowhere it is the only model within the model.
    """
    from transformers import PreTrainedModel

    base = model.base_model
    inner = [child for child in model.children() if isinstance(child, PreTrainedModel)]
    return inner[0] if base is model and len(inner) == 1 else base


def input_device(model: Any) -> Any:
    """The torch.device that inputs go to: the embedding's, or where that is offloaded the first one that computes."""
    import torch

    device = model.get_input_embeddings().weight.device
    if device.type != "meta":
        return device
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def check_ids(ids: np.ndarray, model: Any, name: str) -> None:
    """InputError where token ids (int array) are beyond a model's embedding: its tokenizer is another model's."""
    rows = len(model.get_input_embeddings().weight)
    if ids.size and ids.max() >= rows:
        raise InputError(
            f"models: {name}: its tokenizer gives the id {ids.max()}, its embedding has {rows} rows (ids 0 to "
            f"{rows - 1}); the tokenizer is another model's"
        )


def check_layers(model: Any, unexpected: Iterable[str]) -> None:
    """InputError where weights hold what the model leaves out: it would be another one, and nobody would know.

    That is more layers than the config counts, and tensors within layers or beside the model's own, such as biases or
    norms that the config does not speak of. Other heads, parts for other kinds of input and what older releases stored
    beside the weights (masks, frequencies) are none of the model's.

    Parameters
    ----------
    model : transformers model
    unexpected : names of tensors that the files have and the model has not
    """
    own = set(model.state_dict())
    kinds = {NUMBER.sub("*", name) for name in own}
    stacks = {kind.partition("*")[0] for kind in kinds if "*" in kind}
    modules = {name.rpartition(".")[0] for name in own}
    left = sorted(name for name in unexpected if not BUFFER.search(name))
    if more := [name for name in left if NUMBER.search(name) and NUMBER.sub("*", name) in kinds]:
        raise InputError(
            f"the weights have {len(more)} tensors of layers that config.json does not count, {more[0]} first; the "
            "config is another model's: correct its number of layers"
        )
    # Directly in the model below the head, as embeddings of places are.
    direct = re.compile(re.escape(model.base_model_prefix) + r"\.\w+\.(weight|bias)")
    inside = [
        name
        for name in left
        if name.startswith(tuple(stacks)) or name.rpartition(".")[0] in modules or direct.fullmatch(name)
    ]
    if inside:
        raise InputError(
            f"the weights have {len(inside)} tensors that the model as config.json describes it has no place for, "
            f"{inside[0]} first; the config is another model's: correct it"
        )


def check_causal(model: Any) -> None:
    """InputError where a state changes with what comes after it, as in BERT and RoBERTa.

    Surprisal of such a model is none, its words know what follows, and padding would change them.
    """
    import torch

    half = TOKENS // 2
    ids = torch.arange(1, TOKENS + 1).repeat(2, 1)
    ids[1, half:] += half
    ids %= len(model.get_input_embeddings().weight)
    with torch.inference_mode():
        states = headless(model)(input_ids=ids.to(input_device(model)), use_cache=False)[0].float()
    change = (states[0, :half] - states[1, :half]).square().mean().sqrt() / states.square().mean().sqrt()
    name = str(model.dtype).removeprefix("torch.")
    if change > ROUNDING.get(name, ROUNDING_OF_HALF):
        raise InputError(
            f"{type(model).__name__} is not causal: its states change by {float(change):.2g} of their size with the "
            "tokens that come after them; only models that read from left to right can be studied"
        )
