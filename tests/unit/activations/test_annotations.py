"""Annotations, each read alone."""

import numpy as np
import pytest
from extraction import assert_same, extract_annotations, run_alone

from triphase.core.errors import InputError

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("one_thread")]

TEXTS = ["a very big hat", "the cat", "a very big hat", "runs", "the little cat sees a hat", "the cat", "big hat"]


def one_by_one(model, tokenizer, texts, pool):
    """BOS and one text, the whole model, no batch: mean over its tokens, or the last, and summed surprisal."""
    found = [run_alone(model, tokenizer, tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    hidden = [states[:, -1] if pool == "last" else states.mean(1) for states, _ in found]
    return np.stack(hidden, axis=1), np.array([bits.sum() for _, bits in found])


@pytest.mark.parametrize("batch_size", [1, 2, 64])
@pytest.mark.parametrize("pool", ["mean", "last"])
def test_an_annotation_is_read_alone(loaded, batch_size, pool):
    model, tokenizer = loaded
    hidden, surprisal, preceding = extract_annotations(model, tokenizer, TEXTS, batch_size=batch_size, pool=pool)
    expected, bits = one_by_one(model, tokenizer, TEXTS, pool)
    assert hidden.dtype == np.float32 and hidden.shape == (3, len(TEXTS), 16)
    assert_same(hidden, expected)
    np.testing.assert_allclose(surprisal, bits, rtol=1e-4, atol=1e-4)
    assert preceding.tolist() == [len(tokenizer(text)["input_ids"]) - 1 for text in TEXTS]


def test_equal_texts_are_run_once(loaded, monkeypatch):
    model, tokenizer = loaded
    seen, forward = [], model.base_model.forward

    def counted(input_ids, **options):
        seen.extend(tuple(row) for row in input_ids.tolist())
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model.base_model, "forward", counted)
    extract_annotations(model, tokenizer, TEXTS * 3, batch_size=1, surprisal=False)
    assert len(seen) == len(set(seen)) == len(set(TEXTS))


def test_white_space_tokens_at_the_ends_are_in_no_pool(loaded):
    model, tokenizer = loaded
    with_space, _, _ = extract_annotations(model, tokenizer, ["the cat  "], batch_size=1)
    plain, _, _ = extract_annotations(model, tokenizer, ["the cat"], batch_size=1)
    assert_same(with_space, plain)


def test_an_annotation_that_does_not_fit_is_named(loaded):
    model, tokenizer = loaded
    long = " ".join(["the little cat sees"] * 8)
    count = len(tokenizer(long)["input_ids"])
    assert count + 1 > 32
    with pytest.raises(InputError, match=f"'film', 'the little cat.*{count} tokens does not fit.* of 32"):
        extract_annotations(model, tokenizer, ["a hat", long], batch_size=4, stimulus="film")
    with pytest.raises(InputError, match="'film', '  '.*no token"):
        extract_annotations(model, tokenizer, ["  "], batch_size=4, stimulus="film")
