"""Mechanism, on models whose weights are set by hand so that each measure is known, beside transformers' own output."""

from types import SimpleNamespace

import measure_mechanism
import numpy as np
import pandas as pd
import pytest
import small_models
import torch
from jobs import run
from project import ROOT
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from triphase.checkpoints.find import find_checkpoint
from triphase.core.artefacts import read_table, write_json, write_table
from triphase.core.errors import InputError
from triphase.demo.grammar import Speaker
from triphase.demo.novel import check_held_out
from triphase.demo.stories import random_state
from triphase.demo.world import documents
from triphase.states.mechanism import reading
from triphase.states.mechanism.attention import entropy, first_share, prefix_matching
from triphase.states.mechanism.inputs import (
    CONTINUATION,
    PROMPT,
    read_text,
    repeated_tokens,
    stimulus_texts,
    text_windows,
)
from triphase.states.mechanism.reading import read
from triphase.states.mechanism.rows import induction_rows, stimulus_rows
from triphase.table.relation import surprisal_relation
from triphase.table.tidy import typed

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("one_thread")]

VOCABULARY, LENGTH, SEQUENCES = 48, 20, 5
SIZE = PROMPT + CONTINUATION


@pytest.fixture(scope="module")
def tokenizer():
    inner = Tokenizer(models.WordLevel({"<s>": 0, **{f"w{k}": k for k in range(1, VOCABULARY)}}, unk_token="<s>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", unk_token="<s>")


def silent(layers, features, rotary=0.25):
    """A GPT-NeoX whose layers do nothing: attention is uniform, what is read out is the embedding of the token.

    The first VOCABULARY features are the token; the features past those are free.
    """
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY, hidden_size=features, num_hidden_layers=layers, num_attention_heads=1,
        intermediate_size=8, max_position_embeddings=128, use_parallel_residual=False,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": rotary},
    )  # fmt: skip
    model = GPTNeoXForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        model.gpt_neox.embed_in.weight[:, :VOCABULARY] = torch.eye(VOCABULARY)
    return model


def induction_model():
    """Two layers with one head each: the first looks at the token before, the second for where the token was before.

    Features: the token, the token before it (written by layer 1), the token to come (written by layer 2).
    """
    model, rotary = silent(2, 3 * VOCABULARY, rotary=1 / 9), VOCABULARY // 3
    token, before, coming = (slice(k * VOCABULARY, (k + 1) * VOCABULARY) for k in range(3))
    eye, half, n = torch.eye(VOCABULARY), rotary // 2, 3 * VOCABULARY
    angles = 10000.0 ** (-torch.arange(half) / half)
    with torch.no_grad():
        previous, matching = (layer.attention for layer in model.gpt_neox.layers)
        for attention, written in ((previous, before), (matching, coming)):
            attention.query_key_value.weight[2 * n : 3 * n][token, token] = eye
            attention.dense.weight[written, token] = eye
        # Rotated by their positions, query and key agree best one position apart.
        query, key = previous.query_key_value.bias[:n], previous.query_key_value.bias[n : 2 * n]
        query[:half], query[half:rotary], key[:half] = 100 * angles.cos(), -100 * angles.sin(), 100.0
        query, key = matching.query_key_value.weight[:n], matching.query_key_value.weight[n : 2 * n]
        content = slice(rotary, rotary + VOCABULARY)
        query[content, token], key[content, before] = 10 * eye, 10 * eye
        model.lm_head.weight[:, coming] = 10 * eye
    return model


def successor_model(weight=20.0):
    """After token k it expects k + 1, and token 1 after the last: with 0 it expects every token alike."""
    model = silent(1, VOCABULARY)
    with torch.no_grad():
        for token in range(1, VOCABULARY):
            model.lm_head.weight[token % (VOCABULARY - 1) + 1, token] = weight
    return model


def successors(n):
    """Text of n tokens in which each is the successor of the one before."""
    return [f"w{k % (VOCABULARY - 1) + 1}" for k in range(n)]


