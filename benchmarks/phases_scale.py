"""Time and memory of all statistics at the size of a real study; part of `make bench-phases`.

Four models of 30 checkpoints (step 0 and 29 after it), 33 layers and 8 subjects, simulated: the tidy table, the paired
draws of the headline layer and the draws of every fit, 1,000 each, lie in files as the workflow's stages leave them.
The workflow's own scripts then run as processes of one thread each, two at a time, with the default
settings. Memory is that of the two largest together. The draws of all layers and models are one set per
checkpoint (links to one file), which takes the same time to read and spares 6 GB of disk.

As a script with arguments it is such a process.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "benchmarks"), str(ROOT / "tests/helpers")]
from reporting import figure  # noqa: E402

from triphase.config.schema import Study  # noqa: E402
from triphase.config.schema.overlay import defaults, json_schema  # noqa: E402

CHECKPOINTS, LAYERS, SUBJECTS, DRAWS, HEADLINE_LAYER = 30, 33, 8, 1000, 20
CORES, GOALS = 2, {"seconds": 180, "gigabytes": 4}
SIZE, NOISE = 0.05, 0.002
ROIS = [{"name": f"R{k}", "language": k < 4} for k in range(6)]
REGIONS = [*(roi["name"] for roi in ROIS), "language", "all"]
SCALINGS = ["zscore", "center", "no_outliers", "pca"]
FIT = {"scaling": "zscore", "delays": "headline"}
GAINS = [FIT | {"nuisance": "N1"}, FIT | {"nuisance": "N2"},
         *({"scaling": name, "delays": "headline", "nuisance": "N1"} for name in SCALINGS[1:])]  # fmt: skip
SCORES = [{"measure": "gain", "main": not number, **choices} for number, choices in enumerate(GAINS)]
SCORES += [{"measure": name, "main": True, **FIT} for name in (
    "r", "r_llm", "r_nuisance", "r_nuisance_alone", "cv_score", "significant", "significant_fwer")]  # fmt: skip
SCORES += [{"measure": "r", "normalised": True, "main": False, **FIT}]
# Heights at the first checkpoint after step 0, at the 11th, the 19th and the last.
COURSES = {"triple": [0, 1, 0.6, 1.1], "plateau": [0, 1, 1, 1], "fall": [0, 1, 0.7, 0.7], "rise": [0, 0.4, 0.7, 1]}
TASKS = [({"measure": "accuracy_rescaled", "target": "a"}, "rise"),
         ({"measure": "accuracy_rescaled", "target": "b"}, "rise"),
         ({"measure": "adherence", "target": "c"}, "plateau")]  # fmt: skip
STATES = [({"measure": "selectivity", "target": "pos"}, "rise"), ({"measure": "surprisal"}, "plateau")]
HEADLINE = {"roi": "language", "tasks": ["a", "b"], "adherence": ["c"]}
STEPS = np.r_[0, np.round(np.geomspace(16, 143000, CHECKPOINTS - 1)).astype(int)]
GRID = {"checkpoint": [f"step{step}" for step in STEPS], "step": STEPS, "tokens": STEPS * 2_097_152}


def course(name):
    """A course over the checkpoints."""
    return np.r_[-0.1, np.interp(np.arange(CHECKPOINTS - 1), [0, 10, 18, CHECKPOINTS - 2], COURSES[name])]


def curves(model, rng, measures, layers, regions, subjects):
    """Tidy rows of measures (pairs of columns and course): checkpoint x layer x subject x region x measure."""
    import pandas as pd

    axes = {
        "checkpoint": GRID["checkpoint"],
        "layer": layers,
        "subject": subjects,
        "roi": regions,
        "number": range(len(measures)),
    }
    index = pd.MultiIndex.from_product(axes.values(), names=list(axes))
    truth = 0.02 + SIZE * np.stack([course(name) for _, name in measures], axis=1)
    values = np.broadcast_to(truth[:, None, None, None], [len(axis) for axis in axes.values()])
    table = index.to_frame(index=False).merge(pd.DataFrame(GRID), on="checkpoint", sort=False)
    about = pd.DataFrame([columns for columns, _ in measures]).assign(number=range(len(measures)))
    table = table.merge(about, on="number", sort=False)
    noise = NOISE * rng.standard_normal(len(table))
    return table.assign(model=model, value=values.ravel() + noise, se=NOISE, n=500)


def write_study(folder):
    """Write a study as the workflow's stages leave it; returns the models' names."""
    import pandas as pd
    import xarray as xr

    from triphase.core.artefacts import write_arrays, write_table
    from triphase.table.draws import draws_dataset
    from triphase.table.tidy import typed

    rng, tables, drawn = np.random.default_rng(0), [], []
    subjects = [f"sub-{number}" for number in range(SUBJECTS)]
    for name in COURSES:
        rows = curves(name, rng, [(columns, name) for columns in SCORES], list(range(LAYERS)), REGIONS, subjects)
        own = rows[(rows["layer"] == HEADLINE_LAYER) & (rows["measure"] == "gain")].assign(measure="alignment")
        tasks = curves(name, rng, TASKS, [None], [None], [None])
        states = curves(name, rng, STATES, [HEADLINE_LAYER], [None], [None])
        tables += [rows, own, tasks, states]
        drawn += [own, tasks.assign(main=True)]
    layers = [[model, subject, HEADLINE_LAYER] for model, subject in product(COURSES, subjects)]
    table = typed(pd.concat(tables, ignore_index=True).assign(study="scale"))
    write_table(folder / "trajectories.parquet", table, layers=layers, excluded=[])
    series = pd.concat(drawn, ignore_index=True)
    boot = series["value"].to_numpy(np.float32)[:, None] + draws_of(rng, len(series))
    entries = [
        entry | {"boot": row, "freedom": 12.0}
        for entry, row in zip(typed(series).to_dict("records"), boot, strict=True)
    ]
    write_arrays(folder / "bootstrap.zarr.zip", draws_dataset(entries, "scale", 0))
    shape = SUBJECTS, len(REGIONS), 1 + len(GAINS)
    for checkpoint in GRID["checkpoint"]:
        values = draws_of(rng, np.prod(shape)).reshape(*shape, DRAWS)
        coords = {"listener": subjects, "region": REGIONS}
        coords |= {key: ("analysis", [choices[key] for choices in GAINS]) for key in GAINS[0]}
        boots = {"boot_r": (("listener", "region", "draw"), values[:, :, 0]),
                 "boot_gain": (("listener", "region", "analysis", "draw"), values[:, :, 1:]),
                 "freedom": 12.0}  # fmt: skip
        write_arrays(folder / f"{checkpoint}.zarr.zip", xr.Dataset(boots, coords=coords))
    write_arrays(folder / "fingerprint.zarr.zip", xr.Dataset({"count": ("tensor", np.full(200, 10**6))}))
    (folder / "checkpoint.json").write_text(json.dumps({"layers": LAYERS - 1}))


def draws_of(rng, number):
    """Deviations of draws, float32 array (number, DRAWS)."""
    return NOISE * rng.standard_normal((number, DRAWS), dtype=np.float32)


def jobs(folder):
    """What is run: script, its paths, its model and what else it is told; the last needs what the others wrote."""
    phases = defaults(json_schema(Study))["phases"]
    about = {name: {"group": name, "seed": None, "language_share": None} for name in COURSES}
    common = {"trajectories": "trajectories.parquet", "bootstrap": "bootstrap.zarr.zip"}
    judgement = {"smallest_fall": phases["smallest_fall"], "draws": DRAWS, "simulations": phases["simulations"]}
    declared = {"headline": HEADLINE, "judgement": judgement, "seed": 0}
    own = declared | {"floor_tokens": 0}
    files = [[checkpoint, layer] for checkpoint in GRID["checkpoint"] for layer in range(LAYERS)]
    encoding = [f"{checkpoint}.zarr.zip" for checkpoint, _ in files]
    everything = [
        *(("fit_phases", common | {"fingerprint": "fingerprint.zarr.zip", "phases": f"phases_{name}.json"}, name,
           own | {"rois": ROIS}) for name in COURSES),
        *(("tabulate_specifications",
           {"trajectories": common["trajectories"], "checkpoint": "checkpoint.json", "encoding": encoding,
            "table": f"specifications_{name}.parquet"}, name,
           own | {"files": files, "specification": phases["specification"], "scalings": SCALINGS})
          for name in COURSES),
        *(("simulate_power", common | {"power": f"power_{name}.parquet"}, name, own) for name in COURSES),
        ("compare_models",
         {"joined": "phases.json", "phases": [f"phases_{name}.json" for name in COURSES], "tables": [],
          "across": "across.json"}, None, declared | {"models": about, "language": "en"}),
    ]  # fmt: skip
    place = lambda path: [place(p) for p in path] if isinstance(path, list) else str(folder / path)  # noqa: E731
    return [(script, {key: place(path) for key, path in paths.items()}, *rest) for script, paths, *rest in everything]


def run(job):
    """One job as a process of one thread: its script, seconds and peak memory in GB."""
    threads = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    command = [sys.executable, __file__, "-"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, env=os.environ | threads)
    if done.returncode:
        raise RuntimeError(f"{job[0]}: {done.stderr.strip().splitlines()[-1]}")
    return job[0], *json.loads(done.stdout.splitlines()[-1])


def scale_figures():
    """Rows of `reporting.figure`: wall time and peak memory of all statistics, and what each script took."""
    with tempfile.TemporaryDirectory() as folder:
        write_study(Path(folder))
        *together, last = jobs(Path(folder))
        began = time.perf_counter()
        with ThreadPoolExecutor(CORES) as pool:
            found = list(pool.map(run, together))
        found.append(run(last))
        wall = time.perf_counter() - began
    memory = sum(sorted(peak for *_, peak in found)[-CORES:])
    scripts = {}
    for script, seconds, _ in found:
        scripts.setdefault(script, []).append(round(seconds, 1))
    size = f"{len(COURSES)} models x {CHECKPOINTS} checkpoints x {LAYERS} layers x {SUBJECTS} subjects, {DRAWS} draws"
    return [
        figure("scale: all statistics, s", round(wall, 1), f"<= {GOALS['seconds']}", wall <= GOALS["seconds"],
               size=size, seconds=scripts),
        figure("scale: peak memory, GB", round(memory, 2), f"<= {GOALS['gigabytes']}", memory <= GOALS["gigabytes"]),
    ]  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        from jobs import run as run_script

        script, paths, model, told = json.load(sys.stdin)
        module = importlib.import_module(script)
        began = time.perf_counter()
        run_script(module, paths, wildcards={"model": model}, **told)
        print(json.dumps([time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))
    else:
        for row in scale_figures():
            print(row)
