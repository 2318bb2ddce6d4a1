"""Brain maps: glass brains and the cortical surface, one row per map, one symmetric colour scale per figure."""

import gc
import textwrap
import warnings

import nibabel
import numpy as np

from triphase.report.figures.phase_maps import NOTHING, colour_limit
from triphase.report.figures.style import DIVERGING, GREY, counted, plt, say_empty
from triphase.report.figures.surface import VIEWS as SURFACE_VIEWS
from triphase.report.figures.surface import picture, vertices_on_surface, volumes_on_surface

VIEWS = "lyrz"
ROW, HEAD = 1.45, 1.15  # inches


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


def measured(maps):
    """The voxels that have a place and a gain at every checkpoint where any has one.

    Parameters
    ----------
    maps : xarray.Dataset
        `gain` (checkpoint, target); coordinates x, y, z (target).
    """
    known = np.isfinite(maps["gain"].values)
    rows = known.any(axis=1)
    return maps.isel(checkpoint=rows, target=known[rows].all(axis=0) & np.isfinite(places(maps)).all(axis=1))


def places(maps):
    """Coordinates of the voxels in mm, (target, 3)."""
    return np.column_stack([maps[name].values for name in "xyz"])


def on_surface(maps, xyz, space):
    """Maps on the vertices of fsaverage5: a list of dict of hemisphere to float array (vertex,).

    Parameters
    ----------
    maps : list of phase_maps.Map
    xyz : float array (target, 3), mm
    space : str, mni or fsaverage5
    """
    if not maps:
        return []
    if space == "fsaverage5":
        return vertices_on_surface([each.values for each in maps], xyz)
    return volumes_on_surface([to_image(each.values, xyz) for each in maps], to_image(np.ones(len(xyz)), xyz))


def draw_maps(maps, surfaces, dataset, space, title, label):
    """One row per map: glass brain (volumes only) and the inflated surface from four sides.

    Parameters
    ----------
    maps : list of phase_maps.Map
    surfaces : list of dict of hemisphere to float array (vertex,), as of `on_surface`
    dataset : xarray.Dataset
        Coordinates subject, x, y, z (target).
    space : str, mni or fsaverage5
    title, label : str
        What the figure shows, and what its colours are.
    """
    if not maps:
        figure, axis = plt.subplots(figsize=(8, 1.6))
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
        axis.set_axis_off()
        say_empty(axis, NOTHING)
        return figure
    glass = space == "mni"
    limit = colour_limit(maps)
    height = ROW * len(maps) + HEAD
    figure = plt.figure(figsize=(13 if glass else 8.5, height))
    left, share = (0.5, 0.125) if glass else (0.17, 0.2)
    for number, each in enumerate(maps):
        bottom = (0.62 + ROW * (len(maps) - 1 - number)) / height
        tall = 0.94 * ROW / height
        name = textwrap.fill(each.name, 18)
        figure.text(0.008, bottom + 0.53 * tall, name, fontsize=10, va="bottom", linespacing=1.1)
        figure.text(0.008, bottom + 0.42 * tall, each.detail, fontsize=8.5, va="center", color=GREY)
        if glass:
            image = to_image(each.values, places(dataset))
            draw_glass(figure, (0.125, bottom, 0.37, tall), image, limit, annotate=number == 0)
        for place, (view, (hemisphere, _)) in enumerate(SURFACE_VIEWS.items()):
            axis = figure.add_axes((left + place * share, bottom, share * 0.96, tall))
            axis.imshow(picture(view, surfaces[number][hemisphere], limit), origin="lower", interpolation="antialiased")
            axis.set_axis_off()
            if number == 0:
                axis.set_title(view, fontsize=8.5, color=GREY, loc="center", pad=2)
    n_subjects = len(set(dataset["subject"].values))
    said = [f"Headline layer of each subject; n = {counted(n_subjects, 'subject')}"]
    said += ["mean where their voxels share a place"] * (n_subjects > 1) + ["not thresholded"]
    said += ["glass brain: strongest along the line of sight"] * glass
    figure.text(0.008, 1 - 0.08 / height, title, fontsize=12, weight="bold", va="top")
    figure.text(0.008, 1 - 0.34 / height, "; ".join(said), fontsize=8.5, color=GREY, va="top")
    draw_scale(figure, height, limit, label, np.concatenate([each.values for each in maps]))
    return figure


def draw_glass(figure, place, image, limit, annotate):
    """One glass brain in a part of the figure."""
    from nilearn.plotting import plot_glass_brain

    # nilearn collects garbage four times per brain; without the frozen objects this takes a third of the time.
    gc.freeze()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plot_glass_brain(
            image, display_mode=VIEWS, figure=figure, axes=place, cmap=DIVERGING, vmin=-limit, vmax=limit,
            symmetric_cbar=True, plot_abs=False, colorbar=False, threshold=1e-9, annotate=annotate,
        )  # fmt: skip


def draw_scale(figure, height, limit, label, values):
    """The colour scale of the whole figure, with arrows where values lie beyond it."""
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[
        bool((values < -limit).any()), bool((values > limit).any())
    ]
    axis = figure.add_axes((0.35, 0.42 / height, 0.3, 0.12 / height))
    scale = plt.cm.ScalarMappable(plt.Normalize(-limit, limit), DIVERGING)
    bar = figure.colorbar(scale, cax=axis, orientation="horizontal", label=label, extend=extend)
    bar.locator = plt.MaxNLocator(5)
