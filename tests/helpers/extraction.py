"""A text, and its extraction by a small model into memory."""

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedTokenizerFast

from triphase.activations.extract import Extraction, extract
from triphase.activations.windows import longest_input, plan_annotations, plan_words

TEXT = " ".join(["the little cat sees a very big hat and runs"] * 6)
TOLERANCE = 1e-5


def small_tokenizer():
    """A tokenizer of bytes and their pairs in the text."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=30, special_tokens=["<s>"]))
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>")


def small_model():
    """A GPT-NeoX with random weights that reads 32 tokens."""
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config).eval()


def spans_of(text):
    """First character and the one behind the last of each word."""
    starts = np.cumsum([0] + [len(word) + 1 for word in text.split()][:-1])
    return np.array([[start, start + len(word)] for start, word in zip(starts, text.split(), strict=True)])


def in_memory(model, plan, name="model", **settings):
    """Blocks of words put together, surprisal, preceding tokens."""
    blocks = []
    bits = extract(model, plan, blocks.append, Extraction(**settings), name)
    return np.concatenate(blocks, axis=1), bits, plan.preceding


def extract_words(model, tokenizer, text, spans, *, context, stimulus="story", **options):
    """What a model makes of the words of one text: see `in_memory`."""
    plan = plan_words(tokenizer, {stimulus: (text, spans)}, context, longest_input(model))
    return in_memory(model, plan, **options)


def extract_annotations(model, tokenizer, texts, *, stimulus="film", **options):
    """What a model makes of texts that are each read alone: see `in_memory`."""
    return in_memory(model, plan_annotations(tokenizer, {stimulus: texts}, longest_input(model)), **options)


def assert_same(found, expected):
    """Each word's vector in each layer, to 1e-5 of its length."""
    error = np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
    assert found.shape == expected.shape and error.max() < TOLERANCE, error.max()


def run_alone(model, tokenizer, ids):
    """All hidden states and the surprisal of each token of one window, by the whole model."""
    with torch.no_grad():
        output = model(torch.tensor([[tokenizer.bos_token_id, *ids]]), output_hidden_states=True)
    bits = -torch.log_softmax(output.logits[0, :-1], -1)[torch.arange(len(ids)), ids] / np.log(2)
    return np.stack([layer[0, 1:].numpy() for layer in output.hidden_states]), bits.numpy()
