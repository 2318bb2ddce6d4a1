"""Speed and memory of encoding fits beside himalaya and scikit-learn; part of `make bench-encoding`.

One layer of 1,024 features with 4 delays and 20 nuisance columns, 1,500 training TRs in five runs that are the folds,
300 test TRs, 20 penalties, 10 band weightings, three subjects of 5,000 voxels, float32. Every measurement is a process
of its own that prints one line of JSON; processes take turns. Times are from features to predictions of the test run.
himalaya is called once per subject, on kernels of the delayed features; the sum over the subjects is its layer.

As a script with arguments it is such a process.
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
sys.path.insert(0, str(ROOT / "workflow/scripts"))
from reporting import figure  # noqa: E402

THREADS, ROUNDS = 2, 3
RUNS, LENGTH, DELAYS, COLUMNS, NUISANCE, SUBJECTS, VOXELS = 6, 300, [1, 2, 3, 4], 1024, 20, 3, 5000
ALPHAS = np.logspace(-1, 5, 20)
# Ten weightings: shares of the language model's band, and nuisance alone.
SHARES = [0, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1]
# scikit-learn is timed on so many of the penalties, and its time taken as linear in them and in subjects.
SKLEARN_ALPHAS = 4
GPU = {"runs": 6, "length": 600, "columns": 4096, "voxels": 60_000}
GOALS = {
    "two": 10, "one": 2, "sklearn": 10, "bare": 0.6, "scores": 1e-3, "points": 99.9, "gpu": 0.5,
}  # fmt: skip


def study(subjects, runs=RUNS, length=LENGTH, columns=COLUMNS, voxels=VOXELS):
    """Features on the grid, places of the scans, nuisance columns, responses of the subjects, outer and inner masks."""
    from triphase.encoding.features import delay
    from triphase.encoding.folds import make_splits

    rng, lead = np.random.default_rng(0), max(DELAYS)
    # Variances of the features' components fall as in language models, by a power of their rank.
    basis = np.linalg.qr(rng.standard_normal((columns, columns), dtype=np.float32))[0]
    scales = (np.arange(columns, dtype=np.float32) + 1) ** -0.5
    features = (rng.standard_normal((runs * (length + lead), columns), dtype=np.float32) * scales) @ basis
    rows = (np.arange(runs)[:, None] * (length + lead) + lead + np.arange(length)).ravel()
    nuisance = rng.standard_normal((len(rows), NUISANCE), dtype=np.float32)
    design = np.concatenate([delay(features, rows, DELAYS) / np.sqrt(columns), nuisance / np.sqrt(NUISANCE)], axis=1)
    design /= design.std(0) * np.sqrt(design.shape[1])
    responses = []
    for subject in subjects:
        own = np.random.default_rng(subject + 1)
        weights = own.standard_normal((design.shape[1], voxels), dtype=np.float32)
        y = design @ (weights * own.uniform(0, 0.7, voxels).astype(np.float32))
        y += own.standard_normal(y.shape, dtype=np.float32)
        responses.append(y)
    labels = np.repeat([f"run{run}" for run in range(runs)], length)
    outer, inner = make_splits(labels, labels, [labels[-1]], {"kind": "fixed", "folds": 2, "inner": runs - 1}, gap=0)
    return features, rows, nuisance, np.concatenate(responses, axis=1), outer, inner


def bands_and_weights(bands):
    """Weightings of one band or two."""
    from triphase.encoding.ridge import weight_grid

    return weight_grid(SHARES if bands == 2 else [1], bands)


def fit_ours(data, bands, backend="auto"):
    """From features to predictions of all voxels."""
    from triphase.encoding.kernels import decompose
    from triphase.encoding.ridge import Search, fit_bands

    features, rows, nuisance, y, outer, inner = data
    spectra = decompose(features, rows, DELAYS, outer, inner, backend=backend)
    low_rank = [nuisance] if bands == 2 else []
    return fit_bands(spectra, low_rank, y, outer, inner, Search(ALPHAS, bands_and_weights(bands)))


def child_ours(bands, rounds, path):
    """Seconds of whole fits of three subjects, and of the bare products, in turn; peak memory of the first fit."""
    bands, taken = int(bands), {"fit": [], "bare": []}
    data = study(range(SUBJECTS))
    before = peak()
    for _ in range(int(rounds)):
        start = time.perf_counter()
        _, fit = fit_ours(data, bands)
        taken["fit"].append(time.perf_counter() - start)
        taken.setdefault("peak_gb", peak())
        taken["bare"].append(bare_products(data[3], data[5][0]))
    np.savez(path, score=fit["cv_score"], alpha=fit["alpha"][0], weight=fit["weight"][0])
    return taken | {"data_gb": before}


def bare_products(y, masks):
    """Seconds of the products of the method as it is defined: U'Y of every fold, and M times it for every penalty."""
    from triphase.encoding.folds import HELD_OUT, TRAIN

    rng, total = np.random.default_rng(1), 0.0
    for mask in masks:
        train, held = np.flatnonzero(mask == TRAIN), (mask == HELD_OUT).sum()
        vectors = rng.standard_normal((len(train), len(train)), dtype=np.float32)
        cross, inside = rng.standard_normal((held, len(train)), dtype=np.float32), y[train]
        start = time.perf_counter()
        projected = vectors.T @ inside
        for _ in ALPHAS:
            cross @ projected
        total += time.perf_counter() - start
    return total


