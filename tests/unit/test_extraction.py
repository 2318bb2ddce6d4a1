import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedTokenizerFast

from triphase.errors import InputError
from triphase.extraction import extract_annotations, extract_words

TEXT = " ".join(["the little cat sees a very big hat and runs"] * 6)


@pytest.fixture(scope="module")
def loaded():
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=60, special_tokens=["<s>"]))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>")
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    return AutoModelForCausalLM.from_config(config).eval(), tokenizer


def spans_of(text):
    starts = np.cumsum([0] + [len(word) + 1 for word in text.split()][:-1])
    return np.array([[start, start + len(word)] for start, word in zip(starts, text.split(), strict=True)])


def plain_loop(model, tokenizer, context):
    """One window per token with `output_hidden_states` on the full model: what the literature's code does."""
    encoded = tokenizer(TEXT, return_offsets_mapping=True, add_special_tokens=False)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    states, bits = [], []
    for token in range(len(ids)):
        window = [tokenizer.bos_token_id, *ids[max(token - context, 0) : token + 1]]
        with torch.no_grad():
            output = model(torch.tensor([window]), output_hidden_states=True)
        states.append(np.stack([h[0, -1].numpy() for h in output.hidden_states]))
        bits.append(-torch.log_softmax(output.logits[0, -2], -1)[ids[token]].item() / np.log(2))
    words, surprisal = [], []
    for start, stop in spans_of(TEXT):
        mine = [
            i for i, (a, b) in enumerate(offsets) if TEXT[a:b].strip() and a + (TEXT[a] == " ") < stop and b > start
        ]
        words.append(np.mean([states[i] for i in mine], axis=0))
        surprisal.append(sum(bits[i] for i in mine))
    return np.stack(words, axis=1), np.array(surprisal)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_exact_protocol_equals_the_plain_loop(loaded, batch_size):
    model, tokenizer = loaded
    hidden, surprisal, preceding = extract_words(
        model, tokenizer, TEXT, spans_of(TEXT), context={"min": 12, "max": 12}, batch_size=batch_size
    )
    expected, bits = plain_loop(model, tokenizer, 12)
    np.testing.assert_allclose(hidden, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(surprisal, bits, rtol=1e-4, atol=1e-4)
    assert preceding.max() == 12


def test_wider_bands_equal_the_loop_where_contexts_are_equal(loaded):
    model, tokenizer = loaded
    long, bits, preceding = extract_words(
        model, tokenizer, TEXT, spans_of(TEXT), context={"min": 6, "max": 25}, batch_size=4
    )
    for length in (7, 20):
        exact, exact_bits, exact_preceding = extract_words(
            model, tokenizer, TEXT, spans_of(TEXT), context={"min": length, "max": length}, batch_size=8, pool="last"
        )
        last, _, _ = extract_words(
            model, tokenizer, TEXT, spans_of(TEXT), context={"min": 6, "max": 25}, batch_size=4, pool="last"
        )
        same = preceding == exact_preceding
        assert same.any()
        np.testing.assert_allclose(last[:, same], exact[:, same], rtol=1e-4, atol=1e-5)


def test_context_longer_than_the_model_is_refused(loaded):
    model, tokenizer = loaded
    with pytest.raises(InputError, match="at most 30"):
        extract_words(model, tokenizer, TEXT, spans_of(TEXT), context={"min": 10, "max": 31}, batch_size=4)


def test_non_finite_layer_is_named(loaded):
    model, tokenizer = loaded
    weight = model.gpt_neox.layers[1].mlp.dense_4h_to_h.weight
    kept = weight.data.clone()
    weight.data[0, 0] = float("nan")
    try:
        with pytest.raises(InputError, match=r"layers \[2\].*'tale'"):
            extract_words(
                model, tokenizer, TEXT, spans_of(TEXT), context={"min": 8, "max": 8}, batch_size=4, stimulus="tale"
            )
    finally:
        weight.data = kept


TEXTS = ["a very big hat", "the cat", "a very big hat", " runs", "the little cat sees a hat", "the cat", "big hat"]


def one_by_one(model, tokenizer, texts, pool):
    """BOS and one text, the whole model, no batch: mean over its tokens, or the last, and summed surprisal."""
    hidden, bits = [], []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            output = model(torch.tensor([[tokenizer.bos_token_id, *ids]]), output_hidden_states=True)
        states = np.stack([layer[0, 1:].numpy() for layer in output.hidden_states])
        hidden.append(states[:, -1] if pool == "last" else states.mean(1))
        surprisal = -torch.log_softmax(output.logits[0, :-1], -1)[torch.arange(len(ids)), ids] / np.log(2)
        bits.append(surprisal.sum().item())
    return np.stack(hidden, axis=1), np.array(bits)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
@pytest.mark.parametrize("pool", ["mean", "last"])
def test_an_annotation_is_read_alone(loaded, batch_size, pool):
    model, tokenizer = loaded
    hidden, surprisal, preceding = extract_annotations(model, tokenizer, TEXTS, batch_size=batch_size, pool=pool)
    expected, bits = one_by_one(model, tokenizer, TEXTS, pool)
    assert hidden.dtype == np.float32 and hidden.shape == (3, len(TEXTS), 16)
    np.testing.assert_allclose(hidden, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(surprisal, bits, rtol=1e-4, atol=1e-4)
    assert preceding.tolist() == [len(tokenizer(text)["input_ids"]) - 1 for text in TEXTS]


def test_equal_texts_are_run_once(loaded, monkeypatch):
    model, tokenizer = loaded
    seen, forward = [], model.base_model.forward

    def counted(input_ids, **options):
        seen.extend(tuple(row) for row in input_ids.tolist())
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model.base_model, "forward", counted)
    extract_annotations(model, tokenizer, TEXTS * 3, batch_size=4)
    assert len(seen) == len(set(seen)) == len(set(TEXTS))


def test_white_space_tokens_at_the_ends_are_in_no_pool(loaded):
    model, tokenizer = loaded
    with_space, _, _ = extract_annotations(model, tokenizer, ["the cat  "], batch_size=1)
    plain, _, _ = extract_annotations(model, tokenizer, ["the cat"], batch_size=1)
    np.testing.assert_allclose(with_space, plain, rtol=1e-4, atol=1e-5)


def test_an_annotation_that_does_not_fit_is_named(loaded):
    model, tokenizer = loaded
    long = " ".join(["the little cat sees"] * 8)
    count = len(tokenizer(long)["input_ids"])
    assert count + 1 > 32
    with pytest.raises(InputError, match=f"'film', 'the little cat.*{count} tokens does not fit.* of 32"):
        extract_annotations(model, tokenizer, ["a hat", long], batch_size=4, stimulus="film")
    with pytest.raises(InputError, match="'film', '  '.*no token"):
        extract_annotations(model, tokenizer, ["  "], batch_size=4, stimulus="film")
