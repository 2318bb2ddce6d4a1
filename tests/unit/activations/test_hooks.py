from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from triphase.activations.hooks import find_layers, hooked_inputs, hooked_parts
from triphase.checkpoints.behaviour import headless

pytestmark = pytest.mark.model

SMALL = {"num_hidden_layers": 3, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 64}


class Base(nn.Module):
    """A model with modules of the given names."""

    def __init__(self, layers, **modules):
        super().__init__()
        self.config = SimpleNamespace(num_hidden_layers=layers)
        for name, module in modules.items():
            self.add_module(name, module)

    @property
    def base_model(self):
        return self


def blocks(n, **inner):
    return nn.ModuleList(nn.ModuleDict({"mlp": nn.Identity(), **inner}) for _ in range(n))


@pytest.mark.parametrize(
    ("kind", "path", "more"),
    [
        ("gpt_neox", "gpt_neox.layers", {}),
        ("olmo2", "model.layers", {}),
        ("gpt2", "transformer.h", {}),
        ("opt", "model.decoder.layers", {"word_embed_proj_dim": 16, "ffn_dim": 32}),
        ("mixtral", "model.layers", {"num_local_experts": 3, "num_key_value_heads": 2}),
    ],
)
def test_the_layers_of_an_architecture_are_found(kind, path, more):
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SMALL, **more))
    layers = find_layers(model)
    assert layers == list(model.get_submodule(path)) == find_layers(model.base_model) and len(layers) == 3


def test_a_list_of_as_many_experts_is_no_list_of_layers():
    base = Base(2, decoder=nn.ModuleDict({"layers": blocks(2, experts=nn.ModuleList([nn.Identity(), nn.Identity()]))}))
    assert find_layers(base) == list(base.decoder["layers"])


def test_layers_that_cannot_be_told_are_none():
    assert find_layers(Base(2, one=blocks(2), two=blocks(2))) == []
    assert find_layers(Base(2, one=blocks(3))) == []


def test_hooks_see_every_layer_in_order_change_nothing_and_go():
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt_neox", **SMALL)).eval()
    ids, seen, parts = torch.arange(8)[None], {}, []
    expected = model(ids, output_hidden_states=True)
    layers = find_layers(model)
    with (
        hooked_inputs(layers, seen.__setitem__),
        hooked_parts(layers, lambda layer, _: parts.append(layer) or "ignored"),
    ):
        logits = model(ids).logits
    assert torch.equal(logits, expected.logits)
    assert list(seen) == [0, 1, 2]
    assert all(torch.equal(states, expected.hidden_states[layer]) for layer, states in seen.items())
    assert set(parts) == {1, 2, 3} and parts == sorted(parts)
    seen.clear()
    with pytest.raises(RuntimeError), hooked_inputs(layers, seen.__setitem__):
        raise RuntimeError
    model(ids)
    assert not seen


def test_where_an_architecture_s_own_name_of_its_layers_leads_nowhere_they_are_found_all_the_same():
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama4_text", **SMALL, head_dim=8))
    assert model.base_model is model and headless(model) is model.model
    assert find_layers(model) == list(model.model.layers)


def test_a_model_of_several_inputs_has_the_layers_of_its_text():
    vision = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 8}
    config = AutoConfig.for_model(
        "gemma3",
        text_config=SMALL | {"num_key_value_heads": 1, "head_dim": 8},
        vision_config=vision | {"image_size": 28, "patch_size": 14},
    )
    assert len(find_layers(AutoModelForCausalLM.from_config(config))) == SMALL["num_hidden_layers"]
