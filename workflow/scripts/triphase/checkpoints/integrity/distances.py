"""How far each checkpoint moved from the one before, file by file: what the figure draws."""

import numpy as np
import pandas as pd

from triphase.checkpoints.integrity.files import structures
from triphase.checkpoints.integrity.mark import Fingerprint
from triphase.checkpoints.integrity.series import Series, trainable
from triphase.core.types import Entries

COLUMNS = ["model", "checkpoint", "step", "previous", "file", "distance"]


def distance_rows(model: str, entries: Entries, marks: dict[str, Fingerprint]) -> pd.DataFrame:
    """Root mean square distance to the checkpoint before, relative to the size of the weights.

    Returns
    -------
    DataFrame
        model, checkpoint, step, previous, file ("" = all), distance (1 = as large as the weights).
    """
    steps = {entry["name"]: entry["step"] for entry in entries}
    kept = {name: marks[name] for name in steps if name in marks}
    sound = structures(kept) if kept else {}
    names = [name for name in kept if sound[name][0] == "ok" and not kept[name].nonfinite.any()]
    rows = []
    if len(names) > 1:
        series = Series(names, [steps[name] for name in names], [kept[n].take(trainable(kept[n])) for n in names])
        size = np.mean([mark.mean**2 + mark.std**2 for mark in series.marks], axis=0)
        relative = series.squared / np.maximum(size, 1e-30)[:, None, None]
        for at in range(1, len(series)):
            moved = np.where(size > 0, relative[:, at - 1, at], np.nan)
            files = np.array(series.marks[at].files)
            several = sorted(set(files)) if len(set(files)) > 1 else []
            for file in ["", *several]:
                part = moved if not file else moved[files == file]
                rows.append(
                    (
                        model,
                        series.names[at],
                        series.steps[at],
                        series.names[at - 1],
                        file,
                        float(np.sqrt(np.nanmean(part))),
                    )
                )
    return pd.DataFrame(rows, columns=COLUMNS)
