"""A page with surfaces to turn by hand, one per map; it holds all that it shows and requests nothing.

The report shows a page as a data address, of which browsers take 2 MB and no more. nilearn's page of one map is larger,
so the pages of all maps are packed together: what they share once, with places to a quarter of a millimetre.
"""

import base64
import gzip
import json
import os
from html import escape

import numpy as np

from triphase.report.figures.phase_maps import NOTHING, colour_limit
from triphase.report.figures.style import DIVERGING
from triphase.report.figures.surface import HEMISPHERES, folds, mesh

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.4 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; margin: 1rem; }}
h1 {{ font-size: 1.2rem; margin: 0 0 .3rem; }}
p {{ margin: 0 0 .6rem; color: #555; font-size: .85rem; }}
button {{ font: inherit; padding: .25rem .7rem; margin: 0 .3rem .4rem 0; border: 1px solid #888; background: white; }}
button[aria-pressed=true] {{ background: #0072B2; border-color: #0072B2; color: white; }}
iframe {{ width: 100%; height: 78vh; min-height: 26rem; border: 1px solid #ddd; }}
</style></head><body>
<h1>{title}</h1>
<p>{caption}</p>
<div>{buttons}</div>
<iframe title="surface"></iframe>
<script>
const buttons = document.querySelectorAll("button");
async function unpack(text) {{
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}}
unpack("{packed}").then(([head, tail, middles]) => {{
  function show(at) {{
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === at));
    document.querySelector("iframe").srcdoc = head + middles[at] + tail;
  }}
  buttons.forEach((button, i) => button.addEventListener("click", () => show(i)));
  if (buttons.length) show(0);
}});
</script></body></html>
"""


def surface_page(maps, surfaces, title, caption):
    """The page as text.

    Parameters
    ----------
    maps : list of phase_maps.Map
    surfaces : list of dict of hemisphere to float array (vertex,)
    title, caption : str
    """
    # All views share their colour scale; without a map there is none.
    limit = colour_limit(maps) if maps else None
    views = [view(values, limit) for values in surfaces]
    head = os.path.commonprefix(views)
    rest = [text[len(head) :] for text in views]
    tail = os.path.commonprefix([text[::-1] for text in rest])[::-1]
    middles = [text[: len(text) - len(tail)] for text in rest]
    buttons = "".join(f"<button>{escape(f'{each.name} ({each.detail})')}</button>" for each in maps)
    return PAGE.format(
        title=escape(title), caption=escape(caption if maps else NOTHING), buttons=buttons,
        packed=packed([head, tail, middles]),
    )  # fmt: skip


def view(values, limit):
    """Nilearn's page of one map on the inflated surface."""
    from nilearn.plotting import view_surf
    from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

    places = {side: np.round(4 * mesh("infl", side)[0]) / 4 for side in HEMISPHERES}
    both = PolyMesh(**{side: InMemoryMesh(places[side], mesh("infl", side)[1]) for side in HEMISPHERES})
    # In nilearn's background 0 is white.
    greys = SurfaceImage(both, {side: 1 - folds(side) for side in HEMISPHERES})
    shown = SurfaceImage(both, values)
    return view_surf(
        surf_map=shown, bg_map=greys, hemi="both", vmax=limit, cmap=DIVERGING, colorbar_fontsize=14,
    ).html  # fmt: skip


def packed(value):
    """A value as JSON, compressed, in letters that may stand anywhere in a page."""
    return base64.b64encode(gzip.compress(json.dumps(value).encode(), 9, mtime=0)).decode()
