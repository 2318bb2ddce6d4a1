"""Brain maps: glass brains and the cortical surface, one row per map, one symmetric colour scale for all models."""

import textwrap
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from triphase.report.figures.glass import draw_glass, to_image
from triphase.report.figures.phase_maps import NOTHING, Map, measured, phase_maps, places, shared_limit
from triphase.report.figures.style import DIVERGING, GREY, WIDTH, nothing_drawn, plt
from triphase.report.figures.surface import VIEWS, on_surface, picture
from triphase.report.numbers import counted

ROW, HEAD = 0.82, 0.95  # inches
SIGNED = {"cmap": DIVERGING, "symmetric_cbar": True, "colorbar": False}


@dataclass(frozen=True)
class Legend:
    """Title of a figure, what its colours are, and where they end."""

    title: str
    label: str
    limit: float


def draw_brain(maps: xr.Dataset, phases: dict, all_maps: list[str], all_phases: dict, space: str, model: str) -> Figure:
    """Maps of one model where its phases begin and end."""
    maps = measured(maps)
    levels, _ = phase_maps(maps, phases)
    legend = Legend(f"{model}: brain maps of the phases", "gain in r", shared_limit(all_maps, all_phases, 0))
    return draw_maps(levels, maps, space, legend)


def draw_changes(
    maps: xr.Dataset, phases: dict, all_maps: list[str], all_phases: dict, space: str, model: str
) -> Figure:
    """Maps of the changes between the phases of one model."""
    maps = measured(maps)
    _, changes = phase_maps(maps, phases)
    legend = Legend(
        f"{model}: changes from phase to phase", "change of gain in r", shared_limit(all_maps, all_phases, 1)
    )
    return draw_maps(changes, maps, space, legend)


def draw_maps(maps: list[Map], dataset: xr.Dataset, space: str, legend: Legend) -> Figure:
    """One row per map: glass brain (volumes only) and the inflated surface from four sides.

    Parameters
    ----------
    maps
    dataset : coordinates subject, x, y, z (target)
    space : mni or fsaverage5
    legend
    """
    if not maps:
        return nothing_drawn(legend.title, NOTHING)
    glass = space == "mni"
    limit, xyz = legend.limit, places(dataset)
    surfaces = on_surface([each.values for each in maps], xyz, space)
    predicted = on_surface([each.predicted.astype(float) for each in maps], xyz, space)
    height = ROW * len(maps) + HEAD
    figure = plt.figure(figsize=(WIDTH, height))
    left, share = (0.53, 0.117) if glass else (0.17, 0.2)
    for number, each in enumerate(maps):
        bottom = (0.45 + ROW * (len(maps) - 1 - number)) / height
        tall = 0.94 * ROW / height
        name = textwrap.fill(each.name, 18)
        figure.text(0.008, bottom + 0.53 * tall, name, fontsize=7, va="bottom", linespacing=1.1)
        figure.text(0.008, bottom + 0.42 * tall, each.detail, fontsize=6, va="center", color=GREY)
        if glass:
            sure = np.where(each.predicted, each.values, np.nan) if each.predicted.any() else 0 * each.values
            draw_glass(
                figure,
                (0.14, bottom, 0.38, tall),
                to_image(sure, xyz),
                annotate=number == 0,
                vmin=-limit,
                vmax=limit,
                **SIGNED,
            )
        for place, (view, (hemisphere, _)) in enumerate(VIEWS.items()):
            axis = figure.add_axes((left + place * share, bottom, share * 0.96, tall))
            values, sure = surfaces[number][hemisphere], predicted[number][hemisphere] >= 0.5
            axis.imshow(picture(view, values, sure, limit), origin="lower", interpolation="antialiased")
            axis.set_axis_off()
            if number == 0:
                axis.set_title(view, fontsize=6, color=GREY, loc="center", pad=2)
    n_subjects = len(set(dataset["subject"].values))
    note = [f"Headline layer of each subject; n = {counted(n_subjects, 'subject')}"]
    note += ["mean where their voxels share a place"] * (n_subjects > 1) + ["faded: q of r > 0.05"]
    note += ["glass brain: the others, strongest along the line of sight"] * glass
    figure.text(0.008, 1 - 0.06 / height, legend.title, fontsize=8.5, weight="bold", va="top")
    figure.text(0.008, 1 - 0.23 / height, "; ".join(note), fontsize=6.5, color=GREY, va="top")
    draw_scale(figure, height, legend, np.concatenate([each.values for each in maps]))
    return figure


def draw_scale(figure: Figure, height: float, legend: Legend, values: np.ndarray) -> None:
    """The colour scale of the whole figure, with both its ends, and arrows where values lie beyond them."""
    limit = legend.limit
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[
        bool((values < -limit).any()), bool((values > limit).any())
    ]
    axis = figure.add_axes((0.35, 0.34 / height, 0.3, 0.09 / height))
    scale = plt.cm.ScalarMappable(plt.Normalize(-limit, limit), DIVERGING)
    bar = figure.colorbar(
        scale, cax=axis, orientation="horizontal", label=f"{legend.label}, same scale for all models", extend=extend
    )
    ends = [-limit, -limit / 2, 0, limit / 2, limit]
    bar.set_ticks(ends, labels=[f"{end:.3g}" for end in ends])
