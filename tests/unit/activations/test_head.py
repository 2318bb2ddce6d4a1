"""Surprisal is that of the model's own logits, whatever the model does behind its last layer."""

import numpy as np
import pytest
import torch
from extraction import TEXT, run_alone, small_model, small_tokenizer, spans_of
from transformers import AutoConfig, AutoModelForCausalLM

from triphase.activations.extract import Extraction, extract
from triphase.activations.head import OwnHead, find_head
from triphase.activations.windows import plan_words
from triphase.core.errors import InputError

pytestmark = pytest.mark.model

SMALL = dict(num_hidden_layers=3, hidden_size=32, num_attention_heads=2, vocab_size=64)
SCALED = {
    "gemma2": dict(num_key_value_heads=1, intermediate_size=32, head_dim=16, final_logit_softcapping=1.0),
    "cohere": dict(num_key_value_heads=2, intermediate_size=32, logit_scale=0.2),
    "granite": dict(num_key_value_heads=2, intermediate_size=32, logits_scaling=4.0),
    "recurrent_gemma": dict(
        num_key_value_heads=1, intermediate_size=64, lru_width=32, attention_window_size=8, head_dim=16,
        logits_soft_cap=1.0,
    ),
}  # fmt: skip


def sharp(kind, **more):
    """A random model whose logits are far from alike."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SMALL, **more)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4) if parameter.ndim == 2 else None
    return model


@pytest.mark.parametrize("kind", SCALED)
def test_what_scales_or_caps_its_logits_has_the_surprisal_of_its_own_logits(kind):
    model, tokenizer = sharp(kind, **SCALED[kind]), small_tokenizer()
    plan = plan_words(tokenizer, {"s": (TEXT, spans_of(TEXT)[:12])}, {"max": 9, "stride": 1})
    bits = extract(model, plan, lambda _: None, Extraction(batch_size=3))
    for word, ((start, stop), first, last) in enumerate(zip(plan.windows, plan.first, plan.last, strict=True)):
        _, own = run_alone(model, tokenizer, plan.ids[start:stop])
        assert bits[word] == pytest.approx(own[first - start : last - start + 1].sum(), abs=1e-4)
    # The product alone is far off, so that equality says something.
    ids = np.array([plan.sink, *plan.ids[:8]])
    assert isinstance(find_head(model, ids, kind), OwnHead)


def test_a_plain_product_stays_in_pieces():
    assert not isinstance(find_head(small_model(), np.arange(8), "m"), OwnHead)


def test_logits_that_do_not_follow_from_the_last_layer_are_refused(monkeypatch):
    model = small_model()
    forward = model.forward

    def shifted(input_ids, **options):
        output = forward(input_ids=input_ids, **options)
        output.logits = output.logits + torch.nn.functional.one_hot(input_ids, 64)
        return output

    monkeypatch.setattr(model, "forward", shifted)
    with pytest.raises(InputError, match="GPTNeoXForCausalLM.*do not follow from its last hidden states"):
        find_head(model, np.arange(8), "org/m")


def test_ids_beyond_the_embedding_are_refused():
    model, tokenizer = small_model(), small_tokenizer()
    plan = plan_words(tokenizer, {"s": (TEXT, spans_of(TEXT)[:4])}, {"max": 9})
    plan.ids[2] = 64
    with pytest.raises(InputError, match=r"the id 64, its embedding has 64 rows \(ids 0 to 63\)"):
        extract(model, plan, lambda _: None)
