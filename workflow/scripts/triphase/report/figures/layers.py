"""Layer x checkpoint heat maps: brain alignment and internal states over depth and training."""

import pandas as pd
from matplotlib.figure import Figure

from triphase.report.figures.curves import names_after
from triphase.report.figures.panels import draw_map
from triphase.report.figures.style import headline, plt
from triphase.report.numbers import counted


def draw_layers(trajectories: pd.DataFrame, roi: str, model: str) -> Figure:
    """Heat maps of gain, intrinsic dimension, probe selectivity (mean over concepts) and similarity to the first step.

    Parameters
    ----------
    trajectories : tidy rows of the model
    roi : region whose gain is drawn, averaged over subjects
    model
    """
    concepts, measure = names_after(trajectories, "selectivity"), trajectories["measure"]
    probed = measure.isin([f"selectivity/{concept}" for concept in concepts])
    panels = [
        (f"a  Brain: gain in r, {roi} regions", "gain in r", (measure == "gain") & (trajectories["roi"] == roi)),
        ("b  Intrinsic dimension", "dimension", measure == "intrinsic_dimension"),
        (f"c  Probe selectivity, mean of {len(concepts)} concepts", "selectivity", probed),
        ("d  Similarity to the first checkpoint (grey: itself)", "linear CKA", measure == "cka_first"),
    ]
    columns = sorted(trajectories["tokens"].dropna().unique())
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 6.6), layout="constrained")
    subjects = trajectories[panels[0][2]]["subject"].nunique()
    headline(figure, f"{model}: layers over training (a: mean of n = {counted(subjects, 'subject')})")
    for axis, (title, label, chosen) in zip(axes.flat, panels, strict=True):
        axis.set_title(title)
        draw_map(axis, trajectories[chosen], columns, label)
    return figure
