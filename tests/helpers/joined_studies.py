"""Finished studies as a synthesis reads them, simulated with known courses."""

from dataclasses import asdict
from functools import cache

import numpy as np
from phase_curves import FAST
from simulated_study import study

from triphase.core.artefacts import write_arrays, write_json, write_table
from triphase.phases.curves import average_subjects, subject_curves
from triphase.phases.verdict import Judged
from triphase.synthesis.studies import Finished

STEPS = np.r_[0, 4 * 2 ** np.arange(14)]
TRIPLES = (("m", "triple"), ("w", "triple"))
DEFINITION = {"encoding/delays": [4, 6, 8], "encoding/scalings": "zscore", "phases/headline/measure": "alignment"}


@cache
def finished(name, courses=TRIPLES, dataset=None, language="en", seed=0):
    """One study: `courses` are pairs of a model and the name of its course; the verdict is what was planted."""
    table, boot = study(dict(courses), steps=STEPS, draws=100, seed=seed)
    phases, models = {}, {}
    for number, (model, course) in enumerate(courses):
        mine = boot.isel(series=boot["model"].values == model)
        curves = list(subject_curves(table[table["model"] == model], mine, "language").values())
        rng = np.random.default_rng(0)
        fit = Judged(average_subjects(curves, rng), FAST, rng)
        verdict = "supported" if course == "triple" else "not supported"
        phases[model] = fit.describe() | {
            "verdict": verdict,
            "reason": f"{verdict}: planted",
            "headline": {"roi": "language"},
            "n_subjects": len(curves),
            "provenance": {"seed": 0, "settings": asdict(FAST)},
        }
        share = {"en": 0.9 - 0.3 * number, "ja": 0.3 * number}
        models[model] = {"group": model, "seed": None, "language_share": share}
    return Finished(name, dataset or name, language, DEFINITION, models, phases, table.assign(study=name), boot)


def write_study(study, folder, **definition):
    """Write a study's files as its rules do; `definition` replaces keys of it. Returns the folder as text."""
    about = {"study": study.name, "dataset": study.dataset, "language": study.language, "models": study.models}
    write_json(folder / "definition.json", about | {"definition": study.definition | definition})
    write_json(folder / "phases.json", study.phases)
    write_table(folder / "trajectories.parquet", study.table)
    write_arrays(folder / "bootstrap.zarr.zip", study.boot)
    return str(folder)
