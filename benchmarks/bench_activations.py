"""Activations and the integrity gate: speed, memory, exactness, reading, faults found (`make bench-activations`).

The plain loop that speed is compared with is what published analyses do: for each word one window that ends with it,
through the causal language model with its vocabulary head and `output_hidden_states`. Ratios are of runs that take
turns. Extraction is timed from the text to the written file; the loop writes nothing.

As a script with arguments it is a child process that one measurement runs in, and prints one line of JSON.
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

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from reporting import figure, report  # noqa: E402

LIBRARIES = ["torch", "transformers", "zarr", "numpy"]
WORDS, REPEATS, THREADS = 300, 5, 2
# Words of the comparison with a bare forward: enough for the file's opening and closing not to count.
MANY_WORDS = 4000
CONTEXTS = (64, 128)
MODES = {
    "stride 1": lambda most: {"max": most, "stride": 1},
    "default": lambda most: {"max": most},
    "min = max/2": lambda most: {"max": most, "min": most // 2},
}
GOALS = {
    ("stride 1", 64): 4, ("stride 1", 128): 3, ("default", 64): 40, ("default", 128): 40,
    ("min = max/2", 64): 60, ("min = max/2", 128): 60,
}  # fmt: skip
HEADLESS_GOALS = {64: 1.4, 128: 1.3}
SHARE_GOAL, MEMORY_GOAL, EXACT_GOAL, READ_GOAL = 0.85, 300, 1e-5, 1.3
STORED = 4, 20_000, 1024  # layers, words, features of the file that is read
# Shapes of OLMo-2: width, layers, heads, feed-forward; goal of the share of the matrix-product ceiling.
GPU_SHAPES = {"7 B": ((4096, 32, 32, 11008), 0.5), "1 B": ((2048, 16, 16, 8192), 0.4)}
GPU_WORDS, GPU_CONTEXT, WRITING_GOAL = 20_000, 512, 0.05


def pythia_31m():
    """A causal language model of the shape of Pythia-31m with random weights."""
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=50304, hidden_size=256, num_hidden_layers=6, num_attention_heads=8, intermediate_size=1024,
        max_position_embeddings=2048,
    )  # fmt: skip
    return GPTNeoXForCausalLM(config).eval()


def story(n_words):
    """A tokenizer, and a text whose words have 1.3 tokens on average: tokenizer, text, characters of each word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    rng = np.random.default_rng(0)
    words = [f"{'w' if k % 10 < 7 else 'w+'}{k}" for k in rng.integers(0, 1000, n_words)]
    inner = Tokenizer(models.WordLevel({"<s>": 0, "w+": 1, "w": 2, **{f"w{k}": k + 3 for k in range(1000)},
                                        **{str(k): k + 2000 for k in range(1000)}}, unk_token="<s>"))  # fmt: skip
    splits = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("w+", "isolated")]
    inner.pre_tokenizer = pre_tokenizers.Sequence(splits)
    stops = np.cumsum([len(word) + 1 for word in words]) - 1
    spans = np.stack([stops - [len(word) for word in words], stops], axis=1)
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>"), " ".join(words), spans


def plain_loop(model, tokenizer, text, spans, context):
    """One window per word: float32 array (layer, word, feature). `model` with or without its vocabulary head."""
    import torch

    from triphase.activations.tokens import tokens_of_words

    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    ids, found = encoded["input_ids"], []
    for first, last in zip(*tokens_of_words(encoded["offset_mapping"], spans, text), strict=True):
        start = max(last - context, 0)
        window = torch.tensor([[tokenizer.bos_token_id, *ids[start : last + 1]]])
        with torch.no_grad():
            states = model(window, output_hidden_states=True, use_cache=False).hidden_states
        own = slice(first - start + 1, last - start + 2)
        found.append(np.stack([layer[0, own].mean(0).numpy() for layer in states]))
    return np.stack(found, axis=1)


def extraction(model, tokenizer, text, spans, context, path=None, batch_size="auto", **options):
    """From the text to the written file, or to an array where there is no path."""
    import xarray as xr

    from triphase.activations.extract import Extraction, block_words, extract
    from triphase.activations.windows import plan_words
    from triphase.core.artefacts import ArraySpec, stream_arrays

    plan = plan_words(tokenizer, {"story": (text, spans)}, context)
    settings = Extraction(**{"batch_size": batch_size, "surprisal": False, **options})
    if path is None:
        blocks = []
        extract(model, plan, blocks.append, settings)
        return np.concatenate(blocks, axis=1), plan
    shape = model.config.num_hidden_layers + 1, len(spans), model.config.hidden_size
    size = block_words(shape[1], shape[0], shape[2], 4)
    spec = ArraySpec("activations", ("layer", "word", "feature"), shape, (1, size, shape[2]), 1, compressed=False)
    with stream_arrays(path, spec) as stream:
        extract(model, plan, stream.append, settings)
        stream.finish(xr.Dataset(coords={"layer": np.arange(shape[0])}))
    return path, plan


