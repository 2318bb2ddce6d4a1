"""Labels are scored as what goes on with the prompt, under every kind of tokenizer."""

import numpy as np
import pytest
import torch
from known_models import Bigram
from tokenizer_kinds import KINDS

from triphase.tasks.harness import _label_likelihoods
from triphase.tasks.harness_api import Scorer

pytestmark = pytest.mark.model


def certain(tokenizer, context, answer):
    """A model that follows the prompt's last token, and each one of the answer, by the next with a probability of 1."""
    start = tokenizer(context, add_special_tokens=False).input_ids
    whole = tokenizer(context + answer, add_special_tokens=False).input_ids
    assert whole[: len(start)] == start
    table = np.zeros((len(tokenizer), len(tokenizer)))
    for one, two in zip(whole[len(start) - 1 :], whole[len(start) :], strict=False):
        table[one, two] = 40.0
    return Bigram(table)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("context", "labels"), [("答え：", ["は", "い"]), ("the answer:", ["A", "B"])])
@pytest.mark.parametrize("space", ["", " "])
def test_a_certain_model_puts_all_its_mass_on_the_label(kind, context, labels, space):
    tokenizer = KINDS[kind]()
    scorer = Scorer(certain(tokenizer, context, space + labels[0]), tokenizer, 4)
    by_label, masses = _label_likelihoods(scorer, [context, context], labels)
    assert masses == pytest.approx([1.0, 1.0], abs=1e-6)
    assert by_label[0][0] == pytest.approx(0.0, abs=1e-6) and by_label[0][1] < -10


def test_a_label_that_merges_with_the_prompt_is_scored_as_a_token_of_its_own():
    tokenizer = KINDS["byte-level BPE"]()
    context, label = "ha", "t"
    whole = tokenizer.tokenize(context + label)
    assert whole == ["hat"]
    model = Bigram(np.zeros((len(tokenizer), len(tokenizer))))
    last = tokenizer(context).input_ids[-1]
    model.table.data[last, tokenizer.convert_tokens_to_ids("t")] = 40.0
    (values,), (mass,) = _label_likelihoods(Scorer(model, tokenizer, 1), [context], [label])
    assert torch.tensor([values[0], mass]).allclose(torch.tensor([0.0, 1.0]), atol=1e-6)
