"""What a model must be is found by looking at it and by running it, not by names."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from triphase.checkpoints.find import find_checkpoint
from triphase.checkpoints.loading import load_model
from triphase.core.errors import InputError

pytestmark = pytest.mark.model

SMALL = dict(
    num_hidden_layers=3,
    hidden_size=32,
    num_attention_heads=4,
    num_key_value_heads=4,
    intermediate_size=64,
    vocab_size=64,
)


@pytest.fixture
def saved(tmp_path):
    """A function that writes a random checkpoint of a kind and returns its manifest."""

    def save(kind, **more):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SMALL, **more)).save_pretrained(tmp_path)
        (tmp_path / "tokenizer.json").write_text("{}")
        return find_checkpoint("org/m", "main", folder=tmp_path)

    return save


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_models_that_see_what_comes_after_a_token_are_refused_untrained_as_they_may_be(saved, kind, dtype):
    with pytest.raises(InputError, match="org/m at main: .* is not causal: its states change by 0.0"):
        load_model(saved(kind), dtype=dtype)


@pytest.mark.parametrize("kind", ["llama", "gpt_neox", "mamba", "mixtral"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_models_that_read_from_left_to_right_are_not(saved, kind, dtype):
    assert load_model(saved(kind), dtype=dtype).training is False


def test_weights_of_layers_that_the_config_does_not_count_are_refused(saved, tmp_path):
    saved("llama")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(InputError, match=r"9 tensors of layers that config.json does not count, model.layers.2\."):
        load_model(find_checkpoint("org/m", "main", folder=tmp_path))


EXTRA = {
    "a bias of every layer": ("model.layers.0.self_attn.q_proj.bias", True),
    "a norm of every layer": ("model.layers.0.self_attn.q_norm.weight", True),
    "a bias of the head": ("lm_head.bias", True),
    "embeddings of places": ("model.embed_positions.weight", True),
    "another head": ("score.weight", False),
    "a mask of older releases": ("model.layers.0.attention.bias", False),
    "frequencies of older releases": ("model.layers.0.self_attn.rotary_emb.inv_freq", False),
    "a part for images": ("vision_tower.layers.0.self_attn.q_proj.weight", False),
}


@pytest.mark.parametrize(("name", "refused"), EXTRA.values(), ids=EXTRA)
def test_kind_truncated_weights_that_the_config_has_no_place_for_are_refused(saved, tmp_path, name, refused):
    saved("llama")
    tensors = load_file(tmp_path / "model.safetensors") | {name: torch.ones(4)}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    found = find_checkpoint("org/m", "main", folder=tmp_path)
    if refused:
        with pytest.raises(InputError, match=f"1 tensors that the model as config.json describes it .*{name} first"):
            load_model(found)
    else:
        assert load_model(found).config.num_hidden_layers == 3
