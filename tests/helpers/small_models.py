"""Small checkpoints with random weights, made in a moment, as dict of file name to content."""

import hashlib
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

CONFIG = {"architectures": ["GPTNeoXForCausalLM"], "num_hidden_layers": 3, "hidden_size": 64}


def safetensors(value=0.0, numbers=8):
    """Bytes of a safetensors file with one tensor, written without the library."""
    import struct

    header = json.dumps({"a": {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack(f"<{numbers}f", *[value] * numbers)


def stand_in(value=0.0, numbers=8):
    """Files that look like a checkpoint and can be found, downloaded and hashed, but not loaded."""
    files = {"config.json": json.dumps(CONFIG).encode(), "tokenizer.json": b"{}", "tokenizer_config.json": b"{}"}
    return {**files, "model.safetensors": safetensors(value, numbers)}


@cache
def checkpoint(seed=0, shards=1, suffix=".safetensors", layers=4):
    """Files of a GPT-NeoX with random weights and a tokenizer of words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    model = GPTNeoXForCausalLM(config)
    words = Tokenizer(models.WordLevel({"<eos>": 0, **{f"w{k}": k for k in range(1, 64)}}, unk_token="<eos>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    with TemporaryDirectory() as folder:
        size = sum(p.numel() * 4 for p in model.parameters())
        model.save_pretrained(folder, max_shard_size=size // shards + 4096 if shards > 1 else "1GB")
        PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>").save_pretrained(folder)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return files if suffix == ".safetensors" else as_bin(files)


def as_bin(files):
    """A checkpoint's files as older ones are stored: .bin shards and their index."""
    import io

    import torch
    from safetensors.torch import load

    renamed = {}
    for name, content in files.items():
        if name.endswith(".safetensors"):
            buffer = io.BytesIO()
            torch.save(load(content), buffer)
            renamed[name.replace("model", "pytorch_model").replace(".safetensors", ".bin")] = buffer.getvalue()
        elif name == "model.safetensors.index.json":
            index = content.replace(b"model-0", b"pytorch_model-0").replace(b".safetensors", b".bin")
            renamed["pytorch_model.bin.index.json"] = index
        else:
            renamed[name] = content
    return renamed


def write(folder, files):
    """Put files into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def make_cache(cache, revisions):
    """A Hugging Face cache with stand-ins for revisions of org/name: dict of revision to commit; returns its folder."""
    folder = cache / "models--org--name"
    for value, (revision, commit) in enumerate(revisions.items()):
        snapshot = folder / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for name, content in stand_in(value).items():
            blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
            blob.parent.mkdir(exist_ok=True)
            blob.write_bytes(content)
            (snapshot / name).symlink_to(blob)
        ref = folder / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
    return cache
