"""Mechanism: what a checkpoint of the embedded study costs, with its load and beyond it; memory of a large vocabulary.

Part of the figures of tasks and states. As a script with arguments it is a child process that one measurement
runs in, and prints one line of JSON.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from reporting import figure  # noqa: E402

LENGTH = 32  # as in config/config.yaml
SHAPE = {"layers": 3, "width": 64, "heads": 4, "context": 80}
STORIES = ("orchard", "lighthouse", "festival", "caravan")
UNSEEN = ROOT / "resources/texts/embedded_unseen.txt"
REPEATS = 3
ONE_CORE = {**os.environ, "OMP_NUM_THREADS": "1"}
# Importing torch and the model's classes is nearly all that a job costs; beyond the load is what is computed.
TIMES, COMPUTED, MEMORY = 1.25, 0.5, 1.5
IMPORTS = "import torch, transformers.models.gpt_neox.modeling_gpt_neox"
# As large as vocabularies are, in a model that is nothing beside it; bfloat16 would be copied to float32.
LARGE = {"vocab_size": 152_064, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 32,
         "intermediate_size": 128, "max_position_embeddings": 128}  # fmt: skip


def mechanism_figures():
    """All figures: list of rows as of `reporting.figure`."""
    with tempfile.TemporaryDirectory() as folder:
        write_study(Path(folder))
        whole, computed, bare = [], [], []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            computed.append(child("checkpoint", folder)["computed"])
            whole.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", IMPORTS], check=True, env=ONE_CORE)
            bare.append(time.perf_counter() - begin)
    whole, computed, bare = (round(statistics.median(values), 2) for values in (whole, computed, bare))
    times, beyond = round(whole / bare, 2), round(child("memory")["GB"], 2)
    name = "mechanism: one checkpoint with its load, times the bare imports"
    return [
        figure(name, times, f"<= {TIMES}", times <= TIMES, seconds=whole, imports_s=bare),
        figure("mechanism: one checkpoint beyond its load, s", computed, f"<= {COMPUTED}", computed <= COMPUTED),
        figure("mechanism: memory beyond the model's, GB", beyond, f"<= {MEMORY}", beyond <= MEMORY),
    ]


def write_study(folder):
    """A checkpoint of the embedded shape with random weights, and the words of the embedded study."""
    import pandas as pd

    from triphase.checkpoints.find import find_checkpoint
    from triphase.core.artefacts import write_json, write_table
    from triphase.demo.stories import tell_story
    from triphase.demo.tokenizers import train_tokenizer
    from triphase.demo.training import build
    from triphase.demo.world import documents

    tokenizer = train_tokenizer("bpe", documents({"stories": 1}, 50_000, 0), 1600)
    model = build("gpt_neox", vocabulary=len(tokenizer), end=tokenizer.eos_token_id, **SHAPE)
    for saved in (model, tokenizer):
        saved.save_pretrained(folder / "model")
    write_json(folder / "manifest.json", find_checkpoint("a/b", "step0", folder=folder / "model"))
    texts = {name: " ".join(tell_story(name, 300, 1)["word"]) for name in STORIES}
    words = pd.DataFrame({"stimulus": list(texts), "word": list(texts)})
    write_table(folder / "words.parquet", words, unit="word", texts=texts, hashes=dict.fromkeys(texts, ""))


def child(*arguments):
    """What a process of its own measures, on one core."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True,
        env=ONE_CORE,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def run_checkpoint(folder):
    """The whole of the rule's script: seconds from the end of the load on."""
    import measure_mechanism
    from jobs import run

    loaded, load = [], measure_mechanism.load_model

    def timed(*arguments, **options):
        model = load(*arguments, **options)
        loaded.append(time.perf_counter())
        return model

    measure_mechanism.load_model = timed
    folder = Path(folder)
    paths = SimpleNamespace(
        checkpoint=folder / "manifest.json", words=folder / "words.parquet", unseen=[UNSEEN],
        mechanism=folder / "mechanism.parquet",
    )  # fmt: skip
    run(measure_mechanism, paths, length=LENGTH, dtype="float32", seed=0)
    return {"computed": time.perf_counter() - loaded[0]}


def run_memory():
    """Both passes of a model with a large vocabulary: how far the process's peak lies above what it held before."""
    import numpy as np
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from triphase.states.mechanism.inputs import SEQUENCES, WINDOWS
    from triphase.states.mechanism.rows import induction_rows, stimulus_rows

    config = LlamaConfig(**LARGE, tie_word_embeddings=True)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    rng = np.random.default_rng(0)
    half = rng.integers(0, 1000, (SEQUENCES, LENGTH))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    induction_rows(model, np.concatenate([half[:, :1], half, half], axis=1))
    stimulus_rows(model, rng.integers(0, 1000, (WINDOWS, 49)), None)
    return {"GB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20}


if __name__ == "__main__":
    print(json.dumps({"checkpoint": run_checkpoint, "memory": run_memory}[sys.argv[1]](*sys.argv[2:])))
