"""Surprisal of tokens in bits, from a model's hidden states or logits."""

from collections.abc import Callable

import numpy as np
import torch

from triphase.activations.pooling import Batch

# Of the vocabulary product, so many rows and columns exist at a time.
LOGIT_ROWS, LOGIT_COLUMNS = 1024, 16384


def surprisal_of_logits(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Surprisal in bits of tokens (...) under logits (..., n_vocabulary): float32 tensor (...)."""
    logits = logits.float()
    return (logits.logsumexp(-1) - logits.gather(-1, targets[..., None])[..., 0]) / np.log(2)


def surprisal_of_words(
    head: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], hidden: torch.Tensor, batch: Batch
) -> np.ndarray:
    """Surprisal in bits of the tokens of a batch, summed over each word's.

    Parameters
    ----------
    head : function from `triphase.activations.head.find_head`
    hidden : tensor (n_windows, n_positions, n_features), last hidden state
    batch : Batch

    Returns
    -------
    float64 array (n_slots,)
    """
    # A token that several words share is computed once.
    predicted, back = np.unique(batch.predicted, return_inverse=True)
    targets = np.empty(len(predicted), np.int64)
    targets[back] = batch.targets
    rows = hidden.reshape(-1, hidden.shape[-1])
    bits = []
    for start in range(0, len(predicted), LOGIT_ROWS):
        piece = slice(start, start + LOGIT_ROWS)
        own = rows[torch.from_numpy(predicted[piece]).to(rows.device)]
        bits.append(head(own, torch.from_numpy(targets[piece])).double().cpu().numpy())
    return np.bincount(batch.owners, np.concatenate(bits)[back], minlength=len(batch.words))


def surprisal_of_targets(head: torch.nn.Linear, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Surprisal in bits of one token after each row of hidden states (n, n_features): float32 tensor (n,).

    The vocabulary product exists in pieces only, with a running log of the sum of exponentials over its columns.
    """
    if head.weight.device.type == "meta":  # offloaded: only the module itself can bring its weights in
        logits = head(hidden)
        return surprisal_of_logits(logits, targets.to(logits.device))
    device, size = head.weight.device, len(head.weight)
    hidden, targets = hidden.to(device), targets.to(device)
    total = torch.full((len(hidden),), -torch.inf, device=device)
    chosen = torch.zeros(len(hidden), device=device)
    for start in range(0, size, LOGIT_COLUMNS):
        stop = min(start + LOGIT_COLUMNS, size)
        logits = _product(hidden, head.weight[start:stop])
        if head.bias is not None:
            logits += head.bias[start:stop]
        total = torch.logaddexp(total, logits.logsumexp(1))
        inside = (targets >= start) & (targets < stop)
        own = logits.gather(1, (targets - start).clamp(0, stop - start - 1)[:, None])[:, 0]
        chosen = torch.where(inside, own, chosen)
    return (total - chosen) / np.log(2)


def _product(hidden, weight):
    """Logits in float32: a product in bfloat16 would round them by up to 0.1 bits."""
    if hidden.is_cuda and hidden.dtype != torch.float32:
        return torch.mm(hidden, weight.T, out_dtype=torch.float32)
    return hidden.float() @ weight.float().T
