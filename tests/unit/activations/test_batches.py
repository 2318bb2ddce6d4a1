"""Batches: blocks in order, little padding, and what happens where one does not fit the memory."""

import numpy as np
import pytest
import torch
from extraction import TEXT, assert_same, extract_words, spans_of

from triphase.activations import extract as extraction
from triphase.activations.extract import Extraction, block_words, extract
from triphase.activations.pooling import make_batch
from triphase.activations.windows import batches, plan_annotations, plan_words
from triphase.core.errors import InputError

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("one_thread")]


@pytest.mark.parametrize("context", [{"min": 6, "max": 9}, {"min": 4, "max": 4}, {"max": 9, "stride": 1}])
@pytest.mark.parametrize("bytes_of_block", [1, 1500, 10**6])
def test_blocks_come_in_order_and_hold_every_word(loaded, monkeypatch, context, bytes_of_block):
    model, tokenizer = loaded
    whole, bits, _ = extract_words(model, tokenizer, TEXT, spans_of(TEXT), context=context, batch_size=8)
    monkeypatch.setattr(extraction, "BLOCK_BYTES", (bytes_of_block, bytes_of_block))
    plan, blocks = plan_words(tokenizer, {"story": (TEXT, spans_of(TEXT))}, context), []
    extract(model, plan, blocks.append, Extraction(batch_size=3))
    size = block_words(len(plan.first), 3, 16, 4)
    assert {block.shape[1] for block in blocks[:-1]} <= {size} and blocks[-1].shape[1] <= size
    assert_same(np.concatenate(blocks, axis=1), whole)


def test_little_of_a_batch_is_padding_and_every_window_is_run_once(loaded):
    _, tokenizer = loaded
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(TEXT.split(), rng.integers(1, 12))) for _ in range(400)]
    plan = plan_annotations(tokenizer, {"film": texts})
    found = list(batches(plan, 16, None, stretch=100))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(plan.windows)))
    assert max(map(len, found)) == 16 and len(found) < 2.5 * len(plan.windows) / 16
    for windows in found:
        batch = make_batch(plan, windows, "mean")
        assert plan.lengths[windows].sum() > 0.87 * batch.input_ids.size
    for windows in batches(plan, None, 64, stretch=100):
        assert len(windows) == 1 or make_batch(plan, windows, "mean").input_ids.size <= 64


FULL = {
    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    "python": MemoryError(),
}


def short_of_memory(model, monkeypatch, error, windows):
    """Batches of more than so many windows do not fit; the sizes of all that were tried."""
    tried, forward = [], model.base_model.forward

    def limited(input_ids, **options):
        tried.append(len(input_ids))
        if len(input_ids) > windows:
            raise error
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model.base_model, "forward", limited)
    return tried


@pytest.mark.parametrize("kind", list(FULL))
def test_a_batch_that_does_not_fit_is_halved_and_all_goes_on(loaded, monkeypatch, caplog, kind):
    model, tokenizer = loaded
    options = {"context": {"max": 12, "stride": 1}, "batch_size": 32}
    expected, bits, _ = extract_words(model, tokenizer, TEXT, spans_of(TEXT), **options)
    tried = short_of_memory(model, monkeypatch, FULL[kind], 5)
    hidden, found, _ = extract_words(model, tokenizer, TEXT, spans_of(TEXT), **options)
    assert_same(hidden, expected)
    np.testing.assert_allclose(found, bits, rtol=1e-5)
    assert sum(size > 5 for size in tried) <= 3  # 32, 16, 8, and never again
    assert "out of memory with" in caplog.text


def test_a_single_window_that_does_not_fit_is_an_error(loaded, monkeypatch):
    model, tokenizer = loaded
    short_of_memory(model, monkeypatch, FULL["gpu"], 0)
    with pytest.raises(InputError, match="memory does not suffice for org/name at step7 and one window of 14 tokens"):
        extract_words(model, tokenizer, TEXT, spans_of(TEXT), context={"max": 12}, name="org/name at step7")


def test_other_errors_of_the_model_are_not_taken_for_lack_of_memory(loaded, monkeypatch):
    model, tokenizer = loaded
    short_of_memory(model, monkeypatch, RuntimeError("mat1 and mat2 shapes cannot be multiplied"), 2)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        extract_words(model, tokenizer, TEXT, spans_of(TEXT), context={"max": 12})
