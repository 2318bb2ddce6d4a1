"""Every check and figure that needs a GPU, in one process of at most nine minutes (`make bench-gpu`).

Without Snakemake, DataLad or a network, so that it runs on a machine that is lent for half an hour. Results are written
after every part, so that a run that is cut short keeps what it has. Where there is no GPU all figures are skipped.
`python benchmarks/bench_gpu.py rehearse` runs the same functions at a small size on the CPU, with torch where the GPU
has CUDA, and writes nothing: whatever is new on a GPU is its speed. tests/integration/test_bench_gpu.py rehearses it.
"""

import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers"), str(ROOT / "benchmarks")]
from bench_activations import GPU_SHAPES, GPU_WORDS, large_model, large_model_rows  # noqa: E402
from encoding_speed import ALPHAS, DELAYS, GPU, bands_and_weights, large_fit, large_fit_rows, study  # noqa: E402
from reporting import figure, report  # noqa: E402

LIBRARIES = ["torch", "transformers", "himalaya", "lm_eval", "numpy"]
MOST_SECONDS = 540
# Largest differences, of the largest value: of float32 sums in another order.
SAME, SAME_POINTS = 1e-3, 99


@dataclass(frozen=True)
class Size:
    """What is run: on which device, and how large.

    Attributes
    ----------
    device, backend : of torch, and of himalaya
    compared : of `encoding_speed.study`, for fits beside numpy and himalaya
    large : of the same, for the fit that is timed
    shapes : of the models that are timed, see `bench_activations.large_model`
    words : of their text
    product : rows of the square matrices whose products are the ceiling
    """

    device: str = "cuda"
    backend: str = "torch_cuda"
    compared: dict = field(default_factory=lambda: {"runs": 6, "length": 100, "columns": 512, "voxels": 2000})
    large: dict = field(default_factory=lambda: GPU)
    shapes: dict = field(default_factory=lambda: {name: shape for name, (shape, _) in GPU_SHAPES.items()})
    words: int = GPU_WORDS
    product: int = 8192


SMALL = Size(
    device="cpu", backend="torch", compared={"runs": 4, "length": 40, "columns": 32, "voxels": 60},
    large={"runs": 4, "length": 30, "columns": 16, "voxels": 40},
    shapes=dict.fromkeys(GPU_SHAPES, (16, 2, 2, 32)), words=60, product=64,
)  # fmt: skip


def apart(one, other):
    """Largest difference of two arrays, of the largest value of the first."""
    return float(np.abs(np.asarray(one) - np.asarray(other)).max() / np.abs(np.asarray(one)).max())


def fit_checks(size):
    """Fits on the device beside numpy's and himalaya's, and fits without a group of training scans beside numpy's."""
    from triphase.encoding.deletions import Refit
    from triphase.encoding.kernels import decompose, set_backend
    from triphase.encoding.ridge import Search, fit_bands, standardise

    features, rows, nuisance, y, outer, inner = study([0], **size.compared)
    y = y.astype(features.dtype)
    found = {}
    for backend, solver in (("numpy", "lowrank"), (size.backend, "lowrank"), (size.backend, "himalaya")):
        spectra = decompose(features, rows, DELAYS, outer, inner, backend=backend)
        search = Search(ALPHAS, bands_and_weights(2), solver)
        predicted, fit = fit_bands(spectra, [nuisance], y, outer, inner, search)
        found[backend, solver] = spectra, predicted[:, outer[0] == 2], fit
    spectra, predicted, fit = found["numpy", "lowrank"]
    bands, changes, weight = [standardise(nuisance, spectra.finals[0].train)], [], fit["weight"][0]
    scale = np.where(weight[0] > 0, weight[0], 1)  # penalties are on a wide band of weight 1
    for backend in ("numpy", size.backend):
        final = found[backend, "lowrank"][0].finals[0]
        refit = Refit(set_backend(backend), final, bands, y, fit["alpha"][0], weight / scale)
        groups = np.array_split(np.arange(len(final.train)), 5)
        whole = np.empty((len(groups), len(final.other), y.shape[1]))
        for voxels, change in refit.changes(groups):
            whole[:, :, voxels] = change
        changes.append(whole)
    rows = []
    for name, (_, other, theirs) in list(found.items())[1:]:
        # Grid points whose scores are equal up to rounding are equally good: predictions are of voxels that agree.
        agree = np.isclose(theirs["weight"][0], weight, atol=1e-3).all(0)
        agree &= np.isclose(fit["alpha"][0], theirs["alpha"][0], rtol=1e-3)
        score, share = apart(fit["cv_score"], theirs["cv_score"]), 100 * float(agree.mean())
        distance = apart(predicted[..., agree].sum(0), other[..., agree].sum(0))
        label = "on the GPU beside numpy" if name[1] == "lowrank" else "beside himalaya on the GPU"
        rows += [
            figure(f"fit: largest difference of the CV score, {label}", f"{score:.1e}", f"<= {SAME:g}", score <= SAME),
            figure(f"fit: voxels with the same grid point, {label}, %", round(share, 1), f">= {SAME_POINTS}",
                   share >= SAME_POINTS),
            figure(f"fit: largest difference of predictions, {label}", f"{distance:.1e}", f"<= {SAME:g}",
                   distance <= SAME),
        ]  # fmt: skip
    distance = apart(*changes)
    name = "fit: largest difference of fits without a group of scans, on the GPU beside numpy"
    return [*rows, figure(name, f"{distance:.1e}", f"<= {SAME:g}", distance <= SAME)]