def bare_forward(base, inputs):
    """The same batches through the model, and nothing else."""
    import torch

    with torch.inference_mode():
        for batch in inputs:
            base(input_ids=batch, use_cache=False)


def inputs_of(plan):
    """Input ids of the batches that extraction makes of a plan."""
    import torch

    from triphase.activations.extract import CPU_TOKENS
    from triphase.activations.pooling import make_batch
    from triphase.activations.windows import batches

    chosen = batches(plan, None, CPU_TOKENS, len(plan.first))
    return [torch.from_numpy(make_batch(plan, windows, "mean").input_ids) for windows in chosen]


def seconds(function, *arguments, **options):
    """Wall time of a call."""
    start = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - start


def child_speed(context, repeats):
    """Seconds of the loops, of each mode and of bare forwards, taking turns, each case in turn."""
    import torch

    torch.set_num_threads(THREADS)
    context, repeats = int(context), int(repeats)
    model = pythia_31m()
    lead = 2 * context  # words before those that are timed, so that all have a full context
    tokenizer, text, spans = story(lead + WORDS)
    timed = spans[lead:]
    _, many_text, many = story(lead + MANY_WORDS)
    path = Path(tempfile.mkdtemp(prefix="bench-activations-")) / "activations.zarr.zip"
    cases = {
        "loop": lambda: plain_loop(model, tokenizer, text, timed, context),
        "loop without head": lambda: plain_loop(model.base_model, tokenizer, text, timed, context),
    }
    for name, make in MODES.items():
        rule, long = make(context), many[lead:] if name != "stride 1" else many[-WORDS:]
        cases[name] = lambda rule=rule: extraction(model.base_model, tokenizer, text, timed, rule, path)
        inputs = inputs_of(extraction_plan(tokenizer, many_text, long, rule))
        cases[f"{name}, bare"] = lambda inputs=inputs: bare_forward(model.base_model, inputs)
        cases[f"{name}, whole"] = lambda rule=rule, long=long: extraction(
            model.base_model, tokenizer, many_text, long, rule, path
        )
        cases[f"{name}, surprisal"] = lambda rule=rule: extraction(model, tokenizer, text, timed, rule, surprisal=True)
    for name, case in cases.items():
        if not name.startswith("loop"):
            case()  # warm-up
    cases["loop without head"]()
    taken = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            # A job has no file to replace; replacing one makes ext4 write it to the disk at once.
            path.unlink(missing_ok=True)
            taken[name].append(seconds(case))
    path.unlink(missing_ok=True)
    path.parent.rmdir()
    return taken


def extraction_plan(tokenizer, text, spans, rule):
    """The plan that extraction follows."""
    from triphase.activations.windows import plan_words

    return plan_words(tokenizer, {"story": (text, spans)}, rule)


def child_memory(what, context):
    """Peak memory in MB of a process that does one of the modes, or the loop, with all that it imports."""
    import torch

    torch.set_num_threads(THREADS)
    context, model = int(context), pythia_31m()
    tokenizer, text, spans = story(2 * context + WORDS)
    if what == "loop":
        plain_loop(model, tokenizer, text, spans[-WORDS:], context)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "activations.zarr.zip"
            extraction(model.base_model, tokenizer, text, spans[-WORDS:], MODES[what](context), path)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def child_exact():
    """Largest relative distance of a word's vector from the plain loop's, over modes, batch sizes and layers."""
    model, largest = pythia_31m(), {}
    tokenizer, text, spans = story(200)
    for context in CONTEXTS:
        expected = plain_loop(model, tokenizer, text, spans, context)
        for name, make in MODES.items():
            for batch_size in (1, 5, "auto"):
                found, plan = extraction(model.base_model, tokenizer, text, spans, make(context), None, batch_size)
                window, word, begin, end = plan.entries.T
                # Words that lie whole in a window that begins where the loop's does.
                same = (plan.windows[window, 0] == np.maximum(plan.last[word] - context, 0)) & (
                    (begin == plan.first[word]) & (end == plan.last[word] + 1)
                )
                words = word[same]
                apart = np.linalg.norm(found[:, words] - expected[:, words], axis=-1)
                worst = (apart / np.linalg.norm(expected[:, words], axis=-1)).max()
                largest[f"{name}, {context}, batch {batch_size}"] = [float(worst), len(words)]
    return largest


