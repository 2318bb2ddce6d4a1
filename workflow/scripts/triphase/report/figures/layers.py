"""Layer x checkpoint heat maps: brain alignment and internal states over depth and training."""

import pandas as pd
from matplotlib.figure import Figure

from triphase.encoding.analyses import Analysis
from triphase.report.figures.curves import targets_of
from triphase.report.figures.panels import draw_map
from triphase.report.figures.style import headline, plt
from triphase.report.numbers import counted
from triphase.table.selection import Selection


def draw_layers(trajectories: pd.DataFrame, roi: str, model: str) -> Figure:
    """Heat maps of gain, intrinsic dimension, probe selectivity (mean over concepts) and similarity to the first step.

    Parameters
    ----------
    trajectories : tidy rows of the model
    roi : region whose gain is drawn, averaged over subjects
    model
    """
    concepts = targets_of(trajectories, "selectivity")
    first = Selection("cka", analysis=Analysis(reference="first"))
    panels = [
        (f"a  Brain: gain in r, {roi} regions", "gain in r", Selection("gain", roi=roi)),
        ("b  Intrinsic dimension", "dimension", Selection("intrinsic_dimension")),
        (f"c  Probe selectivity, mean of {len(concepts)} concepts", "selectivity", Selection("selectivity")),
        ("d  Similarity to the first checkpoint (grey: itself)", "linear CKA", first),
    ]
    columns = sorted(trajectories["tokens"].dropna().unique())
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 6.6), layout="constrained")
    subjects = panels[0][2].rows(trajectories)["subject"].nunique()
    headline(figure, f"{model}: layers over training (a: mean of n = {counted(subjects, 'subject')})")
    for axis, (title, label, chosen) in zip(axes.flat, panels, strict=True):
        axis.set_title(title)
        draw_map(axis, chosen.rows(trajectories), columns, label)
    return figure
