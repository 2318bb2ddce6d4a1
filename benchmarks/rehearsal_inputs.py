"""Small stand-ins for everything that the paper's studies read: a hub, four models, a data set, items of tasks.

Weights are random and small; architectures, tokenizer kinds, names of repositories and revisions, file names and the
layout of every file are those of the real ones.
"""

import io
import json
import random
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from fake_hub import FakeHub  # noqa: E402
from layouts import write_movie  # noqa: E402
from small_models import as_bin  # noqa: E402
from tasks_of_harness import MADE  # noqa: E402
from tokenizer_kinds import byte_level, sentencepiece_bpe, unigram  # noqa: E402

from triphase.config.families import load_families, resolve_models  # noqa: E402

# Five of the sixteen places on the studies' grid of tokens: both ends and what lies between at equal ratios.
TOKENS = [4.0e9, 2.0e10, 1.0e11, 4.6e11, 1.25e12]
RUNS = ["heroes_run-04", "heroes_run-05", "suits_run-02", "suits_run-03"]
SUBJECTS = ["S01", "S02"]
ITEMS, SEED = 12, 5
# Of both architectures' real depth, so that layers have their real numbers.
LAYERS, WIDTH, HEADS = 32, 32, 4
LLM_JP = {"folder": "llm-jp-3-7.2b", "tokens_per_step": 4194304}
LETTERS = "一二三四五"
# By task: an item in the form of its data set.
FORMS = MADE | {
    "multiblimp_eng": lambda draw: {
        "sen": "The cats see .", "wrong_sen": "The cats sees .", "phenomenon": "SV-#", "lang": "eng",
        "distance": draw.randrange(4),
    },
}  # fmt: skip


def _architectures():
    """By repository: class of the config, what it needs beside the sizes, tokenizer."""
    from transformers import LlamaConfig, Olmo2Config, OlmoConfig

    return {
        "allenai/OLMo-2-1124-7B": (Olmo2Config, byte_level),
        "allenai/OLMo-7B-0724-hf": (OlmoConfig, byte_level),
        "LLM360/Amber": (LlamaConfig, sentencepiece_bpe),
        LLM_JP["folder"]: (LlamaConfig, lambda: unigram("first")),
    }


@cache
def checkpoint(repository, seed):
    """Files of a checkpoint with random weights: dict of name to bytes."""
    import torch
    from transformers import AutoModelForCausalLM

    config_of, tokenizer_of = _architectures()[repository]
    tokenizer = tokenizer_of()
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "max_position_embeddings": 2048, "initializer_range": 0.1,
    }  # fmt: skip
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    torch.manual_seed(SEED + seed)
    model = AutoModelForCausalLM.from_config(config_of(**sizes, **special))
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    with TemporaryDirectory() as folder:
        # Several shards and their index, as models of this size come.
        model.save_pretrained(folder, max_shard_size=size // 3)
        tokenizer.save_pretrained(folder)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    # Older checkpoints come as .bin shards.
    return as_bin(files) if repository == "LLM360/Amber" else files


def repositories():
    """What the hub serves: every published revision of the three models, and the data of the harness's tasks.

    A revision has the weights of the place on the grid that is nearest in its tokens.
    """
    families = load_families(ROOT / "resources/registry/models.yaml")
    served = {}
    for family in ("olmo2-7b", "olmo-0724-7b", "amber"):
        (model,) = resolve_models([{"name": "m", "family": family, "layers": [1], "checkpoints": "all"}], families)
        for entry in model["checkpoints"]:
            near = min(range(len(TOKENS)), key=lambda number: abs(TOKENS[number] - entry["tokens"]))
            repository = entry.get("repository", model["repository"])
            served.setdefault(repository, {})[entry["revision"]] = checkpoint(repository, near)
    return served | {
        "datasets/allenai/ai2_arc": {"main": _splits("ARC-Easy", "arc_easy", ("train", "validation", "test"))},
        "datasets/Rowan/hellaswag": {"main": _splits("default", "hellaswag", ("train", "validation", "test"))},
        "datasets/jumelet/multiblimp": {"main": _splits("eng", "multiblimp_eng", ("train",))},
    }


def _splits(subset, task, names):
    """Files of a data set of the hub: a page that lists its splits, and a Parquet file for each."""
    draw = random.Random(SEED)
    folder = "data" if subset == "default" else subset
    listed = "\n".join(f"  - split: {name}\n    path: {folder}/{name}-*" for name in names)
    files = {"README.md": f"---\nconfigs:\n- config_name: {subset}\n  data_files:\n{listed}\n---\n".encode()}
    for name in names:
        buffer = io.BytesIO()
        pd.DataFrame([FORMS[task](draw) for _ in range(ITEMS)]).to_parquet(buffer, index=False)
        files[f"{folder}/{name}-00000-of-00001.parquet"] = buffer.getvalue()
    return files


def hub():
    """The stand-in hub, to be entered."""
    return FakeHub(repositories())


def write_dataset(folder):
    """The movie's data set, with two people and the last two runs of two titles, in both languages."""
    write_movie(folder, seconds=160, subjects=SUBJECTS, runs=RUNS, languages=("en", "ja"))


def write_local_data(folder):
    """What the user has to bring: PubMedQA and JCommonsenseQA as they are published, and LLM-jp's checkpoints."""
    draw = random.Random(SEED)
    asked = {
        str(21645374 + number): {
            "QUESTION": f"Does treatment {number} help?", "CONTEXTS": ["It was given.", "It was measured."],
            "LABELS": ["BACKGROUND", "RESULTS"], "MESHES": ["Humans"], "YEAR": "2011",
            "reasoning_required_pred": "yes", "reasoning_free_pred": "yes",
            "final_decision": draw.choice(["yes", "no", "maybe"]), "LONG_ANSWER": "It may be so.",
        }
        for number in range(ITEMS)
    }  # fmt: skip
    _write(folder / "tasks/pubmedqa/ori_pqal.json", json.dumps(asked, indent=4))
    rows = [
        {
            "q_id": 8939 + number,
            "question": f"{LETTERS[number % 5]}番目のものは何という？",
            **{f"choice{place}": f"{letter}番{number}" for place, letter in enumerate(LETTERS)},
            "label": draw.randrange(5),
        }
        for number in range(ITEMS)
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    _write(folder / "tasks/jcommonsenseqa/valid-v1.3.json", lines)
    for number, tokens in enumerate(TOKENS):
        step = round(tokens / LLM_JP["tokens_per_step"])
        for name, content in checkpoint(LLM_JP["folder"], number).items():
            target = folder / LLM_JP["folder"] / f"iter_{step:07d}" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