def child_himalaya(bands, subject, backend, path):
    """Seconds of himalaya's fit and prediction of one subject, and the peak memory of the process."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV, MultipleKernelRidgeCV
    from himalaya.scoring import r2_score

    bands, library = int(bands), set_backend(backend)
    kernels, y, train, test, folds = himalayas_input(study([int(subject)]))
    weights, alphas = (library.asarray(v.astype(np.float32)) for v in (bands_and_weights(bands), ALPHAS))
    start = time.perf_counter()
    made = np.stack([x @ x[train].T for x in kernels[:bands]])
    params = {"score_func": r2_score}
    if bands == 2:
        params |= {"n_iter": weights, "alphas": alphas, "progress_bar": False}
        model = MultipleKernelRidgeCV(kernels="precomputed", cv=folds, fit_intercept=True, solver_params=params)
    else:
        made = made[0]
        model = KernelRidgeCV(alphas, "precomputed", cv=folds, fit_intercept=True, solver_params=params)
    with np.errstate(divide="ignore"):
        model.fit(made[..., train, :], y[train])
    model.predict(made[..., test, :])
    taken = time.perf_counter() - start
    score, alpha = np.asarray(model.cv_scores_), np.asarray(model.best_alphas_)
    weight = np.exp(np.asarray(model.deltas_)) * alpha if bands == 2 else np.ones((1, len(alpha)))
    np.savez(path, score=score.max(0) if bands == 2 else score, alpha=alpha, weight=weight)
    return {"fit": taken, "peak_gb": peak()}


def himalayas_input(data):
    """Scaled explicit bands, responses, training and test rows, and folds in training rows."""
    from triphase.encoding.features import delay
    from triphase.encoding.folds import HELD_OUT, TRAIN
    from triphase.encoding.guards import scaled
    from triphase.encoding.ridge import standardise

    features, rows, nuisance, y, outer, (masks,) = data
    train, test = np.flatnonzero(outer[0] == TRAIN), np.flatnonzero(outer[0] == HELD_OUT)
    wide = delay(scaled(features, rows[train]) / np.float32(np.sqrt(len(DELAYS))), rows, DELAYS)
    wide -= wide[train].mean(0)
    folds = [(np.searchsorted(train, np.flatnonzero(m == TRAIN)), np.searchsorted(train, np.flatnonzero(m == HELD_OUT)))
             for m in masks]  # fmt: skip
    return [wide, standardise(nuisance, train).astype(np.float32)], y, train, test, folds


def child_sklearn():
    """Seconds of scikit-learn's grid search over some of the penalties, one subject."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    (wide, _), y, train, _, folds = himalayas_input(study([0]))
    search = GridSearchCV(Ridge(), {"alpha": ALPHAS[:: len(ALPHAS) // SKLEARN_ALPHAS]}, cv=folds, refit=False)
    start = time.perf_counter()
    search.fit(wide[train], y[train])
    return (time.perf_counter() - start) / SKLEARN_ALPHAS


def child_gpu():
    """Seconds per layer on a GPU, himalaya's for one subject, and the rate of float32 matrix products."""
    return large_fit("torch_cuda", GPU)


def large_fit(backend, size, rounds=ROUNDS, product=8192):
    """Seconds of our fits of three subjects on a backend of torch, and of himalaya's of the first; rate of products.

    `size` : of `study`; `product` : rows of the square matrices that are multiplied
    """
    import torch
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import MultipleKernelRidgeCV
    from himalaya.scoring import r2_score

    device, data, taken, rates = "cuda" if backend == "torch_cuda" else "cpu", study(range(SUBJECTS), **size), [], []

    def timed(work):
        wait = torch.cuda.synchronize if device == "cuda" else bool
        wait()
        start = time.perf_counter()
        work()
        wait()
        return time.perf_counter() - start

    for _ in range(rounds):
        taken.append(timed(lambda: fit_ours(data, 2, backend)))
    a, b = (torch.randn(product, product, device=device) for _ in range(2))
    for _ in range(6):
        rates.append(2 * product**3 / timed(lambda: a @ b))
    kernels, y, train, _, folds = himalayas_input(data)
    library = set_backend(backend)
    made = np.stack([x @ x[train].T for x in kernels])[:, train]
    weights, alphas = (library.asarray(v.astype(np.float32)) for v in (bands_and_weights(2), ALPHAS))
    params = {"n_iter": weights, "alphas": alphas, "progress_bar": False, "score_func": r2_score,
              "n_targets_batch": 5000, "n_alphas_batch": 5}  # fmt: skip
    model = MultipleKernelRidgeCV(kernels="precomputed", cv=folds, fit_intercept=True, solver_params=params)
    one = timed(lambda: model.fit(made, y[train, : size["voxels"]]))
    n = (size["runs"] - 1) * size["length"]
    inside, held = n - size["length"], size["length"]
    work = 2 * (size["runs"] - 1) * (inside + held * len(ALPHAS)) * inside * y.shape[1]
    return {"layer_s": taken, "himalaya_subject_s": one, "ceiling": statistics.median(rates), "work": work,
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu"}  # fmt: skip


def peak():
    """Peak memory of this process, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def in_a_child(*arguments):
    """Run one measurement in a process of its own."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(THREADS))
    command = [sys.executable, "-W", "ignore", __file__, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **threads}, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def taking_turns(bands, backend, folder):
    """Ours and himalaya's fits in turn, one subject of himalaya's after each of ours."""
    ours, theirs = [], []
    for subject in range(SUBJECTS):
        ours.append(in_a_child("ours", bands, 2, folder / "ours.npz"))
        theirs.append(in_a_child("himalaya", bands, subject, backend, folder / f"himalaya{subject}.npz"))
    # The first fit of a process also starts its libraries.
    fits, bare = ([child[key][-1] for child in ours] for key in ("fit", "bare"))
    return {
        "ours_s": fits, "bare_s": bare, "himalaya_s": [child["fit"] for child in theirs], "himalaya_backend": backend,
        "ours_gb": max(child["peak_gb"] for child in ours), "himalaya_gb": max(child["peak_gb"] for child in theirs),
    }  # fmt: skip


def same_choices(folder):
    """Largest difference of the CV score over its scale, and the share of voxels with the same grid point, in %."""
    ours = np.load(folder / "ours.npz")
    theirs = [np.load(folder / f"himalaya{subject}.npz") for subject in range(SUBJECTS)]
    score, alpha, weight = (np.concatenate([part[key] for part in theirs], -1) for key in ("score", "alpha", "weight"))
    difference = np.abs(ours["score"] - score) / np.abs(score).max()
    # himalaya's penalty is on weights that sum to 1, ours on a wide band of weight 1.
    wide = ours["weight"][0]
    same = np.isclose(ours["alpha"] * np.where(wide > 0, wide, 1), alpha, rtol=1e-3)
    same &= np.isclose(ours["weight"], weight, atol=1e-3).all(0)
    # Two grid points whose scores are equal up to rounding are equally good.
    return difference.max(), 100 * (same | (difference < 1e-5)).mean(), 100 * same.mean()


def faster_backend(folder):
    """Himalaya's faster backend on this machine, by a fit of one band."""
    seconds = {name: in_a_child("himalaya", 1, 0, name, folder / "probe.npz")["fit"] for name in ("numpy", "torch")}
    return min(seconds, key=seconds.get)


def speed_figures():
    """All rows on speed and memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend = faster_backend(folder)
        two = taking_turns(2, backend, folder)
        difference, within, same = same_choices(folder)
        one = taking_turns(1, backend, folder)
    ours = statistics.median(two["ours_s"])
    share = statistics.median(bare / fit for bare, fit in zip(two["bare_s"], two["ours_s"], strict=True))
    sklearn = in_a_child("sklearn") * len(ALPHAS) * SUBJECTS
    linear = max(two["himalaya_s"]) / statistics.median(two["himalaya_s"])
    ratios = {
        "two": sum(two["himalaya_s"]) / ours,
        "one": sum(one["himalaya_s"]) / statistics.median(one["ours_s"]),
        "sklearn": sklearn / statistics.median(one["ours_s"]),
    }

    def at_least(name, value, goal, digits=1, **details):
        return figure(f"speed: {name}", round(value, digits), f">= {goal}", value >= goal, **details)

    def at_most(name, value, goal, digits=2, **details):
        return figure(f"speed: {name}", round(value, digits), f"<= {goal}", value <= goal, **details)

    return [
        at_least("two bands, times himalaya", ratios["two"], GOALS["two"], **two, load=os.getloadavg()),
        at_least("two bands, share of the bare products", share, GOALS["bare"], 2),
        figure("speed: himalaya, slowest subject over the median", round(linear, 2), "none", True),
        at_most("largest difference of the CV score, of its scale", float(difference), GOALS["scores"], 7),
        at_least("voxels with the same grid point, %", float(within), GOALS["points"], 2, without_rounding=float(same)),
        at_least("one band, times himalaya", ratios["one"], GOALS["one"], **one),
        at_least("one band, times scikit-learn", ratios["sklearn"], GOALS["sklearn"], sklearn_s=sklearn,
                 extrapolated=f"one subject and {SKLEARN_ALPHAS} of {len(ALPHAS)} penalties, linear in both"),
        at_most("peak memory, GB", two["ours_gb"], round(two["himalaya_gb"], 2), 2),
        *gpu_figures(),
    ]  # fmt: skip


def gpu_figures():
    """Time per layer on a GPU, share of its matrix products and ratio to himalaya; skipped without one."""
    from triphase.core.devices import count_devices

    return large_fit_rows(in_a_child("gpu") if count_devices() else None)


def large_fit_rows(found):
    """Figures of what `large_fit` found; skipped where it is None."""
    names = ("seconds per layer", "share of the float32 matrix-product ceiling", "times himalaya")
    goals = ("none", f">= {GOALS['gpu']}", "none")
    if found is None:
        return [figure(f"gpu: {name}", "no GPU", goal, None) for name, goal in zip(names, goals, strict=True)]
    layer = statistics.median(found["layer_s"][1:])
    share, ratio = found["work"] / layer / found["ceiling"], SUBJECTS * found["himalaya_subject_s"] / layer
    values = ((round(layer, 1), True), (round(share, 2), share >= GOALS["gpu"]), (round(ratio, 1), True))
    return [
        figure(f"gpu: {name}", value, goal, ok, **found)
        for name, goal, (value, ok) in zip(names, goals, values, strict=True)
    ]


CHILDREN = {"ours": child_ours, "himalaya": child_himalaya, "sklearn": child_sklearn, "gpu": child_gpu}

if __name__ == "__main__":
    print(json.dumps(CHILDREN[sys.argv[1]](*sys.argv[2:])))
