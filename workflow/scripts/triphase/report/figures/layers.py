"""Layer x checkpoint heat maps: brain alignment and internal states over depth and training."""

import numpy as np

from triphase.report.figures.curves import names_after
from triphase.report.figures.style import SEQUENTIAL, counted, plt, say_empty, short_tokens


def draw_layers(table, roi, model):
    """Heat maps of gain, intrinsic dimension, probe selectivity (mean over concepts) and similarity to the first step.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    roi : str
        Region whose gain is drawn, averaged over subjects.
    """
    concepts = names_after(table, "selectivity")
    panels = [
        (
            f"a  Brain: gain in r, {roi} regions",
            "gain in r",
            table[(table["measure"] == "gain") & (table["roi"] == roi)],
        ),
        ("b  Intrinsic dimension", "dimension", table[table["measure"] == "intrinsic_dimension"]),
        (
            f"c  Probe selectivity, mean of {len(concepts)} concepts",
            "selectivity",
            table[table["measure"].isin([f"selectivity/{concept}" for concept in concepts])],
        ),
        ("d  Similarity to the first checkpoint (grey: itself)", "linear CKA", table[table["measure"] == "cka_first"]),
    ]
    columns = sorted(table["tokens"].dropna().unique())
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 6.6), layout="constrained")
    subjects = panels[0][2]["subject"].nunique()
    figure.suptitle(
        f"{model}: layers over training (a: mean of n = {counted(subjects, 'subject')})",
        x=0.01,
        ha="left",
        weight="bold",
    )
    for axis, (title, label, rows) in zip(axes.flat, panels, strict=True):
        axis.set_title(title)
        draw_map(axis, rows, label, columns)
    return figure


def draw_map(axis, rows, label, tokens, limits=(None, None), cmap=SEQUENTIAL, ticks=12, numbers=True):
    """One heat map: layers upwards, all checkpoints to the right; a cell without a value stays grey.

    Parameters
    ----------
    axis : matplotlib Axes
    rows : DataFrame with layer, tokens, value
    label : str or None, of the colour bar; without one there is no bar
    tokens : list of float, of all checkpoints
    limits : ends of the colour scale, by default the lowest and the highest value
    cmap : str
    ticks : int, at most so many along each side
    numbers : bool, whether the cells of a small map carry theirs

    Returns
    -------
    the image, None without values
    """
    rows = rows[rows["layer"].notna() & rows["value"].notna()]
    if not len(rows):
        axis.set_xticks([])
        say_empty(axis, "not measured in this study")
        return None
    grid = rows.pivot_table(index="layer", columns="tokens", values="value", aggfunc="mean").reindex(columns=tokens)
    values = grid.to_numpy(float)
    axis.set_facecolor("#DDDDDD")
    image = axis.imshow(values, origin="lower", aspect="auto", cmap=cmap, vmin=limits[0], vmax=limits[1])
    if label:
        axis.figure.colorbar(image, ax=axis, label=label, shrink=0.9)
    if grid.columns[0] == 0:
        # The untrained model is apart from the others, as on a token axis.
        axis.axvline(0.5, color="white", linewidth=3)
    every = int(np.ceil(grid.shape[1] / ticks))
    columns = np.arange(0, grid.shape[1], every)
    axis.set_xticks(columns, [short_tokens(grid.columns[i]) for i in columns], rotation=35, ha="right")
    every = int(np.ceil(grid.shape[0] / ticks))
    layers = np.arange(0, grid.shape[0], every)
    axis.set_yticks(layers, [f"{int(grid.index[i])}" for i in layers])
    axis.set_xlabel("training tokens (one column per checkpoint)")
    axis.set_ylabel("layer (0 = embedding)")
    axis.spines[:].set_visible(False)
    if numbers and values.size <= 60:
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        decimals = int(np.clip(1 - np.floor(np.log10(max(np.nanmax(values) - np.nanmin(values), 1e-9) / 2)), 1, 4))
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                axis.text(column, row, f"{value:.{decimals}f}", ha="center", va="center", fontsize=6.5,
                          color="black" if value > middle else "white")  # fmt: skip
    return image
