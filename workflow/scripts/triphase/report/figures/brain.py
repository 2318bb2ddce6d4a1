"""Brain maps: glass brains and the cortical surface, one row per map, one symmetric colour scale per figure."""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from triphase.report.figures.glass import draw_glass, to_image
from triphase.report.figures.phase_maps import NOTHING, Map, colour_limit, measured, phase_maps, places
from triphase.report.figures.style import DIVERGING, GREY, nothing_drawn, plt
from triphase.report.figures.surface import VIEWS, on_surface, picture
from triphase.report.numbers import counted

ROW, HEAD = 1.45, 1.15  # inches
SIGNED = {"cmap": DIVERGING, "symmetric_cbar": True, "colorbar": False}


def draw_brain(maps: xr.Dataset, phases: dict, space: str, model: str) -> Figure:
    """Maps of one model where its phases begin and end."""
    maps = measured(maps)
    levels, _ = phase_maps(maps, phases)
    return draw_maps(levels, maps, space, f"{model}: brain maps of the phases", "gain in r")


def draw_changes(maps: xr.Dataset, phases: dict, space: str, model: str) -> Figure:
    """Maps of the changes between the phases of one model."""
    maps = measured(maps)
    _, changes = phase_maps(maps, phases)
    return draw_maps(changes, maps, space, f"{model}: changes from phase to phase", "change of gain in r")


def draw_maps(maps: list[Map], dataset: xr.Dataset, space: str, title: str, label: str) -> Figure:
    """One row per map: glass brain (volumes only) and the inflated surface from four sides.

    Parameters
    ----------
    maps
    dataset : coordinates subject, x, y, z (target)
    space : mni or fsaverage5
    title, label : what the figure shows, and what its colours are
    """
    if not maps:
        return nothing_drawn(title, NOTHING)
    glass = space == "mni"
    limit, xyz = colour_limit(maps), places(dataset)
    surfaces = on_surface(maps, xyz, space)
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
            image, part = to_image(each.values, xyz), (0.125, bottom, 0.37, tall)
            draw_glass(figure, part, image, annotate=number == 0, vmin=-limit, vmax=limit, **SIGNED)
        for place, (view, (hemisphere, _)) in enumerate(VIEWS.items()):
            axis = figure.add_axes((left + place * share, bottom, share * 0.96, tall))
            axis.imshow(picture(view, surfaces[number][hemisphere], limit), origin="lower", interpolation="antialiased")
            axis.set_axis_off()
            if number == 0:
                axis.set_title(view, fontsize=8.5, color=GREY, loc="center", pad=2)
    n_subjects = len(set(dataset["subject"].values))
    note = [f"Headline layer of each subject; n = {counted(n_subjects, 'subject')}"]
    note += ["mean where their voxels share a place"] * (n_subjects > 1) + ["not thresholded"]
    note += ["glass brain: strongest along the line of sight"] * glass
    figure.text(0.008, 1 - 0.08 / height, title, fontsize=12, weight="bold", va="top")
    figure.text(0.008, 1 - 0.34 / height, "; ".join(note), fontsize=8.5, color=GREY, va="top")
    draw_scale(figure, height, limit, label, np.concatenate([each.values for each in maps]))
    return figure


def draw_scale(figure: Figure, height: float, limit: float, label: str, values: np.ndarray) -> None:
    """The colour scale of the whole figure, with arrows where values lie beyond it."""
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[
        bool((values < -limit).any()), bool((values > limit).any())
    ]
    axis = figure.add_axes((0.35, 0.42 / height, 0.3, 0.12 / height))
    scale = plt.cm.ScalarMappable(plt.Normalize(-limit, limit), DIVERGING)
    bar = figure.colorbar(scale, cax=axis, orientation="horizontal", label=label, extend=extend)
    bar.locator = plt.MaxNLocator(5)