def child_reading():
    """Seconds to read one layer from a Zarr file, opening included, and as much from an npy file; files."""
    import xarray as xr

    from triphase.activations.extract import block_words
    from triphase.core.artefacts import ArraySpec, open_arrays, stream_arrays

    layers, words, features = STORED
    rng, taken = np.random.default_rng(0), {"zarr": [], "npy": []}
    with tempfile.TemporaryDirectory(dir=ROOT / "results") as folder:
        path, plain, size = Path(folder) / "a.zarr.zip", Path(folder) / "a.npy", block_words(words, layers, features, 4)
        layer = rng.standard_normal((words, features), dtype=np.float32)
        np.save(plain, layer)
        spec = ArraySpec("activations", ("layer", "word", "feature"), STORED, (1, size, features), 1, compressed=False)
        with stream_arrays(path, spec) as stream:
            for start in range(0, words, size):
                stream.append(np.repeat(layer[None, start : start + size], layers, axis=0))
            stream.finish(xr.Dataset(coords={"layer": np.arange(layers)}))
        # Files just written are on their way to the disk, which would be timed as well.
        os.sync()
        for _ in range(4 * REPEATS + 1):
            start = time.perf_counter()
            with open_arrays(path) as stored:
                found = stored["activations"].sel(layer=1).to_numpy()
            taken["zarr"].append(time.perf_counter() - start)
            assert (found == layer).all()
            taken["npy"].append(seconds(np.load, plain))
        return {**taken, "files": len(list(Path(folder).glob("*zarr*")))}


def child_gpu(shape):
    """Speed of a large model on a GPU, and of matrix products there; the same without writing."""
    return large_model("cuda", GPU_SHAPES[shape][0], GPU_WORDS)


