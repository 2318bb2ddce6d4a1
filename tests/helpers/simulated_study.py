"""Simulated trajectories with known courses, in the form that `join_trajectories` writes."""

import numpy as np
import pandas as pd
import xarray as xr

from triphase.table.draws import draws_dataset
from triphase.table.tidy import typed

STEPS = np.array([0, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
TOKENS_PER_STEP = 1024
LAYERS = (0, 1, 2, 3)
ROIS = ("LTemp", "LIFG", "RTemp", "Sensory", "Control", "language", "all")

COURSES = {
    "flat": ([0.5, 0.5], [0, 1]),
    "one rise": ([0, 1], [0, 1]),
    "rise-plateau": ([0, 1, 1], [0, 0.375, 1]),
    "rise-fall": ([0, 1, 0.2], [0, 0.5, 1]),
    "triple": ([0, 1, 0.5, 1.1], [0, 0.375, 0.625, 1]),
}


MAIN = {"scaling": "zscore", "delays": "headline", "nuisance": "N1"}


def course(name, n):
    """A named course on n equally spaced points."""
    values, places = COURSES[name]
    return np.interp(np.linspace(0, 1, n), places, values)


def rows_of(model, steps, values, errors, draws, measure, subject=None, roi=None, layer=None, **columns):
    """Tidy rows and bootstrap series of one measure."""
    rows, series = [], []
    for i, step in enumerate(steps):
        key = {"model": model, "checkpoint": f"step{step}", "step": int(step), "tokens": int(step) * TOKENS_PER_STEP,
               "subject": subject, "roi": roi, "measure": measure, "main": True, **columns}  # fmt: skip
        rows.append(key | {"layer": layer, "value": values[i], "se": errors, "n": 100})
        if draws is not None:
            series.append(key | {"value": values[i], "boot": draws[i], "freedom": np.inf})
    return rows, series


# Shares of the gain over N1 that are left over other nuisance sets, and shares of variance of each part.
OVER = {"N2": 0.7, "N1+static": 0.5, "N1+surprisal": 0.8, "N2+surprisal": 0.6}
UNIQUE = {"model": 0.06, "identity": 0.03, "surprisal": 0.01}


def content_of(model, table, boot, noise=0.002, draws=300, seed=5):
    """Rows and draws of one model's alignment over other nuisance sets (`OVER`), and of its unique variance (`UNIQUE`),
    which follow its course, joined with the table and draws of a study."""
    rng, rows, series = np.random.default_rng(seed), [], []
    own = table[(table["model"] == model) & (table["measure"] == "alignment")].sort_values("step")
    for (subject, roi), mine in own.groupby(["subject", "roi"]):
        values, steps = mine["value"].to_numpy(float), mine["step"].to_numpy(int)
        kinds = [
            ("alignment", 2, share * values, MAIN | {"nuisance": name, "main": False}) for name, share in OVER.items()
        ]
        for part, most in UNIQUE.items():
            columns = MAIN | {"nuisance": "N2+surprisal", "target": part}
            kinds += [
                ("unique_variance", layer, most * values / values.max() * (layer == 2), columns) for layer in (1, 2)
            ]
        for measure, layer, curve, columns in kinds:
            drawn = curve[:, None] + noise * rng.standard_normal((len(steps), draws)) if layer == 2 else None
            made = rows_of(model, steps, curve, noise, drawn, measure, subject, roi, layer, **columns)
            rows.extend(made[0])
            series.extend(made[1])
    more = typed(pd.DataFrame(rows).assign(study="simulated"))
    joined = xr.concat([boot, draws_dataset(series, "simulated", seed)], "series")
    return pd.concat([table, more], ignore_index=True), joined


def study(courses, subjects=3, noise=0.02, steps=STEPS, draws=300, adherence=True, seed=0):
    """Tidy table and draws of one study.

    Parameters
    ----------
    courses : dict of model to the name of alignment's course
    noise : standard error of a checkpoint's alignment as a share of its first rise
    """
    rng = np.random.default_rng(seed)
    rows, series = [], []
    n = len(steps)

    def add(made):
        rows.extend(made[0])
        series.extend(made[1])

    for model, name in courses.items():
        truth = np.r_[-0.1, course(name, n - 1)] if steps[0] == 0 else course(name, n)
        for number in range(subjects):
            subject = f"sub-{number + 1:02d}"
            for k, roi in enumerate(ROIS):
                scale = 0.12 * (1 + 0.1 * number) * {"Sensory": 0.1, "Control": 0.0}.get(roi, 1 - 0.05 * k)
                mean = 0.02 + scale * truth
                deviation = noise * 0.12
                values = mean + deviation * rng.standard_normal(n)
                spread = mean[:, None] + deviation * rng.standard_normal((n, draws))
                add(rows_of(model, steps, values, deviation, spread, "alignment", subject, roi, 2, **MAIN))
                for layer in LAYERS:
                    gains = values * (1 - 0.15 * abs(layer - 2))
                    add(rows_of(model, steps, gains, deviation, None, "gain", subject, roi, layer, **MAIN))
                for measure, level in (("ceiling", 0.5), ("r", 0.2)):
                    add(rows_of(model, steps, np.full(n, level), np.nan, None, measure, subject, roi, None))
        late = np.clip((np.arange(n) - 5) / 4, 0, 1)
        early = np.clip((np.arange(n) - 1) / 3, 0, 1)
        items = 0.02
        for task, truth_of_task in (("agreement", 0.8 * late), ("world", 0.6 * late)):
            values = truth_of_task + items * rng.standard_normal(n)
            spread = truth_of_task[:, None] + items * rng.standard_normal((n, draws))
            add(rows_of(model, steps, values, items, spread, "accuracy_rescaled", target=task))
        if adherence:
            values = 0.9 * early + items * rng.standard_normal(n)
            spread = 0.9 * early[:, None] + items * rng.standard_normal((n, draws))
            add(rows_of(model, steps, values, items, spread, "adherence", target="world"))
        add(rows_of(model, steps, 12 - 6 * early, 0.05, None, "surprisal"))
        for layer in LAYERS:
            add(rows_of(model, steps, 8 + 4 * early - 3 * late + layer, 0.3, None, "intrinsic_dimension", layer=layer))
            add(rows_of(model, steps, 1 - 0.7 * late, 0.01, None, "cka", layer=layer, reference="first"))
            for concept in ("topic", "number"):
                values = 0.3 * late + 0.02 * layer
                add(rows_of(model, steps, values, 0.02, None, "selectivity", layer=layer, target=concept))
    return typed(pd.DataFrame(rows).assign(study="simulated")), draws_dataset(series, "simulated", seed)
