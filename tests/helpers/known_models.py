"""Language models whose every answer is known, for tests of tasks."""

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutput

WORDS = [
    "<end>",
    "<unknown>",
    "A",
    "B",
    "C",
    "D",
    "1",
    "2",
    "3",
    "4",
    "letter",
    "digit",
    "cat",
    "dog",
    "sees",
    "see",
    "?",
    "answer",
    "is",
]


class Bigram(PreTrainedModel, GenerationMixin):
    """A language model whose next-word log-odds are one row of a table."""

    config_class = PretrainedConfig

    def __init__(self, table):
        super().__init__(
            PretrainedConfig(vocab_size=len(table), max_position_embeddings=32, num_hidden_layers=1, eos_token_id=0)
        )
        self.table = torch.nn.Parameter(torch.as_tensor(table, dtype=torch.float32))

    def forward(self, input_ids, attention_mask=None, **_):
        return CausalLMOutput(logits=self.table[input_ids])

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **_):
        return {"input_ids": input_ids}


class Copier(Bigram):
    """A model that repeats what came after the last earlier occurrence of the present word."""

    def forward(self, input_ids, attention_mask=None, **_):
        length = input_ids.shape[1]
        same = (input_ids[:, :, None] == input_ids[:, None, :]).float()
        earlier = same.tril(-1) * torch.arange(1, length + 1)
        place = earlier.argmax(-1)
        following = input_ids.gather(1, (place + 1).clamp(max=length - 1))
        logits = torch.nn.functional.one_hot(following, len(WORDS)).float() * 9
        return CausalLMOutput(logits=logits)


def word_tokenizer(words=tuple(WORDS)):
    """A tokenizer whose tokens are the words of a list; it ignores white space."""
    inner = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unknown>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", bos_token="<end>", unk_token="<unknown>")


def bigram(**odds):
    """Log-odds 0 but for `previous_next` pairs, as a model and its table of log-probabilities."""
    table = np.zeros((len(WORDS), len(WORDS)))
    for pair, value in odds.items():
        previous, following = pair.split("_")
        table[WORDS.index(previous), WORDS.index(following)] = value
    return Bigram(table), pd.DataFrame(torch.log_softmax(torch.tensor(table), -1).numpy(), index=WORDS, columns=WORDS)