def large_model(device, shape, n_words, product=8192):
    """Seconds from text to file of a model with random weights, the same without writing, and the rate of products.

    Parameters
    ----------
    device : "cuda" or "cpu"
    shape : width, layers, heads, width of the feed-forward layers
    n_words : int, of the text
    product : int, rows of the square matrices that are multiplied
    """
    import torch
    from transformers import Olmo2Config, Olmo2Model

    from triphase.activations.extract import Extraction, extract

    width, layers, heads, inner = shape
    torch.manual_seed(0)
    config = Olmo2Config(
        vocab_size=100352, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads, intermediate_size=inner, max_position_embeddings=4096, dtype=torch.bfloat16,
    )  # fmt: skip
    with torch.device(device):
        model = Olmo2Model(config).to(torch.bfloat16).eval()
    tokenizer, text, spans = story(n_words)
    rule, written = {"max": GPU_CONTEXT}, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "activations.zarr.zip"
        extraction(model, tokenizer, text, spans[: n_words // 10], rule, path)
        for _ in range(3):
            written.append(seconds(extraction, model, tokenizer, text, spans, rule, path))
    plan, ignored = extraction_plan(tokenizer, text, spans, rule), []
    settings = Extraction(batch_size="auto", surprisal=False)
    for _ in range(3):
        ignored.append(seconds(extract, model, plan, lambda block: None, settings))
    a, b = (torch.randn(product, product, device=device, dtype=torch.bfloat16) for _ in range(2))
    wait = torch.cuda.synchronize if device == "cuda" else bool
    products = []
    for _ in range(10):
        wait()
        start = time.perf_counter()
        for _ in range(10):
            a @ b
        wait()
        products.append(10 * 2 * product**3 / (time.perf_counter() - start))
    blocks = sum(p.numel() for name, p in model.named_parameters() if "embed" not in name)
    lengths = plan.lengths.astype(float)
    # Multiply-adds of the weights, and of the causal half of attention.
    work = 2 * blocks * lengths.sum() + 2 * layers * width * (lengths**2).sum()
    return {
        "written_s": written, "ignored_s": ignored, "work": work, "ceiling": statistics.median(products),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu", "tokens": lengths.sum(),
    }  # fmt: skip


def in_a_child(*arguments):
    """Run one measurement in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "TQDM_DISABLE": "1"}
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def speed_figures():
    """How many times as fast as the loops, and the share of a bare forward."""
    rows = []
    for context in CONTEXTS:
        taken = in_a_child("speed", context, REPEATS)
        middle = {name: statistics.median(values) for name, values in taken.items()}
        for name in MODES:
            ratio, goal = middle["loop"] / middle[name], GOALS[name, context]
            rows.append(figure(
                f"context {context}: {name}, times the loop", round(ratio, 1), f">= {goal}", ratio >= goal,
                seconds=taken[name], loop_seconds=taken["loop"],
                with_surprisal=middle["loop"] / middle[f"{name}, surprisal"],
            ))  # fmt: skip
        ratio, goal = middle["loop without head"] / middle["stride 1"], HEADLESS_GOALS[context]
        rows.append(figure(
            f"context {context}: stride 1, times the loop without head", round(ratio, 2), f">= {goal}", ratio >= goal,
            loop_seconds=taken["loop without head"],
        ))  # fmt: skip
        for name in MODES:
            share = middle[f"{name}, bare"] / middle[f"{name}, whole"]
            rows.append(figure(
                f"context {context}: {name}, tokens/s of a bare forward", round(share, 2), f">= {SHARE_GOAL}",
                share >= SHARE_GOAL, seconds=taken[f"{name}, whole"], bare_seconds=taken[f"{name}, bare"],
            ))  # fmt: skip
    return rows


def memory_figures():
    """Peak memory beyond that of the loop."""
    rows = []
    for context in CONTEXTS:
        loop = in_a_child("memory", "loop", context)
        own = {name: in_a_child("memory", name, context) for name in MODES}
        more = max(own.values()) - loop
        rows.append(figure(
            f"context {context}: peak memory beyond the loop's, MB", round(more), f"<= {MEMORY_GOAL}",
            more <= MEMORY_GOAL, loop_mb=loop, modes_mb=own,
        ))  # fmt: skip
    return rows


def exact_figure():
    """Distance from the loop where contexts are equal."""
    largest = in_a_child("exact")
    worst = max(value for value, _ in largest.values())
    name = "exact: largest relative distance from the loop"
    return figure(name, f"{worst:.1e}", f"<= {EXACT_GOAL:.0e}", worst <= EXACT_GOAL, cases=largest)


def reading_figures():
    """Reading of one layer, and files of a checkpoint."""
    taken = in_a_child("reading")
    ratio = statistics.median(taken["zarr"]) / statistics.median(taken["npy"])
    return [
        figure("reading: one layer, times an npy", round(ratio, 2), f"<= {READ_GOAL}", ratio <= READ_GOAL, **taken),
        figure("reading: files per checkpoint", taken["files"], "1", taken["files"] == 1),
    ]


def gpu_figures():
    """Share of the matrix-product ceiling, and what writing adds to the time."""
    import torch

    return [
        row
        for shape in GPU_SHAPES
        for row in large_model_rows(shape, in_a_child("gpu", shape) if torch.cuda.is_available() else None)
    ]


def large_model_rows(shape, found):
    """Figures of what `large_model` found of a shape; skipped where it is None."""
    names = f"gpu: {shape}, share of the matrix-product ceiling", f"gpu: {shape}, share of the time for writing"
    goal = GPU_SHAPES[shape][1]
    goals = f">= {goal}", f"<= {WRITING_GOAL}"
    if found is None:
        return [figure(name, "no GPU", text, None) for name, text in zip(names, goals, strict=True)]
    written, ignored = (statistics.median(found[key]) for key in ("written_s", "ignored_s"))
    share, writing = found["work"] / written / found["ceiling"], max(0.0, 1 - ignored / written)
    return [
        figure(names[0], round(share, 2), goals[0], share >= goal, **found),
        figure(names[1], round(writing, 3), goals[1], writing <= WRITING_GOAL),
    ]


def main():
    """Measure all; exit status 1 when a figure falls short."""
    from integrity_series import integrity_figures

    rows = [*speed_figures(), *memory_figures(), exact_figure(), *reading_figures(), *gpu_figures()]
    load = os.getloadavg()
    rows += integrity_figures()
    return report("activations", rows, LIBRARIES, load_during_speed=load, threads=THREADS)


CHILDREN = {
    "speed": child_speed, "memory": child_memory, "exact": child_exact, "reading": child_reading, "gpu": child_gpu,
}  # fmt: skip

if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(CHILDREN[sys.argv[1]](*sys.argv[2:])))
    else:
        sys.exit(main())
