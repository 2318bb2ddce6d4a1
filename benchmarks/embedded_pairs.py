"""Verdicts of the embedded study for pairs of a simulator's and a training's seed that its design never saw.

Part of the figures of the embedded study. Each pair is simulated, trained, extracted and fitted by the scripts of the
workflow, joined by its functions and judged as `fit_phases` does. States, tasks, word identity, maps and pages are left
out, since no verdict reads them. The design used simulator seed 1 and training seed 101.
"""

import os
import stat
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "workflow/scripts"), str(HERE.parent / "tests/helpers")]
import pandas as pd  # noqa: E402
from embedded_truth import extract, fit, load_config, prepare_listeners, train_one  # noqa: E402
from reporting import figure  # noqa: E402

PAIRS = tuple(zip(range(201, 211), range(301, 311), strict=True))
WANTED = {"steady": "not supported", "shifted": "supported"}
ENOUGH = 0.9  # of the pairs


def judge_pair(seeds):
    """Verdict of both models for one pair of seeds: list of dict, one a model."""
    from triphase.core.artefacts import read_table
    from triphase.planning.study import Study
    from triphase.table.tidy import encoding_rows, tidy

    begin = time.perf_counter()
    simulator, training = seeds
    config = load_config(simulator)
    config["encoding"]["lexical"] = None
    for model in config["models"]:
        model["train"] = model["train"] | {"seed": training}
    study = Study(str(HERE.parent), config, {model["name"]: model for model in config["models"]})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in config["models"]:
            train_one(model, folder)
        os.chdir(folder)  # data sets are cloned below the working directory
        config = prepare_listeners(config, folder)
        os.chdir(HERE.parent)
        ceiling, rois = read_table(str(folder / "ceiling.parquet")), config["dataset"]["rois"]
        tables, files = [], {}
        for entry in study.series:
            model, checkpoint = study.models[entry["model"]], study.checkpoints[entry["model"]][entry["checkpoint"]]
            activations = extract(config, folder, folder / "demo/hub", model, checkpoint)
            frames = []
            for layer in entry["layers"]:
                written = f"{entry['model']}-{entry['checkpoint']}-{layer}.encoding.zarr.zip"
                frames.append(encoding_rows(fit(config, folder, activations, layer, written), rois, ceiling))
                files[entry["model"], entry["checkpoint"], layer] = str(folder / written)
            keys = {key: entry[key] for key in ("model", "checkpoint", "step", "tokens")}
            tables.append(tidy(frames, study=config["study"], **keys))
        found = judge(config, study, pd.concat(tables, ignore_index=True), files)
        for path, _, _ in os.walk(folder):
            os.chmod(path, stat.S_IRWXU)  # annexed files lie in write-protected folders
    about = {"simulator_seed": simulator, "training_seed": training, "seconds": round(time.perf_counter() - begin)}
    return [about | entry for entry in found]


def judge(config, study, table, files):
    """Join the tables of all checkpoints and judge each model: list of dict."""
    from triphase.config.jobs import FitPhases, settings_values
    from triphase.phases.model import model_phases
    from triphase.phases.transitions import Settings
    from triphase.table.draws import alignment_series, draws_dataset
    from triphase.table.tidy import alignment_rows, choose_layers, typed

    layers = choose_layers(table, config["phases"]["headline"]["roi"])
    table = typed(pd.concat([table, alignment_rows(table, layers)], ignore_index=True))
    boot = draws_dataset(alignment_series(table, files), config["study"], config["seed"])
    found = []
    for name, model in study.models.items():
        told = FitPhases(**settings_values("fit_phases", config, floor_tokens=model["floor_tokens"]))
        settings = Settings(**told.judgement, floor_tokens=told.floor_tokens)
        mine, rows = (
            boot.isel(series=boot["model"].values == name),
            table[table["model"].isin([name]) | table["model"].isna()],
        )
        phases = model_phases(rows, mine, name, told.headline, settings, told.seed, told.rois)
        found.append(
            {
                "model": name,
                **{key: phases[key] for key in ("verdict", "reason", "pattern", "power", "scale_dependent")},
                "single": {subject: entry["verdict"] for subject, entry in phases["subjects"].items()},
                "training_size": phases["training_size"]["dependent"],
                "layers": sorted({layer for (model, _), layer in layers.items() if model == name}),
                "curve": [[int(step), round(float(value), 4)] for step, value in mean_curve(rows, config)],
            }
        )
    return found


def mean_curve(rows, config):
    """The headline's curve, mean over the listeners: pairs of step and gain."""
    from triphase.table.selection import Selection
    from triphase.table.tidy import ALIGNMENT

    curve = Selection(ALIGNMENT, roi=config["phases"]["headline"]["roi"]).rows(rows)
    return curve.groupby("step")["value"].mean().items()


def figures(pairs=PAIRS):
    """A figure for each model's verdict, one for the opposite of it; the first has all that was found."""
    found = measure(pairs)
    table, n = pd.DataFrame(found), len(pairs)
    rows = []
    for model, wanted in WANTED.items():
        verdicts = table[table["model"] == model]["verdict"]
        held = int((verdicts == wanted).sum())
        goal = f">= {round(ENOUGH * n)} of {n}"
        rows.append(figure(f"embedded pairs: {model}, {wanted}", f"{held} of {n}", goal, held >= ENOUGH * n))
        opposite = next(verdict for name, verdict in WANTED.items() if name != model)
        wrong = int((verdicts == opposite).sum())
        rows.append(figure(f"embedded pairs: {model}, {opposite}", f"{wrong} of {n}", f"0 of {n}", wrong == 0))
    return [rows[0] | {"pairs": found}, *rows[1:]]


def measure(pairs, jobs=2):
    """Verdicts of all pairs: list of dict, as `judge_pair`."""
    found = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for entries in pool.map(judge_pair, pairs):
            found += entries
            for entry in entries:
                print(
                    f"seeds {entry['simulator_seed']}, {entry['training_seed']}: {entry['model']} is {entry['reason']}",
                    flush=True,
                )
    return found
