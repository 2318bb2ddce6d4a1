"""Trains a small causal language model with transformers and saves it at given steps as revisions of a repository.

A recipe (`train:` in the config) fixes everything; on one core the same recipe gives the same weights.
"""

import logging
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from triphase.core.errors import InputError
from triphase.core.types import Section
from triphase.demo.hub import new_repository
from triphase.demo.novel import check_held_out, later_chapters
from triphase.demo.tokenizers import train_tokenizer
from triphase.demo.world import documents

ARCHITECTURES = ("gpt_neox", "olmo2", "llama")


def corpus(recipe: Section, seed: int, local_data: str | None, stimuli: Mapping[str, str]) -> list[str]:
    """Training documents: from the embedded study's grammar, or from the later chapters of a novel.

    Parameters
    ----------
    recipe : `mixture` and `words`, or `path` (of a text below `local_data`), `from` and, optionally, `to`
    seed : of the grammar's text
    local_data : folder of the user's files
    stimuli : dict of stimulus to running text; what the listeners heard: a text must not hold it
    """
    if "mixture" in recipe:
        return documents(recipe["mixture"], recipe["words"], seed)
    if not local_data:
        raise InputError(f"train/corpus/path: {recipe['path']!r} lies below local_data, which is not set")
    texts = later_chapters(Path(local_data) / recipe["path"], recipe["from"], recipe.get("to"))
    check_held_out(texts, stimuli)
    return texts


def build(
    architecture: str, *, vocabulary: int, layers: int, width: int, heads: int, context: int, end: int
) -> transformers.PreTrainedModel:
    """A randomly initialised causal language model of one of `ARCHITECTURES`; its MLP is 4 x (gated: 2.5 x) as wide."""
    shared: Section = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": context,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "tie_word_embeddings": True,
    }
    if architecture == "gpt_neox":
        config: Any = transformers.GPTNeoXConfig(**shared, intermediate_size=4 * width)
    elif architecture == "olmo2":
        config = transformers.Olmo2Config(**shared, intermediate_size=5 * width // 2)
    elif architecture == "llama":
        config = transformers.LlamaConfig(**shared, intermediate_size=5 * width // 2)
    else:
        raise InputError(f"train.architecture: {architecture!r} is not known; it must be one of {ARCHITECTURES}.")
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")


def windows(
    tokenizer: Any, texts: Sequence[str], context: int, batch: int, steps: int, seed: int
) -> Iterator[torch.Tensor]:
    """Batches of training windows: the end-of-text token, then `context` - 1 tokens from a random place of the corpus.

    Yields
    ------
    torch.LongTensor, (batch, context)

    Raises
    ------
    InputError
        The corpus is shorter than one window.
    """
    end = tokenizer.eos_token_id
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    stream = np.concatenate([np.array([end, *document]) for document in ids])
    if len(stream) <= context:
        raise InputError(f"train.corpus: the training text has {len(stream)} tokens; a window alone has {context}.")
    rng = np.random.default_rng([seed, 1])
    for _ in range(steps):
        starts = rng.integers(len(stream) - context + 1, size=batch)
        rows = stream[starts[:, None] + np.arange(context - 1)]
        yield torch.from_numpy(np.concatenate([np.full((batch, 1), end), rows], axis=1))


def training_windows(
    tokenizer: Any, recipe: Section, texts: Sequence[str], interlude: Sequence[str]
) -> Iterator[torch.Tensor]:
    """Batches of a whole training: of the corpus, but of the interlude's text from its step `from` up to its step `to`.

    The corpus is taken up again where it was left, so that two models of one seed read the same up to the interlude.
    """
    steps, shape = max(recipe["saves"]), (recipe["context"], recipe["batch"])
    own = windows(tokenizer, texts, *shape, steps, recipe["seed"])
    if not recipe.get("interlude"):
        yield from own
        return
    first, last = recipe["interlude"]["from"], recipe["interlude"]["to"]
    other = windows(tokenizer, interlude, *shape, last - first, recipe["seed"])
    for step in range(steps):
        yield next(other if first <= step < last else own)


def learning_rate(step: int, *, peak: float, warmup: int, steps: int) -> float:
    """Linear warm-up to `peak` over `warmup` steps, then a cosine to a tenth of it at the last step."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    return peak * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def train(
    recipe: Section, repository: str, hub: str | Path, local_data: str | None, stimuli: Mapping[str, str]
) -> dict[str, str]:
    """Train one model and write its revisions.

    Parameters
    ----------
    recipe : dict
        seed, architecture, layers, width, heads, context, batch, learning_rate, warmup, saves (steps at which a
        revision `step<N>` is saved; training ends with the last), tokenizer (kind, vocabulary), corpus and, optionally,
        interlude (from, to, in steps; words, mixture). The tokenizer knows the corpus alone.
    repository : "organisation/name"
    hub : cache folder that the repository is written to, whole or not at all
    local_data : folder of the user's files, for a corpus that is a text
    stimuli : dict of stimulus to running text; for a corpus that is a text, which must not hold them

    Returns
    -------
    dict of str to str
        Commit of every revision.

    Raises
    ------
    InputError
        A value of the recipe is not possible; the message names the key.
    """
    steps, seed = max(recipe["saves"]), recipe["seed"]
    if recipe["width"] % (2 * recipe["heads"]):
        raise InputError(f"train.width: {recipe['width']} must be an even multiple of train.heads ({recipe['heads']}).")
    torch.set_num_threads(1)  # sums depend on the number of threads
    torch.manual_seed(seed)
    texts, between = corpus(recipe["corpus"], seed, local_data, stimuli), recipe.get("interlude")
    other = documents(between["mixture"], between["words"], seed + 1) if between else []
    logging.info("%d documents, %d words", len(texts), sum(len(text.split()) for text in texts))
    tokenizer = train_tokenizer(recipe["tokenizer"]["kind"], texts, recipe["tokenizer"]["vocabulary"])
    model = build(
        recipe["architecture"],
        vocabulary=len(tokenizer),
        end=tokenizer.eos_token_id,
        **{key: recipe[key] for key in ("layers", "width", "heads", "context")},
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    with new_repository(hub, repository) as target:

        def save(step):
            if step in recipe["saves"]:
                with tempfile.TemporaryDirectory(dir=target.folder) as folder:
                    model.save_pretrained(folder)
                    tokenizer.save_pretrained(folder)
                    target.add(f"step{step}", folder)

        model.train()
        save(0)
        for step, batch in enumerate(training_windows(tokenizer, recipe, texts, other)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, peak=recipe["learning_rate"], warmup=recipe["warmup"], steps=steps)
            loss = model(input_ids=batch, labels=batch, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            save(step + 1)
            if (step + 1) % max(steps // 20, 1) == 0:
                logging.info("step %d of %d, loss %.3f", step + 1, steps, loss.item())
        return dict(target.revisions)
