import numpy as np
import pytest
import torch
from extraction import TEXT, assert_same, extract_words, in_memory, run_alone, spans_of
from transformers import AutoConfig, AutoModelForCausalLM

from triphase.activations.extract import Extraction, extract
from triphase.activations.surprisal import surprisal_of_targets
from triphase.activations.windows import batches, plan_words
from triphase.core.errors import InputError

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("one_thread")]


def words_of(tokenizer):
    """Tokens of each word of the text, as a list of lists."""
    offsets = tokenizer(TEXT, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    return [
        [i for i, (a, b) in enumerate(offsets) if TEXT[a:b].strip() and a + (TEXT[a] == " ") < stop and b > start]
        for start, stop in spans_of(TEXT)
    ]


def plain_loop(model, tokenizer, context, pool="mean"):
    """One window per word with `output_hidden_states` on the full model: what the literature's code does."""
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    hidden, bits = [], []
    for mine in words_of(tokenizer):
        start = max(mine[-1] - context, 0)
        states, surprisal = run_alone(model, tokenizer, ids[start : mine[-1] + 1])
        own = [token - start for token in mine]
        hidden.append(states[:, own].mean(1) if pool == "mean" else states[:, own[-1]])
        bits.append(surprisal[own].sum())
    return np.stack(hidden, axis=1), np.array(bits)


def token_loop(model, tokenizer, context):
    """One window per token, which ends with it."""
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    windows = [ids[max(token - context, 0) : token + 1] for token in range(len(ids))]
    found = [run_alone(model, tokenizer, window) for window in windows]
    states, bits = np.stack([states[:, -1] for states, _ in found], 1), np.array([bits[-1] for _, bits in found])
    words = words_of(tokenizer)
    return np.stack([states[:, own].mean(1) for own in words], 1), np.array([bits[own].sum() for own in words])


@pytest.mark.parametrize("batch_size", [1, 3, 64, "auto"])
@pytest.mark.parametrize("pool", ["mean", "last"])
def test_exact_protocol_equals_the_plain_loop(loaded, batch_size, pool):
    model, tokenizer = loaded
    hidden, surprisal, preceding = extract_words(
        model, tokenizer, TEXT, spans_of(TEXT), context={"max": 12, "stride": 1}, batch_size=batch_size, pool=pool
    )
    expected, bits = plain_loop(model, tokenizer, 12, pool)
    assert_same(hidden, expected)
    np.testing.assert_allclose(surprisal, bits, rtol=1e-5)
    assert preceding.max() == 12 and preceding.dtype == np.int32


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_equal_bounds_are_one_window_per_token(loaded, batch_size):
    model, tokenizer = loaded
    context = {"min": 12, "max": 12, "stride": None}
    hidden, surprisal, preceding = extract_words(
        model, tokenizer, TEXT, spans_of(TEXT), context=context, batch_size=batch_size
    )
    expected, bits = token_loop(model, tokenizer, 12)
    assert_same(hidden, expected)
    np.testing.assert_allclose(surprisal, bits, rtol=1e-5)
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
        assert_same(last[:, same], exact[:, same])


def test_context_longer_than_the_model_is_refused(loaded):
    model, tokenizer = loaded
    with pytest.raises(InputError, match="at most 30"):
        extract_words(model, tokenizer, TEXT, spans_of(TEXT), context={"min": 10, "max": 31}, batch_size=4)


def test_surprisal_that_is_no_number_is_refused(loaded):
    model, tokenizer = loaded
    weight = model.get_output_embeddings().weight
    kept = weight.data.clone()
    weight.data[-1, 0] = float("nan")
    words = {"context": {"min": 8, "max": 8}, "batch_size": 4, "stimulus": "tale"}
    try:
        with pytest.raises(InputError, match="surprisal: that of .* words under model is no finite number, .* 'tale'"):
            extract_words(model, tokenizer, TEXT, spans_of(TEXT), **words)
    finally:
        weight.data.copy_(kept)


def test_non_finite_layer_is_named(loaded):
    model, tokenizer = loaded
    weight = model.gpt_neox.layers[1].mlp.dense_4h_to_h.weight
    kept = weight.data.clone()
    weight.data[0, 0] = float("nan")
    try:
        with pytest.raises(InputError, match=r"layers \[2\] of org/name at step7 .*'tale'"):
            extract_words(
                model,
                tokenizer,
                TEXT,
                spans_of(TEXT),
                context={"min": 8, "max": 8},
                batch_size=4,
                stimulus="tale",
                name="org/name at step7",
            )
    finally:
        weight.data = kept


def config_of(kind):
    small = dict(num_hidden_layers=3, hidden_size=16, num_attention_heads=2, intermediate_size=32, vocab_size=64,
                 max_position_embeddings=32)  # fmt: skip
    return AutoConfig.for_model(kind, **small, **({"word_embed_proj_dim": 16, "ffn_dim": 32} if kind == "opt" else {}))


@pytest.mark.parametrize("kind", ["gpt_neox", "olmo2", "llama", "gpt2", "opt"])
def test_every_architecture_gives_the_layers_of_output_hidden_states(tokenizer, kind):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config_of(kind)).eval()
    context = {"max": 12, "stride": 1}
    hidden, surprisal, _ = extract_words(model, tokenizer, TEXT, spans_of(TEXT), context=context, batch_size=7)
    expected, bits = plain_loop(model, tokenizer, 12)
    assert_same(hidden, expected)
    np.testing.assert_allclose(surprisal, bits, rtol=1e-5)


