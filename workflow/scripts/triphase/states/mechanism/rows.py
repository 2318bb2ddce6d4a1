"""Mechanism of one checkpoint as rows of the tidy table; `triphase.table.measures` lists the measures."""

from typing import TYPE_CHECKING

import numpy as np

from triphase.checkpoints.behaviour import text_config
from triphase.core.measures import Row, Value
from triphase.states.mechanism.attention import entropy, first_share, prefix_matching
from triphase.states.mechanism.inputs import CONTINUATION
from triphase.states.mechanism.reading import read
from triphase.stats.proportions import agresti_coull

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NO_WEIGHTS = "the model gives no attention weights that sum to 1"
NO_WINDOW = "no text is as long as a prompt and its continuation"


def induction_rows(model: "PreTrainedModel", ids: np.ndarray) -> tuple[list[Row], dict[str, str]]:
    """Induction heads by layer, and what repetition spares the model.

    Parameters
    ----------
    model : causal language model of transformers
    ids : array from `triphase.states.mechanism.inputs.repeated_tokens`

    Returns
    -------
    list of (layer or None, measure, Value); dict of measure to the reason why layers lack it
    """
    bits, _, attention = read(model, ids, {"induction": prefix_matching})
    rows: list[Row] = []
    depth = depth_of(model)
    for layer in range(1, depth + 1):
        heads = attention.get("induction", {}).get(layer, np.empty((len(ids), 0)))
        single = [_mean(head, target=str(number)) for number, head in enumerate(heads.T)]
        rows += [(layer, "induction_head", value) for value in single]
        largest = max((value.value for value in single), default=np.nan)
        rows.append((layer, "induction_head_max", Value(largest, n=len(ids) if single else 0)))
        rows.append((layer, "induction_head_mean", _mean(_over_heads(heads))))
    length = ids.shape[1] // 2
    # The first token of a sequence follows nothing that it followed before: it is left out of both halves.
    first, second = bits[:, 1:length], bits[:, length + 1 :]
    rows.append((None, "in_context_score", _mean(second.mean(1) - first.mean(1))))
    return rows, _lacking(attention.get("induction", {}), depth, ["induction_head_max", "induction_head_mean"])


def stimulus_rows(
    model: "PreTrainedModel", windows: np.ndarray, unseen: np.ndarray | None
) -> tuple[list[Row], dict[str, str]]:
    """Attention by layer while the model reads the stimulus, and whether it knows the stimulus by heart.

    That greedy generation reproduces a continuation is the same as that every token of it is the likeliest one behind
    the true tokens before it, so one pass tells without generating.

    Parameters
    ----------
    model : causal language model of transformers
    windows, unseen : arrays from `triphase.states.mechanism.inputs.text_windows`
        Of the stimulus, and of a matched text that the model cannot have seen, or None.

    Returns
    -------
    as of `induction_rows`
    """
    scores = {"attention_entropy": entropy, "attention_first": first_share}
    bits, likeliest, attention = read(model, windows, scores)
    rows: list[Row] = []
    reasons: dict[str, str] = {}
    depth = depth_of(model)
    for name in scores:
        found = attention.get(name, {})
        empty = np.empty((len(windows), 0))
        rows += [(at, name, _mean(_over_heads(found.get(at, empty)))) for at in range(1, depth + 1)]
        reasons |= _lacking(found, depth, [name]) if len(windows) else {name: NO_WINDOW}
    whole, n = likeliest[:, -CONTINUATION:].all(1), len(windows)
    share, error = (whole.mean(), agresti_coull(int(whole.sum()), n)) if n else (np.nan, np.nan)
    rows.append((None, "contamination", Value(share, error, n)))
    reasons |= {} if n else {"contamination": NO_WINDOW}
    if unseen is not None:
        other, *_ = read(model, unseen)
        ours, theirs = (_mean(own[:, -CONTINUATION:].mean(1)) for own in (bits, other))
        value = Value(ours.value - theirs.value, np.hypot(ours.se, theirs.se), n)
        rows.append((None, "contamination_surprisal", value))
        reasons |= {} if n and len(unseen) else {"contamination_surprisal": NO_WINDOW}
    return rows, reasons


def depth_of(model: "PreTrainedModel") -> int:
    """Number of a model's layers."""
    return int(text_config(model).num_hidden_layers)


def _mean(values: np.ndarray, target: str | None = None) -> Value:
    """Mean of values (n,), with its standard error; NaN for none."""
    n = len(values)
    error = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return Value(values.mean() if n else np.nan, error, n, target)


def _over_heads(heads):
    """Mean over the heads of (n, heads): no value where there is none."""
    return heads.mean(1) if heads.shape[1] else np.empty(0)


def _lacking(found, depth, measures):
    """Why measures are NaN: dict of measure to reason, empty where every layer has them."""
    without = [layer for layer in range(1, depth + 1) if layer not in found]
    return dict.fromkeys(measures, f"layers {without}: {NO_WEIGHTS}") if without else {}
