"""Hidden states and surprisal of every word, or annotation, from one checkpoint: batches in, blocks of words out."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm

from triphase.activations.head import find_head
from triphase.activations.pooling import Batch, Picker, make_batch, picking
from triphase.activations.surprisal import surprisal_of_words
from triphase.activations.windows import Plan, batches
from triphase.checkpoints.behaviour import check_ids, headless, input_device, text_config
from triphase.core.errors import InputError

log = logging.getLogger(__name__)

# Blocks of words, all layers, that a file is written in, as far as their bytes are within the bounds: two or three are
# in memory at a time, and a file of very many chunks is slow to open.
BLOCKS, BLOCK_BYTES = 64, (64 * 2**20, 256 * 2**20)
# Positions of a batch on a CPU: what its caches hold counts more than its cores.
CPU_TOKENS = 1024
# On a GPU: enough work per batch (operations), and bounds to the positions.
GPU_WORK, GPU_TOKENS = 2e13, (8192, 131072)
# Batches that wait for the writer.
WAITING = 2
# How PyTorch says that the host's memory is full, or what a GPU may pin of it; that of a GPU has a class of its own.
NO_MEMORY = ("can't allocate memory", "not enough memory", "CUDA error: out of memory")


@dataclass(frozen=True)
class Extraction:
    """Settings of an extraction.

    Attributes
    ----------
    pool : str, "mean" of a word's tokens, in float32, or its "last" token
    storage : str, "float32" or "float16", of the blocks
    batch_size : int or "auto"
        Windows of a batch; auto chooses by the device. Where memory does not suffice it is halved.
    surprisal : bool, whether the surprisal of each word is computed in the same pass
    """

    pool: str = "mean"
    storage: str = "float32"
    batch_size: int | Literal["auto"] = "auto"
    surprisal: bool = True


def block_words(n_words: int, n_layers: int, n_features: int, itemsize: int) -> int:
    """Words of a block: all blocks but the last have this size."""
    word = n_layers * n_features * itemsize
    most = max(1, int(np.clip(n_words * word / BLOCKS, *BLOCK_BYTES)) // word)
    return -(-n_words // -(-n_words // most))


def extract(
    model: Any,
    plan: Plan,
    write: Callable[[np.ndarray], None],
    settings: Extraction = Extraction(),  # noqa: B008
    name: str = "model",
) -> np.ndarray | None:
    """Run the windows of a plan through a model and hand on pooled hidden states in blocks of words.

    Parameters
    ----------
    model : transformers model; with its vocabulary head where surprisal is asked for
    plan : triphase.activations.windows.Plan
    write : function of an array (n_layers, n_block_words, n_features)
        Called from a thread of its own while the next batch runs, for each block in the order of the words. Blocks have
        the size of `block_words`, but for the last one. Layer 0 is the embedding.
    settings : Extraction
    name : str, repository and revision, named in errors

    Returns
    -------
    float32 array (n_words,) of surprisal in bits, summed over each word's tokens; None where it is not asked for

    Raises
    ------
    InputError
        Non-finite hidden states, values too large for `storage` (layers named), or no memory for a single window.
    """
    base, kind = headless(model), getattr(torch, settings.storage)
    config = text_config(model)
    shape = config.num_hidden_layers + 1, len(plan.first), config.hidden_size
    check_ids(plan.ids, model, name)
    head = _head(model, plan, name) if settings.surprisal else None
    device = model.get_input_embeddings().weight.device
    pinned = torch.cuda.is_available() and device.type != "cpu"
    size = block_words(shape[1], shape[0], shape[2], kind.itemsize)
    windows, tokens = (None, _tokens(base, device)) if settings.batch_size == "auto" else (settings.batch_size, None)
    bits, most = np.zeros(shape[1]), np.inf

    def run(chosen):
        batch = make_batch(plan, chosen, settings.pool)
        picker = Picker(batch, shape[0], shape[2], kind, pinned)
        last = forward(torch.from_numpy(batch.input_ids).to(input_device(model)), picker)
        return batch, picker, surprisal_of_words(head, last, batch) if head else None

    writer = Writer(write, plan, shape, size, settings, name, threaded=pinned)
    with torch.inference_mode(), picking(base) as forward, writer:
        with tqdm(total=int(plan.lengths.sum()), desc="tokens", unit_scale=True, mininterval=5) as bar:
            for planned in batches(plan, windows, tokens, size):
                pieces = deque([planned])
                while pieces:
                    chosen = pieces.popleft()
                    if len(chosen) > most:
                        pieces.extendleft([chosen[most:], chosen[:most]])
                    elif (found := _attempt(run, chosen)) is None:
                        most = _halved(chosen, plan, name)
                        pieces.appendleft(chosen)
                    else:
                        batch, picker, own = found
                        writer.put(batch, picker)
                        if head:
                            bits[batch.words] += own
                        bar.update(int(plan.lengths[chosen].sum()))
    if head and (wrong := ~np.isfinite(bits)).any():
        raise InputError(
            f"activations/surprisal: that of {wrong.sum()} of {len(bits)} words under {name} is no finite number, "
            f"first on stimulus {str(plan.stimuli[wrong.argmax()])!r}; check the weights of its vocabulary head"
        )
    return bits.astype(np.float32) if head else None


def _attempt(run, chosen):
    """Run a batch: its result, or None where memory does not suffice."""
    try:
        return run(chosen)
    except (torch.OutOfMemoryError, MemoryError):
        pass
    except RuntimeError as error:
        if not any(words in str(error) for words in NO_MEMORY):
            raise
    # Only here, behind the exception, is nothing left that holds the batch's tensors.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def _halved(chosen, plan, name):
    """Largest number of windows of a batch after `chosen` did not fit; InputError where that was a single one."""
    length = int(plan.lengths[chosen].max())
    if len(chosen) == 1:
        raise InputError(
            f"activations: memory does not suffice for {name} and one window of {length} tokens; lower "
            "activations/context/max, compute in bfloat16 (activations/dtype), or give the job more memory or GPUs"
        )
    log.warning("out of memory with %d windows of %d tokens; going on with %d", len(chosen), length, len(chosen) // 2)
    return len(chosen) // 2


def _head(model, plan, name):
    """How surprisal follows from hidden states, found on the first window."""
    start, stop = plan.windows[0]
    ids = np.array([plan.sink, *plan.ids[start:stop]])
    return _attempt(lambda _: find_head(model, ids, name), None) or _halved([0], plan, name)


def _tokens(base, device):
    """Positions of a batch that suit a device."""
    if device.type == "cpu" or not torch.cuda.is_available():
        return CPU_TOKENS
    parameters = sum(parameter.numel() for parameter in base.parameters())
    return int(np.clip(GPU_WORK / (2 * parameters), *GPU_TOKENS))


class Writer:
    """Puts batches of words into blocks and writes each once it is whole; beside a GPU in a thread of its own.

    Where the model runs on all cores of a CPU, a second thread would only make them wait for one another.

    Blocks are written in the order of the words; those between the first that is not whole and the last that has begun
    are in memory. As a context manager it ends when all is written, or without writing more when the body fails.
    """

    def __init__(
        self,
        write: Callable[[np.ndarray], None],
        plan: Plan,
        shape: tuple[int, int, int],
        size: int,
        settings: Extraction,
        name: str,
        threaded: bool,
    ) -> None:
        self.write, self.shape, self.size, self.storage = write, shape, size, np.dtype(settings.storage)
        self.picks = plan.last - plan.first + 1 if settings.pool == "mean" else np.ones(shape[1], int)
        self.stimuli, self.name = plan.stimuli, name
        self.blocks: dict[int, list] = {}  # number to values and how many picks they still lack
        self.next, self.failed = 0, False
        self.queue: queue.Queue = queue.Queue(WAITING)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="writer", daemon=True) if threaded else None

    def put(self, batch: Batch, picker: Picker) -> None:
        """Hand over a batch; waits where the writer is behind, and raises what the writer has run into."""
        if not self.thread:
            return self._add(batch, picker)
        if self.error:
            raise self.error
        self.queue.put((batch, picker))

    def __enter__(self):
        if self.thread:
            self.thread.start()
        return self

    def __exit__(self, kind, *_):
        if self.thread:
            self.failed = kind is not None
            self.queue.put(None)
            self.thread.join()
        if kind is None and self.error:
            raise self.error
        if kind is None and self.next * self.size < self.shape[1]:
            raise RuntimeError(f"words from {self.next * self.size} on were in no window")

    def _run(self):
        while (item := self.queue.get()) is not None:
            if self.error or self.failed:
                continue  # taken all the same, so that nobody waits for room in the queue
            try:
                self._add(*item)
            except BaseException as error:  # raised in the thread that puts
                self.error = error

    def _add(self, batch, picker):
        picker.wait()
        self._check(picker.finite, picker.values, batch.words)
        values, block = picker.values.numpy(), batch.words // self.size
        for number in np.unique(block).tolist():
            own = slice(*np.searchsorted(block, [number, number + 1]))
            self._put(number, batch.words[own], values[:, own], batch.lengths[own])
        while self.next in self.blocks and not self.blocks[self.next][1]:
            self.write(self.blocks.pop(self.next)[0])
            self.next += 1

    def _put(self, number, words, values, picks):
        """Add words to a block: those of several windows come in parts."""
        rows = words - number * self.size
        if number not in self.blocks:
            start, stop = number * self.size, min((number + 1) * self.size, self.shape[1])
            empty = np.zeros((self.shape[0], stop - start, self.shape[2]), self.storage)
            self.blocks[number] = [empty, int(self.picks[start:stop].sum())]
        held = self.blocks[number][0]
        parts = picks < self.picks[words]
        if rows[-1] - rows[0] + 1 == len(rows):
            rows = slice(rows[0], rows[-1] + 1)
        if not parts.any():
            held[:, rows] = values
        else:
            held[:, rows] += values
            if self.storage != np.float32:
                summed = torch.from_numpy(held[:, rows])
                self._check(torch.zeros(len(summed), dtype=torch.bool), summed, words)
        self.blocks[number][1] -= int(picks.sum())

    def _check(self, good, values, words):
        """InputError where layers that are not said to be `good` have values that are not finite."""
        wrong = {layer: ~torch.isfinite(values[layer]).all(1) for layer in np.flatnonzero(~good.numpy()).tolist()}
        if not (bad := [layer for layer, rows in wrong.items() if rows.any()]):
            return
        stimulus = str(self.stimuli[words[np.flatnonzero(wrong[bad[0]].numpy())[0]]])
        what, remedy = "non-finite values", "compute in float32 (activations/dtype) or check the checkpoint's weights"
        if self.storage == np.float16 and not torch.isnan(values[bad[0]]).any():
            what, remedy = "values that float16 cannot hold (above 65,504)", "set activations/storage to float32"
        raise InputError(f"activations: layers {bad} of {self.name} have {what} on stimulus {stimulus!r}; {remedy}")