def value_of(rows, measure, layer=None, target=None):
    (found,) = [value for at, name, value in rows if (at, name, value.target) == (layer, measure, target)]
    return found.value, found.se, found.n


def test_repeated_tokens_are_fixed_whole_and_without_repeats(tokenizer):
    ids = repeated_tokens(tokenizer, SEQUENCES, LENGTH, seed=3)
    assert ids.shape == (SEQUENCES, 1 + 2 * LENGTH) and (ids[:, 0] == tokenizer.bos_token_id).all()
    np.testing.assert_array_equal(ids[:, 1 : LENGTH + 1], ids[:, LENGTH + 1 :])
    assert all(len(set(row[1:].tolist())) == LENGTH for row in ids) and 0 not in ids[:, 1:]
    np.testing.assert_array_equal(ids, repeated_tokens(tokenizer, SEQUENCES, LENGTH, seed=3))
    assert (ids != repeated_tokens(tokenizer, SEQUENCES, LENGTH, seed=4)).any()
    for length, limit, most in ((VOCABULARY, None, VOCABULARY - 1), (32, 64, 31)):
        with pytest.raises(InputError, match=f"states/mechanism/length: {length} tokens.* at most {most}"):
            repeated_tokens(tokenizer, 1, length, 0, limit)


def test_windows_lie_evenly_in_whole_texts(tokenizer):
    texts = [" ".join(successors(n)) for n in (3 * SIZE + 5, SIZE - 1, 2 * SIZE)]
    windows = text_windows(tokenizer, texts, 99)
    assert windows.shape == (5, SIZE + 1) and (windows[:, 0] == 0).all()
    np.testing.assert_array_equal(windows[:, 1], np.array([0, SIZE, 2 * SIZE, 0, SIZE]) % (VOCABULARY - 1) + 1)
    np.testing.assert_array_equal(text_windows(tokenizer, texts, 3), windows[[0, 2, 4]])
    assert text_windows(tokenizer, [texts[1]], 3).shape == (0, SIZE + 1)
    with pytest.raises(InputError, match="states/mechanism: .* 48 positions"):
        text_windows(tokenizer, texts, 3, limit=SIZE)


def test_an_annotation_that_lasts_is_read_once():
    words = pd.DataFrame({"stimulus": ["a", "a", "a", "b"], "word": ["one", "one", "two", "one"]})
    words.attrs = {"unit": "annotation", "texts": {"a": "one\none\ntwo", "b": "one"}}
    assert stimulus_texts(words) == ["one\ntwo", "one"]
    words.attrs["unit"] = "word"
    assert stimulus_texts(words) == ["one\none\ntwo", "one"]


def test_an_induction_head_is_found_and_only_that(tokenizer):
    ids = repeated_tokens(tokenizer, SEQUENCES, LENGTH, seed=0)
    rows, reasons = induction_rows(induction_model(), ids)
    assert not reasons
    for key in ({"measure": "induction_head", "target": "0"}, {"measure": "induction_head_max"},
                {"measure": "induction_head_mean"}):  # fmt: skip
        assert value_of(rows, layer=1, **key)[0] < 1e-3
        assert value_of(rows, layer=2, **key)[0] > 0.999
    value, _, n = value_of(rows, "in_context_score")
    # Said a second time, a token is all but certain; the first time it is hardly better than one of the vocabulary.
    assert n == SEQUENCES and value < -0.9 * np.log2(VOCABULARY)


def test_uniform_attention_scores_what_it_must(tokenizer):
    ids = repeated_tokens(tokenizer, SEQUENCES, LENGTH, seed=0)
    rows, _ = induction_rows(silent(2, 64), ids)
    chance = (1 / np.arange(LENGTH + 2, 2 * LENGTH + 2)).mean()
    for layer in (1, 2):
        value, error, n = value_of(rows, "induction_head_mean", layer)
        np.testing.assert_allclose([value, error], [chance, 0], atol=1e-7)
        assert n == SEQUENCES
    windows = text_windows(tokenizer, [" ".join(successors(4 * SIZE))], 4)
    rows, reasons = stimulus_rows(silent(2, 64), windows, None)
    np.testing.assert_allclose(value_of(rows, "attention_entropy", 2), [1, 0, 4], atol=1e-6)
    sink = (1 / np.arange(2, SIZE + 2)).mean()
    np.testing.assert_allclose(value_of(rows, "attention_first", 2), [sink, 0, 4], atol=1e-7)
    assert value_of(rows, "contamination")[0] == 0 and not reasons


