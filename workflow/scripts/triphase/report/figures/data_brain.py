"""Figure of the data report: how much of every voxel can be predicted, on the glass brain."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from triphase.core.artefacts import open_arrays
from triphase.report.ceilings import KINDS
from triphase.report.figures.glass import draw_glass, to_image
from triphase.report.figures.style import GREY, SEQUENTIAL, WIDTH, plt, say_empty
from triphase.report.numbers import counted


def draw_ceiling_map(ceiling: pd.DataFrame, responses: list[str]) -> Figure:
    """Glass brain of the ceiling, mean over subjects where their voxels share a place."""
    places = []
    for path in responses:
        with open_arrays(path) as data:
            places.append(np.column_stack([data[axis].values for axis in "xyz"]))
    sizes = ceiling.groupby("subject", sort=False).size().tolist()
    assert sizes == [len(xyz) for xyz in places], "rows of the table are not the voxels of the responses"
    values, kind = ceiling["ceiling"].to_numpy(), KINDS[ceiling["kind"].iloc[0]]
    known = np.isfinite(values)
    n_subjects = ceiling["subject"][known].nunique()
    figure = plt.figure(figsize=(WIDTH, 2.2))
    figure.text(0.01, 0.97, kind[0].upper() + kind[1:], fontsize=8.5, weight="bold", va="top")
    note = f"mean of n = {counted(n_subjects, 'subject')}; unthresholded, strongest along the line of sight"
    figure.text(0.01, 0.88, note, fontsize=6.5, color=GREY, va="top")
    if not known.any():
        axis = figure.add_axes((0.05, 0.05, 0.9, 0.75))
        axis.set_axis_off()
        say_empty(axis, "no ceiling is known")
        return figure
    limit = max(float(np.quantile(values[known], 0.995)), 1e-6)
    image = to_image(values, np.concatenate(places))
    draw_glass(figure, (0.01, 0.0, 0.88, 0.82), image, cmap=SEQUENTIAL, vmin=0, vmax=limit, colorbar=False)
    scale = plt.cm.ScalarMappable(plt.Normalize(0, limit), SEQUENTIAL)
    extend = "max" if values[known].max() > limit else "neither"
    bar = figure.colorbar(scale, cax=figure.add_axes((0.91, 0.12, 0.012, 0.6)), label=kind, extend=extend)
    bar.set_ticks([0, limit / 2, limit], labels=["0", f"{limit / 2:.2g}", f"{limit:.2g}"])
    return figure