def fit_speed(size):
    """The large fit: seconds per layer, beside the ceiling of products and himalaya."""
    found = large_fit(size.backend, size.large, product=size.product)
    return [row | {"figure": row["figure"].replace("gpu:", "fit:")} for row in large_fit_rows(found)]


def extraction_speed(size):
    """Activations of large models, beside the ceiling of products."""
    rows = []
    for name, shape in size.shapes.items():
        rows += large_model_rows(name, large_model(size.device, shape, size.words, size.product))
    return [row | {"figure": row["figure"].replace("gpu:", "extraction:")} for row in rows]


def _checkpoint(folder):
    from small_models import checkpoint, write

    from triphase.checkpoints.find import find_checkpoint

    return find_checkpoint("org/m", "m", folder=write(Path(folder) / "m", checkpoint(0, 3)))


def split_checks(size):
    """A model that is split between the device, the memory of the CPU and the disk, beside one that is whole."""
    import torch

    from triphase.checkpoints.loading import devices_of, load_model

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        manifest = _checkpoint(folder)
        whole = load_model(manifest, execution={"device": size.device})
        tokens = torch.arange(40).reshape(2, 20)
        with torch.inference_mode():
            expected = whole(tokens.to(size.device), output_hidden_states=True).hidden_states
            limits = {"CPU memory": {0: 60_000, "cpu": 10**9}, "the disk": {0: 60_000, "cpu": 20_000}}
            if size.device == "cpu":
                limits = {"the disk": {"cpu": 120_000}}
            for rest, most in limits.items():
                model = load_model(manifest, max_memory=most)
                places = devices_of(model)
                found = model(tokens.to(size.device), output_hidden_states=True).hidden_states
                distance = max(apart(a.cpu(), b.cpu()) for a, b in zip(expected, found, strict=True))
                ok = distance <= 1e-5 and len(places) > 1
                rows.append(figure(f"split: distance of hidden states, the rest in {rest}", f"{distance:.1e}",
                                   "<= 1e-05", ok, places=places))  # fmt: skip
                del model
    return rows


def task_checks(size):
    """Answers of the harness on the device beside those on the CPU, of a model with random weights."""
    from triphase.checkpoints.loading import load_model, load_tokenizer
    from triphase.tasks.documents import load_tasks
    from triphase.tasks.harness import evaluate
    from triphase.tasks.plan import plan

    with tempfile.TemporaryDirectory() as folder:
        rng, manifest = np.random.default_rng(0), _checkpoint(folder)
        texts = [" ".join(f"w{k}" for k in rng.integers(1, 64, 6)) for _ in range(80)]
        lines = [
            json.dumps({"sentence_good": a, "sentence_bad": b}) for a, b in zip(texts[::2], texts[1::2], strict=True)
        ]
        (Path(folder) / "pairs.jsonl").write_text("\n".join(lines))
        entry = {"name": "pairs", "task": "blimp_pairs", "data": f"{folder}/pairs.jsonl"}
        jobs, answers, taken = plan([entry], [], [ROOT / "resources/tasks"], folder), [], []
        for device in ("cpu", size.device):
            model = load_model(manifest, execution={"device": device})
            start = time.perf_counter()
            items, _ = evaluate(jobs, load_tasks(jobs), model, load_tokenizer(manifest), batch_size=8, seed=0)
            taken.append(time.perf_counter() - start)
            answers.append(np.concatenate([np.ravel(each) for each in items["loglikelihoods"]]).astype(float))
    distance = apart(*answers)
    name = "tasks: distance of log-likelihoods on the GPU from the CPU's"
    return [figure(name, f"{distance:.1e}", "<= 1e-04", distance <= 1e-4, seconds=taken)]


# What proves most comes first.
PARTS = {
    "fit": (fit_checks, fit_speed),
    "extraction": (extraction_speed,),
    "split": (split_checks,),
    "tasks": (task_checks,),
}


def measured(size, write=bool, most_seconds=MOST_SECONDS):
    """Figures of all parts; `write` is called with those so far after each. What has no time left is skipped."""
    begin, rows = time.monotonic(), []
    for name, functions in PARTS.items():
        for function in functions:
            if time.monotonic() - begin > 0.7 * most_seconds:
                rows.append(figure(f"{name}: {function.__name__}", "no time left", "", None))
            else:
                rows += function(size)
            write(rows)
    seconds = time.monotonic() - begin
    rows.append(figure("all: seconds", round(seconds), f"<= {most_seconds}", seconds <= most_seconds))
    return rows


def main(arguments):
    """Measure all, or rehearse it; exit status 1 when a figure falls short."""
    from triphase.core.devices import count_devices

    if arguments == ["rehearse"]:
        for row in measured(SMALL):
            print(f"{row['figure']}: {row['value']} (goal {row['goal']})")
        return 0
    if not count_devices():
        skipped = [figure(f"{name}: all figures", "no GPU", "", None) for name in PARTS]
        return report("gpu", skipped, LIBRARIES)
    rows = measured(Size(), lambda found: report("gpu", found, LIBRARIES))
    return report("gpu", rows, LIBRARIES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