def test_scores_of_weights_that_look_at_one_place():
    positions = 2 * LENGTH + 1
    weights = torch.zeros(2, 3, positions, positions)
    at = torch.arange(positions)
    weights[:, 0, at, (at - LENGTH + 1).clamp(0)] = 1  # induction
    weights[:, 1, at, (at - LENGTH).clamp(0)] = 1  # the earlier occurrence itself
    weights[:, 2, at, 0] = 1
    np.testing.assert_array_equal(prefix_matching(weights), [[1, 0, 0]] * 2)
    np.testing.assert_array_equal(entropy(weights), np.zeros((2, 3)))
    np.testing.assert_allclose(first_share(weights)[:, 2], 1)


def architectures():
    small = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
             "intermediate_size": 48, "max_position_embeddings": 64}  # fmt: skip
    for kind in ("gpt_neox", "llama", "olmo", "olmo2"):
        more = {} if kind == "gpt_neox" else {"num_key_value_heads": 2}
        yield pytest.param(AutoConfig.for_model(kind, **small, **more, initializer_range=0.5), id=kind)


@pytest.mark.parametrize("config", architectures())
def test_layers_give_the_weights_that_the_model_has_and_its_own_loss(config, monkeypatch):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    ids = np.random.default_rng(0).integers(1, 100, (7, 25))
    scores = {"matching": prefix_matching, "entropy": entropy}
    bits, likeliest, attention = read(model, ids, scores)
    assert model.config._attn_implementation == "sdpa"
    monkeypatch.setattr(reading, "NUMBERS", 3 * 25 * 100)
    pieces = read(model, ids, scores)
    np.testing.assert_allclose(pieces[0], bits, atol=1e-4)
    np.testing.assert_array_equal(pieces[1], likeliest)
    model.set_attn_implementation("eager")
    inputs = torch.from_numpy(ids)
    with torch.no_grad():
        output = model(input_ids=inputs, labels=inputs, output_attentions=True, use_cache=False)
    assert bits.mean() * np.log(2) == pytest.approx(output.loss.item(), rel=1e-5)
    np.testing.assert_array_equal(likeliest, output.logits[:, :-1].argmax(-1) == inputs[:, 1:])
    for name, score in scores.items():
        assert list(attention[name]) == [1, 2, 3]
        for layer, weights in enumerate(output.attentions, start=1):
            assert attention[name][layer].shape == (7, 4)
            np.testing.assert_allclose(attention[name][layer], score(weights), atol=1e-5)
            np.testing.assert_allclose(pieces[2][name][layer], score(weights), atol=1e-5)


def test_a_model_without_weights_has_gaps_and_the_reason(tokenizer, monkeypatch):
    model = silent(2, 64)
    monkeypatch.setattr(model, "set_attn_implementation", lambda kind: None)
    model.config._attn_implementation_internal = "sdpa"
    rows, reasons = induction_rows(model, repeated_tokens(tokenizer, SEQUENCES, LENGTH, seed=0))
    for measure in ("induction_head_max", "induction_head_mean"):
        value, _, n = value_of(rows, measure, 1)
        assert np.isnan(value) and n == 0
    assert value_of(rows, "in_context_score")[0] == pytest.approx(0, abs=1e-5)
    assert set(reasons) == {"induction_head_max", "induction_head_mean"}
    windows = text_windows(tokenizer, [" ".join(successors(2 * SIZE))], 2)
    rows, reasons = stimulus_rows(model, windows, None)
    assert np.isnan(value_of(rows, "attention_entropy", 1)[0]) and value_of(rows, "contamination")[0] == 0
    assert reasons["attention_entropy"] == "layers [1, 2]: the model gives no attention weights that sum to 1"


