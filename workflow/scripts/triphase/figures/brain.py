"""Brain maps of the gain at the turning points of a model's alignment."""

import gc
import warnings

import nibabel
import numpy as np

from triphase.figures.style import DIVERGING, GREY, counted, plt, short_tokens

MOST_ROWS = 4
VIEWS = "lyrz"


def turning_points(tokens, breakpoints):
    """Indices of the checkpoints to draw: the first, those at breakpoints, and the last; one in the middle without any.

    Parameters
    ----------
    tokens : array
        Tokens of the checkpoints.
    breakpoints : list of float
        Breakpoints of the alignment's fit, in tokens.
    """
    order = np.argsort(tokens)
    chosen = [int(order[0]), *(int(np.abs(tokens - point).argmin()) for point in breakpoints), int(order[-1])]
    if not breakpoints and len(order) > 2:
        chosen.insert(1, int(order[len(order) // 2]))
    chosen = sorted(set(chosen), key=lambda i: tokens[i])
    return chosen if len(chosen) <= MOST_ROWS else [*chosen[: MOST_ROWS - 1], chosen[-1]]


def to_image(values, xyz):
    """Average values that share a place and put them on a regular grid in MNI space.

    Parameters
    ----------
    values : array (targets,)
    xyz : array (targets, 3), mm

    Returns
    -------
    nibabel.Nifti1Image; the voxel size is the smallest distance between places along each axis
    """
    known = np.isfinite(values) & np.isfinite(xyz).all(axis=1)
    values, xyz = values[known], np.round(xyz[known], 2)
    origin = xyz.min(axis=0)
    steps = [np.diff(np.unique(column)) for column in xyz.T]
    size = np.array([gaps.min() if len(gaps) else 1.0 for gaps in steps])
    index = np.round((xyz - origin) / size).astype(int)
    # A rim of empty voxels, so that resampling does not smear the border.
    shape = tuple(index.max(axis=0) + 3)
    total, count = np.zeros(shape), np.zeros(shape)
    place = tuple((index + 1).T)
    np.add.at(total, place, values)
    np.add.at(count, place, 1)
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = origin - size
    mean = np.divide(total, count, out=np.zeros(shape), where=count > 0)
    return nibabel.Nifti1Image(mean.astype(np.float32), affine)


def draw_brain(maps, phases, model):
    """Glass brains at the turning points, then the changes between them.

    Parameters
    ----------
    maps : xarray.Dataset
        `gain` (checkpoint, target); coordinates subject, x, y, z (target), tokens (checkpoint).
    phases : dict
        The model's entry of phases.json.
    """
    from nilearn.plotting import plot_glass_brain

    tokens, gain = maps["tokens"].values.astype(float), maps["gain"].values
    xyz = np.column_stack([maps[name].values for name in "xyz"])
    chosen = turning_points(tokens, phases["breakpoints"])
    rows = [(f"{short_tokens(tokens[i])} tokens", gain[i], "gain in r") for i in chosen]
    rows += [
        (f"{short_tokens(tokens[a])} → {short_tokens(tokens[b])}", gain[b] - gain[a], "change of gain in r")
        for a, b in zip(chosen[:-1], chosen[1:], strict=True)
    ]
    figure = plt.figure(figsize=(10, 1.75 * len(rows) + 0.9))
    n_subjects = len(set(maps["subject"].values))
    # Rows share their colour scale within a kind, so that they can be compared.
    limits = {
        label: max(float(np.nanquantile(np.abs([row[1] for row in rows if row[2] == label]), 0.98)), 1e-6)
        for _, _, label in rows
    }
    height = (1 - 0.9 / (1.75 * len(rows) + 0.9)) / len(rows)
    for number, (name, values, label) in enumerate(rows):
        bottom = height * (len(rows) - 1 - number)
        # nilearn collects garbage four times per brain; without the frozen objects this takes a third of the time.
        gc.freeze()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plot_glass_brain(
                to_image(values, xyz), display_mode=VIEWS, figure=figure, axes=(0.16, bottom, 0.83, height * 0.97),
                cmap=DIVERGING, vmin=-limits[label], vmax=limits[label], symmetric_cbar=True, plot_abs=False,
                colorbar=True, threshold=1e-9, annotate=number == 0,
            )  # fmt: skip
        figure.text(0.01, bottom + height * 0.55, name, fontsize=10, va="center")
        figure.text(0.01, bottom + height * 0.40, label, fontsize=8, va="center", color=GREY)
    figure.text(0.01, 0.99, f"{model}: brain maps at the turning points", fontsize=12, weight="bold", va="top")
    figure.text(
        0.01, 0.99 - 0.32 / figure.get_figheight(),
        f"Gain over nuisance at each subject's headline layer, mean of n = {counted(n_subjects, 'subject')}; "
        "unthresholded, strongest along the line of sight", fontsize=8, color=GREY, va="top",
    )  # fmt: skip
    return figure
