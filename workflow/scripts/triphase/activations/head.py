"""From a model's last hidden states to its logits, compared once per checkpoint with what the model itself makes."""

import copy
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from triphase.activations.surprisal import surprisal_of_logits, surprisal_of_targets
from triphase.checkpoints.behaviour import headless, input_device
from triphase.core.errors import InputError

log = logging.getLogger(__name__)

# Rows that exist as logits at a time where the model's own code makes them.
ROWS = 256
# Tokens that the comparison is made on.
TOKENS = 32
# Largest relative difference of logits, where the precision of the model does not allow for more.
DIFFERENCE = 1e-5


class OwnHead:
    """Whatever a model does behind its last hidden states: it runs with these in place of its own.

    Parameters
    ----------
    model : transformers model with a vocabulary head
    output : what its base model returned of some input
    """

    def __init__(self, model: Any, output: Any) -> None:
        self.model, self.output = model, output

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (n, n_vocabulary) of hidden states (n, n_features)."""
        base, given = headless(self.model), copy.copy(self.output)
        given["last_hidden_state"] = hidden[None]
        before = base.__dict__.get("forward")
        base.forward = lambda *_, **__: given
        try:
            ids = torch.zeros(1, len(hidden), dtype=torch.long, device=hidden.device)
            return self.model(input_ids=ids, use_cache=False).logits[0]
        finally:
            del base.forward
            if before:
                base.forward = before

    def __call__(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Surprisal in bits of one token after each row of hidden states (n, n_features): float32 tensor (n,)."""
        parts = []
        for own, wanted in zip(hidden.split(ROWS), targets.split(ROWS), strict=True):
            logits = self.logits(own)
            parts.append(surprisal_of_logits(logits, wanted.to(logits.device)))
        return torch.cat(parts)


def find_head(model: Any, ids: np.ndarray, name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """How surprisal follows from a model's last hidden states, found by comparing logits on a few tokens.

    Many models scale or cap what their vocabulary product gives; which do is no matter of names in a config. Those that
    do not have the product in pieces and in float32.

    Parameters
    ----------
    model : transformers model with a vocabulary head
    ids : int array (n,), tokens to compare on
    name : str, named in the error

    Returns
    -------
    function of hidden states (n, n_features) and the tokens behind them (n,), to surprisal in bits (n,)

    Raises
    ------
    InputError
        Neither the product nor the model's own code behind its last hidden states gives the model's logits.
    """
    batch = torch.from_numpy(np.asarray(ids[:TOKENS], np.int64))[None].to(input_device(model))
    with torch.inference_mode():
        output = headless(model)(input_ids=batch, use_cache=False)
        own = model(input_ids=batch, use_cache=False).logits[0].float()
        hidden, linear = output.last_hidden_state[0], model.get_output_embeddings()
        if isinstance(linear, torch.nn.Linear) and _equal(linear(hidden), own, model.dtype):
            return partial(surprisal_of_targets, linear)
        head = OwnHead(model, output)
        if _equal(head.logits(hidden), own, model.dtype):
            log.info("%s does more than a product behind its last layer: its own logits are used", name)
            return head
    raise InputError(
        f"activations/surprisal: the logits of {name} ({type(model).__name__}) do not follow from its last hidden "
        "states, so that surprisal cannot be computed beside them; this architecture is not supported"
    )


def _equal(ours, own, dtype):
    """Whether two sets of logits differ by no more than rounding; those of broken weights are told elsewhere."""
    ours = ours.float().to(own.device)
    if ours.shape != own.shape:
        return False
    bound = max(torch.finfo(dtype).eps / 2, DIFFERENCE)
    error, size = (ours - own).square().mean().sqrt(), own.square().mean().sqrt()
    return not bool(error > bound * size)
