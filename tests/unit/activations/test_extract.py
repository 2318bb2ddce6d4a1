import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, GPTNeoXConfig, PreTrainedTokenizerFast

from triphase.activations import extract as extraction
from triphase.activations.extract import Extraction, block_words, extract
from triphase.activations.pooling import make_batch
from triphase.activations.surprisal import surprisal_of_targets
from triphase.activations.windows import batches, longest_input, plan_annotations, plan_words
from triphase.core.errors import InputError

pytestmark = pytest.mark.model

TEXT = " ".join(["the little cat sees a very big hat and runs"] * 6)
TOLERANCE = 1e-5


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Several threads wait for one another longer than these small models take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer():
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=30, special_tokens=["<s>"]))
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>")


@pytest.fixture(scope="module")
def loaded(tokenizer):
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


def in_memory(model, plan, name="model", **settings):
    """Blocks of words put together, surprisal, preceding tokens."""
    blocks = []
    bits = extract(model, plan, blocks.append, Extraction(**settings), name)
    return np.concatenate(blocks, axis=1), bits, plan.preceding


def extract_words(model, tokenizer, text, spans, *, context, stimulus="story", **options):
    plan = plan_words(tokenizer, {stimulus: (text, spans)}, context, longest_input(model))
    return in_memory(model, plan, **options)


def extract_annotations(model, tokenizer, texts, *, stimulus="film", **options):
    return in_memory(model, plan_annotations(tokenizer, {stimulus: texts}, longest_input(model)), **options)


def assert_same(found, expected):
    """Each word's vector in each layer, to 1e-5 of its length."""
    error = np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
    assert found.shape == expected.shape and error.max() < TOLERANCE, error.max()


def words_of(tokenizer):
    """Tokens of each word of the text, as a list of lists."""
    offsets = tokenizer(TEXT, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    return [
        [i for i, (a, b) in enumerate(offsets) if TEXT[a:b].strip() and a + (TEXT[a] == " ") < stop and b > start]
        for start, stop in spans_of(TEXT)
    ]


def run_alone(model, tokenizer, ids):
    """All hidden states and the surprisal of each token of one window, by the whole model."""
    with torch.no_grad():
        output = model(torch.tensor([[tokenizer.bos_token_id, *ids]]), output_hidden_states=True)
    bits = -torch.log_softmax(output.logits[0, :-1], -1)[torch.arange(len(ids)), ids] / np.log(2)
    return np.stack([layer[0, 1:].numpy() for layer in output.hidden_states]), bits.numpy()


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
    extract_annotations(model, tokenizer, TEXTS * 3, batch_size=1)
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


def test_a_head_that_scales_its_product_is_refused(loaded, monkeypatch):
    model, tokenizer = loaded
    monkeypatch.setattr(model.config, "logit_scale", 0.5, raising=False)
    with pytest.raises(InputError, match="logit_scale: 0.5.*set it to false"):
        extract_words(model, tokenizer, TEXT, spans_of(TEXT), context={"max": 12})


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