def test_contamination_is_what_greedy_generation_reproduces(tokenizer):
    known, model = successors(6 * SIZE), successor_model()
    rng = np.random.default_rng(0)
    unknown = [f"w{k}" for k in rng.integers(1, VOCABULARY, 6 * SIZE)]
    # Of six windows two are broken: one in the prompt, which does no harm, one in the last token.
    mixed = known.copy()
    mixed[3], mixed[2 * SIZE - 1] = "w9", "w9"
    for words, expected in ((known, 1), (mixed, 5 / 6), (unknown, 0)):
        windows = text_windows(tokenizer, [" ".join(words)], 6)
        rows, _ = stimulus_rows(model, windows, None)
        value, error, n = value_of(rows, "contamination")
        assert value == pytest.approx(expected) and n == 6 and error > 0
        prompt = torch.from_numpy(windows[:, : PROMPT + 1])
        written = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=CONTINUATION,
            pad_token_id=0, eos_token_id=None,
        )  # fmt: skip
        assert value == pytest.approx((written.numpy() == windows).all(1).mean())


def test_surprisal_over_unseen_text(tokenizer):
    windows, unseen = (
        text_windows(tokenizer, [" ".join(words)], 6)
        for words in (
            successors(6 * SIZE),
            [f"w{k}" for k in np.random.default_rng(0).integers(1, VOCABULARY, 9 * SIZE)],
        )
    )
    rows, reasons = stimulus_rows(successor_model(), windows, unseen)
    assert value_of(rows, "contamination_surprisal")[0] < -5 and not reasons
    # An untrained model finds every token alike, whatever the texts.
    rows, _ = stimulus_rows(successor_model(0.0), windows, unseen)
    np.testing.assert_allclose(value_of(rows, "contamination_surprisal"), [0, 0, 6], atol=1e-5)
    rows, reasons = stimulus_rows(successor_model(), windows[:0], unseen)
    for measure, layer in (("contamination", None), ("contamination_surprisal", None), ("attention_first", 1)):
        value, _, n = value_of(rows, measure, layer)
        assert np.isnan(value) and n == 0 and "no text is as long" in reasons[measure]


def curve(model, checkpoints, bits, alignment, **keys):
    shared = {"model": model, "checkpoint": checkpoints, "tokens": range(len(checkpoints))}
    surprisal = pd.DataFrame(shared | {"measure": "surprisal", "value": bits})
    return [
        typed(frame)
        for frame in (surprisal, pd.DataFrame(shared | {"measure": "alignment", "value": alignment} | keys))
    ]


def test_relation_of_surprisal_to_alignment():
    names = [f"step{k}" for k in range(6)]
    falling = [10.0, 8, 7, 5, 2, 1]
    mirrored = [0.0, 0.1, 0.11, 0.2, 0.3, 0.4]
    tables = curve("a", names, falling, mirrored, subject="s1", roi="all")
    tables += curve("b", names, falling, [0.1] * 6, subject="s1", roi="all")
    tables += curve("c", names[:4], falling[:4], mirrored[:4], subject="s1", roi="all")
    found = surprisal_relation(pd.concat(tables)).set_index(["model", "measure"])
    assert found.loc[("a", "surprisal_relation"), "value"] == pytest.approx(-1)
    assert found.loc[("a", "surprisal_relation"), "n"] == 6
    from scipy.stats import spearmanr

    changes = spearmanr(np.diff(falling), np.diff(mirrored)).statistic
    assert found.loc[("a", "surprisal_relation_changes"), "value"] == pytest.approx(changes)
    assert found.loc[("a", "surprisal_relation_changes"), "n"] == 5
    assert found.loc[["b", "c"], "value"].isna().all()
    assert surprisal_relation(pd.concat(tables[1:2])).empty