def test_no_head_no_surprisal(loaded):
    model, tokenizer = loaded
    options = {"context": {"max": 12}, "batch_size": 5}
    hidden, bits, _ = extract_words(model.base_model, tokenizer, TEXT, spans_of(TEXT), surprisal=False, **options)
    assert bits is None
    assert_same(hidden, extract_words(model, tokenizer, TEXT, spans_of(TEXT), **options)[0])


def test_vocabulary_in_pieces_gives_the_same_surprisal(loaded, monkeypatch):
    model, tokenizer = loaded
    options = {"context": {"max": 12}, "batch_size": 5}
    whole = extract_words(model, tokenizer, TEXT, spans_of(TEXT), **options)[1]
    monkeypatch.setattr("triphase.activations.surprisal.LOGIT_ROWS", 3)
    monkeypatch.setattr("triphase.activations.surprisal.LOGIT_COLUMNS", 7)
    np.testing.assert_allclose(extract_words(model, tokenizer, TEXT, spans_of(TEXT), **options)[1], whole, rtol=1e-5)


def test_words_that_share_a_token_have_its_state(loaded):
    model, tokenizer = loaded
    halves = np.array([[0, 3], [4, 6], [6, 10], [11, 14]])  # "little" cut in two
    hidden, bits, _ = extract_words(model, tokenizer, "the little cat", halves, context={"max": 8}, batch_size=2)
    whole, all_bits, _ = extract_words(
        model, tokenizer, "the little cat", spans_of("the little cat"), context={"max": 8}, batch_size=2
    )
    assert_same(hidden[:, [0, 3]], whole[:, [0, 2]])
    np.testing.assert_allclose(bits[[0, 3]], all_bits[[0, 2]], rtol=1e-5)


def test_several_stimuli_are_read_each_alone(loaded):
    model, tokenizer = loaded
    other, context = "a big cat runs and sees the hat", {"max": 12, "stride": 1}
    plan = plan_words(tokenizer, {"one": (TEXT, spans_of(TEXT)), "two": (other, spans_of(other))}, context)
    hidden, bits, preceding = in_memory(model, plan, batch_size=6)
    for stimulus, text in (("one", TEXT), ("two", other)):
        own = plan.stimuli == stimulus
        alone = extract_words(model, tokenizer, text, spans_of(text), context=context, batch_size=4)
        assert_same(hidden[:, own], alone[0])
        np.testing.assert_allclose(bits[own], alone[1], rtol=1e-5)
        assert (preceding[own] == alone[2]).all()


def test_float16_storage_is_rounded_and_too_large_values_name_their_layer(loaded):
    model, tokenizer = loaded
    options = {"context": {"min": 12, "max": 12}, "batch_size": 4, "name": "org/name at step7"}
    whole = extract_words(model, tokenizer, TEXT, spans_of(TEXT), **options)[0]
    half = extract_words(model, tokenizer, TEXT, spans_of(TEXT), storage="float16", **options)[0]
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, whole, rtol=2e-3, atol=1e-3)
    weight = model.base_model.layers[0].mlp.dense_4h_to_h.bias
    kept = weight.data.clone()
    weight.data[3] = 1e5
    try:
        message = r"layers \[1\] of org/name at step7 have values that float16 cannot hold.*storage to float32"
        with pytest.raises(InputError, match=message):
            extract_words(model, tokenizer, TEXT, spans_of(TEXT), storage="float16", **options)
    finally:
        weight.data = kept


def test_half_precision_is_pooled_in_float32(loaded):
    model, tokenizer = loaded
    options = {"context": {"max": 12}, "batch_size": 4}
    exact = extract_words(model, tokenizer, TEXT, spans_of(TEXT), **options)[0]
    rough = AutoModelForCausalLM.from_config(model.config, dtype=torch.bfloat16).eval()
    rough.load_state_dict(model.state_dict())
    found, bits, _ = extract_words(rough, tokenizer, TEXT, spans_of(TEXT), **options)
    assert found.dtype == np.float32 and np.isfinite(bits).all()
    error = np.linalg.norm(found - exact, axis=-1) / np.linalg.norm(exact, axis=-1)
    assert error.max() < 0.03
    # The embedding's mean of two bfloat16 numbers needs more digits than bfloat16 has.
    assert (torch.from_numpy(found[0]).bfloat16().float().numpy() != found[0]).any()


def test_what_the_writer_runs_into_ends_the_extraction(loaded):
    model, tokenizer = loaded
    plan = plan_words(tokenizer, {"story": (TEXT, spans_of(TEXT))}, {"max": 4, "stride": 1})

    def full(_):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        extract(model, plan, full, Extraction(batch_size=2))


def test_windows_that_serve_no_word_are_not_run(loaded):
    model, tokenizer = loaded
    spans = spans_of(TEXT)[-3:]
    plan = plan_words(tokenizer, {"story": (TEXT, spans)}, {"min": 6, "max": 9})
    run = np.concatenate(list(batches(plan, 4, None, stretch=10)))
    assert len(run) < len(plan.windows)
    hidden, _, preceding = in_memory(model, plan, batch_size=4)
    assert hidden.shape[1] == 3 and (preceding >= 6).all()


def test_surprisal_of_16_bit_states_is_computed_in_float32():
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(64, 500, bias=True)
    rows = torch.randn(40, 64, generator=generator).bfloat16()
    targets = torch.arange(40)
    exact = rows.double() @ head.weight.bfloat16().double().T + head.bias.bfloat16().double()
    expected = (exact.logsumexp(1) - exact[torch.arange(40), targets]) / np.log(2)
    found = surprisal_of_targets(head.bfloat16(), rows, targets)
    np.testing.assert_allclose(found.detach(), expected.detach(), atol=1e-4)
