"""A page with surfaces to turn by hand, one per map; it holds all that it shows and requests nothing.

The report shows a page as a data address, of which browsers take 2 MB and no more. nilearn's page of one map is larger,
so the pages of all maps are packed together: what they share once, with places to a quarter of a millimetre.
"""

import base64
import gzip
import json
import os

import numpy as np
import xarray as xr

from triphase.report.figures.phase_maps import NOTHING, measured, phase_maps, places, shared_limit
from triphase.report.figures.style import DIVERGING
from triphase.report.figures.surface import HEMISPHERES, folds, mesh, on_surface
from triphase.report.numbers import counted
from triphase.report.templates import render

LIT = 'info["lighting"] = getLighting();'
UNLIT = 'info["lighting"] = {ambient: 1, diffuse: 0, specular: 0, fresnel: 0};'


def draw_surface(maps: xr.Dataset, phases: dict, all_maps: list[str], all_phases: dict, space: str, model: str) -> str:
    """Page of the changes between the phases of one model, which opens on the largest."""
    maps = measured(maps)
    _, changes = phase_maps(maps, phases)
    limit, xyz = shared_limit(all_maps, all_phases, 1), places(maps)
    surfaces = on_surface([each.values for each in changes], xyz, space)
    predicted = on_surface([each.predicted.astype(float) for each in changes], xyz, space)
    shown = [
        {side: np.where(sure[side] >= 0.5, values[side], np.nan) for side in HEMISPHERES}
        for values, sure in zip(surfaces, predicted, strict=True)
    ]
    sizes = [float(np.abs(each.values * each.predicted).sum()) for each in changes]
    n = counted(len(set(maps["subject"].values)), "subject")
    return render(
        "surface.html",
        title=f"{model}: changes from phase to phase",
        caption=f"Change of gain in r on fsaverage5, n = {n}; grey: not measured, or q of r > 0.05 at both ends. "
        "Colours end at the same value for all models, and carry no shadow."
        if changes
        else NOTHING,
        first=int(np.argmax(sizes)) if sizes else 0,
        names=[f"{each.name} ({each.detail})" for each in changes],
        packed=packed([view(values, limit) for values in shown]),
    )


def view(values: dict[str, np.ndarray], limit: float | None) -> str:
    """Nilearn's page of one map on the inflated surface; `values` by hemisphere, arrays (vertex,)."""
    from nilearn.plotting import view_surf
    from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

    places = {side: np.round(4 * mesh("infl", side)[0]) / 4 for side in HEMISPHERES}
    both = PolyMesh(**{side: InMemoryMesh(places[side], mesh("infl", side)[1]) for side in HEMISPHERES})
    # In nilearn's background 0 is white.
    greys = SurfaceImage(both, {side: 1 - folds(side) for side in HEMISPHERES})
    shown, look = SurfaceImage(both, values), {"cmap": DIVERGING, "colorbar_fontsize": 14}
    html = view_surf(surf_map=shown, bg_map=greys, hemi="both", vmax=limit, **look).html
    # Shadows would make colours others than those of the bar.
    assert html.count(LIT) == 1, "nilearn's page is lit in another way"
    return html.replace(LIT, UNLIT)


def packed(pages: list[str]) -> str:
    """What pages share and where they differ, compressed, in letters that may stand anywhere in a page."""
    head = os.path.commonprefix(pages)
    rest = [text[len(head) :] for text in pages]
    tail = os.path.commonprefix([text[::-1] for text in rest])[::-1]
    middles = [text[: len(text) - len(tail)] for text in rest]
    return base64.b64encode(gzip.compress(json.dumps([head, tail, middles]).encode(), 9, mtime=0)).decode()
