"""Attention weights of a model, layer by layer while it runs, and what is measured of them.

Weights are (windows, heads, positions, positions): how much each position attends to which, rows summing to 1.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import torch

from triphase.activations.hooks import find_layers, hooked_parts

if TYPE_CHECKING:
    from transformers import PreTrainedModel


# How far the weights of a position may be from a sum of 1: those of 16 bits are rounded.
SUM = 0.02


@contextmanager
def attending(model: "PreTrainedModel", take: Callable[[int, torch.Tensor], None]) -> Iterator[None]:
    """Hook a model so that every layer gives its attention weights away, and none is kept.

    Parameters
    ----------
    model : transformers model
    take : function of a layer, from 1, and its weights in float32
        Not called for a layer whose weights cannot be had (one that does not attend, or code of a repository's own that
        gives none), or do not sum to 1 (part of the attention goes to a sink that is no position). The layer numbers
        are those of the hidden states that the layers end in.
    """

    def take_weights(layer, output):
        weights = [part for part in output if _is_attention(part)] if isinstance(output, tuple) else []
        if weights and _is_whole(weights[0]):
            take(layer, weights[0].float())

    before = getattr(model.config, "_attn_implementation", None)
    # Other implementations never have the weights; a model that does not attend has no implementations.
    with suppress(ValueError, AttributeError):
        model.set_attn_implementation("eager")
    try:
        with hooked_parts(find_layers(model), take_weights):
            yield
    finally:
        if before:
            with suppress(ValueError, AttributeError):
                model.set_attn_implementation(before)


def prefix_matching(weights: torch.Tensor) -> torch.Tensor:
    """How much heads attend from a token that comes again to the token behind its first occurrence.

    The prefix-matching score of Olsson et al. (2022): 1 for a perfect induction head, 1 / positions seen for one that
    attends to everything alike.

    Parameters
    ----------
    weights : tensor, of inputs from `repeated_tokens`

    Returns
    -------
    tensor (windows, heads), mean over the second occurrences
    """
    length = (weights.shape[-1] - 1) // 2
    # Offset of the diagonal: from a position to the one `length - 1` before it.
    return weights.diagonal(1 - length, dim1=-2, dim2=-1)[..., 2:].mean(-1)


def entropy(weights: torch.Tensor) -> torch.Tensor:
    """Entropy of attention over its largest value, the log of the positions seen: 0 for one position, 1 for all alike.

    Returns
    -------
    tensor (windows, heads), mean over positions but the first, which sees only itself
    """
    seen = torch.arange(2, weights.shape[-1] + 1, device=weights.device)
    return (torch.special.entr(weights[..., 1:, :]).sum(-1) / seen.log()).mean(-1)


def first_share(weights: torch.Tensor) -> torch.Tensor:
    """Share of attention that the first position gets, an attention sink in many models (Xiao et al. 2024).

    Returns
    -------
    tensor (windows, heads), mean over positions but the first
    """
    return weights[..., 1:, 0].mean(-1)


def _is_attention(part):
    return isinstance(part, torch.Tensor) and part.ndim == 4 and part.shape[-1] == part.shape[-2]


def _is_whole(weights):
    """Whether the weights of every position sum to 1, and none attends to what comes after it."""
    sums = weights.float().sum(-1)
    return bool((sums - 1).abs().max() < SUM) and not bool(weights.triu(1).any())
