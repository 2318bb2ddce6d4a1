"""From the hidden states of one batch of windows to words: what is picked from each layer while the model runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from triphase.activations.hooks import find_layers, hooked_inputs
from triphase.activations.windows import Plan, ranges


@dataclass(frozen=True)
class Batch:
    """One batch of windows, padded on the right, and where the tokens of its words lie in it.

    Padding needs no mask: in a causal model nothing before it sees it.

    Attributes
    ----------
    input_ids : int64 array (n_windows, n_positions)
    words : int array (n_slots,), the words, ascending, each once
    lengths : int64 array (n_slots,)
        How many tokens of each word are pooled here; 0 where all that is pooled is in another window.
    positions, shares : int64 and float32 arrays (n_picked,)
        Places of those tokens in the flattened batch, sorted by word, and 1 / number of all tokens of their word.
    offsets : int64 array (n_slots,), where the tokens of each word begin among them
    predicted, targets, owners : int64 arrays (n_predicted,)
        Where each token of the words is predicted from, its id, and the slot of its word.
    """

    input_ids: np.ndarray
    words: np.ndarray
    lengths: np.ndarray
    positions: np.ndarray
    shares: np.ndarray
    offsets: np.ndarray
    predicted: np.ndarray
    targets: np.ndarray
    owners: np.ndarray


def make_batch(plan: Plan, windows: np.ndarray, pool: str) -> Batch:
    """Inputs of some windows of a `triphase.activations.windows.Plan`; `pool` is "mean" or "last"."""
    starts, stops = plan.windows[windows].T
    width = int((stops - starts).max()) + 1
    tokens, row = ranges(starts, stops)
    input_ids = np.full((len(windows), width), plan.sink, np.int64)
    input_ids[row, tokens - starts[row] + 1] = plan.ids[tokens]

    # Entries are sorted by window.
    left, right = (np.searchsorted(plan.entries[:, 0], windows, side) for side in ("left", "right"))
    entries, row = ranges(left, right)
    _, word, begin, end = plan.entries[entries].T
    words, slot = np.unique(word, return_inverse=True)
    token, entry = ranges(begin, end)
    place, owner = row[entry] * width + token - starts[row[entry]] + 1, slot[entry]
    predicted, targets, owners = place - 1, plan.ids[token], owner
    kept = np.ones(len(token), bool) if pool == "mean" else token == plan.last[word[entry]]
    by_word = np.argsort(owner[kept], kind="stable")
    place, owner = place[kept][by_word], owner[kept][by_word]
    lengths = np.bincount(owner, minlength=len(words))
    tokens = plan.last[words] - plan.first[words] + 1 if pool == "mean" else np.ones(len(words), int)
    shares, offsets = (1 / tokens[owner]).astype(np.float32), np.cumsum(lengths) - lengths
    return Batch(input_ids, words, lengths, place, shares, offsets, predicted, targets, owners)


class Picker:
    """Pools the words of one batch out of each layer while the model runs, so that no layer is kept whole.

    Parameters
    ----------
    batch : Batch
    n_layers, n_features : int, layers with the embedding
    storage : torch dtype, of the pooled values; sums are in float32

    Attributes
    ----------
    values : tensor (n_layers, n_slots, n_features) in the host's memory
    finite : bool tensor (n_layers,)
        True where all values are finite; false where some are not, or where their sum is too large.

    On a GPU both are filled asynchronously: `wait` before they are read.
    """

    def __init__(
        self, batch: Batch, n_layers: int, n_features: int, storage: torch.dtype, pinned: bool = False
    ) -> None:
        self.batch, self.storage = batch, storage
        self.values = torch.empty(n_layers, len(batch.words), n_features, dtype=storage, pin_memory=pinned)
        self.finite = torch.ones(n_layers, dtype=torch.bool, pin_memory=pinned)
        self._indices: dict[torch.device, list[torch.Tensor]] = {}
        self._events: list[torch.cuda.Event] = []

    def take(self, layer: int, states: torch.Tensor) -> None:
        """Pool one layer: states (n_windows, n_positions, n_features) on any device."""
        positions, shares, offsets = self._on(states.device)
        states = states.reshape(-1, states.shape[-1])
        if states.dtype != torch.float32:
            states = states.index_select(0, positions).float()
            positions = torch.arange(len(positions), device=states.device)
        # Unlike index_add on a GPU, bags are summed in one order and so have one result.
        pooled = torch.nn.functional.embedding_bag(positions, states, offsets, per_sample_weights=shares, mode="sum")
        stored = pooled.to(self.storage)
        self.values[layer].copy_(stored, non_blocking=True)
        # Anything that is not finite shows in the sum, which costs a fraction of looking at each value.
        self.finite[layer].copy_(stored.sum(dtype=torch.float32).isfinite(), non_blocking=True)

    def done(self) -> None:
        """To be called after the last layer: marks the place in each GPU's stream that `wait` waits for."""
        for device in self._indices:
            if device.type == "cuda":
                with torch.cuda.device(device):
                    event = torch.cuda.Event()
                    event.record()
                    self._events.append(event)

    def wait(self) -> None:
        """Return when all values are in the host's memory."""
        for event in self._events:
            event.synchronize()

    def _on(self, device):
        if device not in self._indices:
            batch = self.batch
            host = (batch.positions, batch.shares, batch.offsets)
            self._indices[device] = [torch.from_numpy(array).to(device, non_blocking=True) for array in host]
        return self._indices[device]


@contextmanager
def picking(base: torch.nn.Module) -> Iterator[Callable[[torch.Tensor, Picker], torch.Tensor]]:
    """Hook a model so that its layers give their hidden states away one by one.

    Yields a function (input_ids, picker) that runs the model and returns its last hidden state. Layer 0 is the
    embedding, as the first block takes it; the last layer is the model's output, behind its last norm; as
    `output_hidden_states` has them, which is what is used where the layers of a model cannot be told.
    """
    layers, current = find_layers(base), {}

    def run(input_ids, picker):
        current["picker"] = picker
        output = base(input_ids=input_ids, output_hidden_states=not layers, use_cache=False)
        states = {len(layers): output.last_hidden_state} if layers else dict(enumerate(output.hidden_states))
        for layer, values in states.items():
            picker.take(layer, values)
        picker.done()
        return output.last_hidden_state

    with hooked_inputs(layers, lambda layer, states: current["picker"].take(layer, states)):
        yield run