def test_the_embedded_studys_unseen_text_is_of_its_grammar_and_nowhere_else():
    text = (ROOT / "resources/texts/embedded_unseen.txt").read_text()
    story = Speaker(random_state(0, "story", "unseen")).story(170)
    assert text.split() == [word.word for word in story]
    mixture = {"stories": 0.5, "facts": 0.15, "questions": 0.1, "instructions": 0.25}
    check_held_out(documents(mixture, 100_000, 11), {"unseen": text})


def test_a_text_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("Schön".encode("latin-1"))
    with pytest.raises(InputError, match="states/mechanism/unseen: .*text.txt cannot be read as UTF-8"):
        read_text(path)


def test_one_checkpoint_from_its_files_to_the_table(tmp_path):
    folder = small_models.write(tmp_path / "model", small_models.checkpoint(layers=2))
    write_json(tmp_path / "manifest.json", find_checkpoint("org/name", "step1", folder=folder))
    said = " ".join(f"w{k}" for k in np.random.default_rng(0).integers(1, 64, 200))
    words = pd.DataFrame({"stimulus": ["a"], "word": ["w1"]})
    write_table(tmp_path / "words.parquet", words, unit="word", texts={"a": said}, hashes={"a": "x"})
    (tmp_path / "unseen.txt").write_text(said[::-1].replace("w", " w"))
    paths = SimpleNamespace(
        checkpoint=tmp_path / "manifest.json", words=tmp_path / "words.parquet", unseen=[tmp_path / "unseen.txt"],
        mechanism=tmp_path / "mechanism.parquet",
    )  # fmt: skip
    options = {"length": 20, "dtype": "float32", "seed": 0}
    run(measure_mechanism, paths, **options)
    table = read_table(paths.mechanism)
    assert table.attrs["revision"] == "step1" and table.attrs["missing"] == {}
    found = table.set_index(["measure", "layer"])["value"].sort_index()
    heads = table[table["measure"] == "induction_head"]
    assert heads.groupby("layer")["target"].apply(list).to_dict() == dict.fromkeys((1, 2), list("0123"))
    layered = ["induction_head", "induction_head_max", "induction_head_mean", "attention_entropy", "attention_first"]
    assert {(measure, layer) for measure in layered for layer in (1, 2)} <= set(found.index)
    assert table["measure"].isin([*layered, "in_context_score", "contamination", "contamination_surprisal"]).all()
    assert found.notna().all() and found["attention_entropy"].between(0, 1).all()
    # Random weights attend to nearly everything alike and know no text.
    assert found["attention_entropy"].min() > 0.9
    assert table.loc[table["measure"] == "contamination", "value"].tolist() == [0]
    run(measure_mechanism, paths, **options)
    pd.testing.assert_frame_equal(read_table(paths.mechanism), table)


@pytest.mark.parametrize(
    ("kind", "more"),
    [("mamba", {}), ("rwkv", {"attention_hidden_size": 16}), ("gpt_oss", {"num_local_experts": 4, "head_dim": 8})],
)
def test_models_without_attention_or_with_sinks_lack_its_measures_with_the_reason(tokenizer, kind, more):
    torch.manual_seed(0)
    small = dict(num_hidden_layers=2, hidden_size=16, num_attention_heads=2, num_key_value_heads=2)
    config = AutoConfig.for_model(kind, **small, intermediate_size=32, vocab_size=VOCABULARY, **more)
    model = AutoModelForCausalLM.from_config(config).eval()
    rows, reasons = induction_rows(model, repeated_tokens(tokenizer, 3, 8, seed=0))
    missing = "layers [1, 2]: the model gives no attention weights that sum to 1"
    assert reasons == {"induction_head_max": missing, "induction_head_mean": missing}
    values = {measure: value.value for _, measure, value in rows}
    assert np.isnan(values["induction_head_max"]) and np.isfinite(values["in_context_score"])


def test_tokens_that_the_embedding_lacks_are_not_drawn(tokenizer):
    ids = repeated_tokens(tokenizer, 40, 8, seed=0, rows=20)
    assert ids.max() == 19 < len(tokenizer)
