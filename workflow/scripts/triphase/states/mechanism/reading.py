"""A model reads fixed inputs: what every token costs it, which it would have written itself, and its attention."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from triphase.activations.surprisal import surprisal_of_logits
from triphase.checkpoints.behaviour import input_device, text_config
from triphase.states.mechanism.attention import attending

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Numbers of a batch's logits, and of a layer's attention weights: 0.25 GB each in float32.
NUMBERS = 2**26


def read(
    model: "PreTrainedModel",
    ids: np.ndarray,
    scores: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] | None = None,
) -> tuple[np.ndarray, np.ndarray, dict[str, dict[int, np.ndarray]]]:
    """Run inputs of one length through a model.

    Parameters
    ----------
    model : causal language model of transformers
    ids : int64 array (n, positions)
    scores : dict of name to function of attention weights, as in `triphase.states.mechanism.attention`, optional

    Returns
    -------
    bits : float32 array (n, positions - 1)
        Surprisal of every token but the first.
    likeliest : bool array (n, positions - 1)
        Whether each of them is the one that the model thinks likeliest: what greedy generation would write.
    attention : dict of name to dict of layer to float32 array (n, heads)
        Without the layers whose weights cannot be had.
    """
    bits, likeliest = [], []
    taken: dict[str, dict[int, list[np.ndarray]]] = {}

    def take(layer: int, weights: torch.Tensor) -> None:
        for name, score in (scores or {}).items():
            taken.setdefault(name, {}).setdefault(layer, []).append(score(weights).cpu().numpy())

    with torch.inference_mode(), attending(model, take) if scores else nullcontext():
        for batch in _batches(model, ids):
            logits, targets = model(input_ids=batch, use_cache=False).logits[:, :-1], batch[:, 1:]
            targets = targets.to(logits.device)
            likeliest.append((logits.argmax(-1) == targets).cpu().numpy())
            bits.append(surprisal_of_logits(logits, targets).cpu().numpy())
    none = np.empty((0, ids.shape[1] - 1))
    attention = {name: {at: np.concatenate(rows) for at, rows in own.items()} for name, own in taken.items()}
    return np.concatenate([none.astype(np.float32), *bits]), np.concatenate([none.astype(bool), *likeliest]), attention


def _batches(model, ids):
    """Inputs in batches within `NUMBERS`, where the model takes them."""
    config, positions = text_config(model), ids.shape[1]
    # What does not attend has no heads.
    heads = getattr(config, "num_attention_heads", 1)
    size = max(1, NUMBERS // (positions * max(config.vocab_size, heads * positions)))
    device = input_device(model)
    for start in range(0, len(ids), size):
        yield torch.from_numpy(ids[start : start + size]).to(device)
