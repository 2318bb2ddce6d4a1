"""Lateralisation: the gain of the left side minus that of the right, on the draws that both sides share."""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd

from triphase.core.artefacts import open_arrays
from triphase.core.types import Entries
from triphase.responses.hemispheres import hemispheres
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT, COLUMNS

log = logging.getLogger(__name__)

LATERALISATION = "lateralisation"
# The alignment of the region that every study has tells a subject's layer and analysis.
WHOLE = "all"


def lateralisation_series(
    table: pd.DataFrame, files: Mapping[tuple[str, str, int], str], rois: Entries, space: str
) -> tuple[Entries, list[str]]:
    """Bootstrap draws of left minus right, for every subject and pair of sides, at the subject's headline layer.

    Both sides are scored on the same blocks, so that what these have in common cancels in the draws.

    Parameters
    ----------
    table : DataFrame
        The tidy table, with its rows of alignment.
    files : dict of (model, checkpoint, layer) to the path of an encoding result
    rois : list of dict with name and language
    space : str, of the source

    Returns
    -------
    drawn : list of dict with the keys of a tidy row, value, boot (n_draws,) and freedom
    unpaired : list of str, regions without a partner, which are left out
    """
    drawn, unpaired = [], set()
    whole = Selection(ALIGNMENT, roi=WHOLE).rows(table)
    for key, group in whole.groupby(["model", "checkpoint", "layer"], sort=False):
        with open_arrays(files[key]) as result:
            targets = pd.DataFrame({name: result[name].values for name in ("subject", "roi", "x", "y", "z")})
            sides = hemispheres(targets, rois, space)
            unpaired |= set(sides.unpaired)
            if not sides.pairs:
                continue
            gain, freedom = result["gain"].values[0], float(result["freedom"])
            boot = result["boot_gain"][:, :, 0].load()
        subjects = targets["subject"].to_numpy(str)
        for entry in group.to_dict("records"):
            known = np.isfinite(gain) & (subjects == entry["subject"])
            for pair in sides.pairs:
                there = [
                    (left, right)
                    for left, right in zip(pair.left, pair.right, strict=True)
                    if (known & sides.masks[left]).any() and (known & sides.masks[right]).any()
                ]
                if not there:
                    continue
                place = boot.sel(listener=entry["subject"])
                draws, values, number = [], [], 0
                for left, right in there:
                    ours, theirs = gain[known & sides.masks[left]], gain[known & sides.masks[right]]
                    draws.append(place.sel(region=left).values - place.sel(region=right).values)
                    values.append(ours.mean() - theirs.mean())
                    number += len(ours) + len(theirs)
                own = {"measure": LATERALISATION, "roi": pair.roi, "target": pair.partner, "n": number}
                found = {"value": float(np.mean(values)), "boot": np.mean(draws, axis=0), "freedom": freedom}
                drawn.append(entry | own | found)
    if unpaired:
        log.info("lateralisation: without a partner on the other side, and left out: %s", ", ".join(sorted(unpaired)))
    return drawn, sorted(unpaired)


def lateralisation_rows(drawn: Entries) -> pd.DataFrame:
    """Tidy rows, with errors, of what `lateralisation_series` gives."""
    rows = [{**row, "se": row["boot"].std(ddof=1)} for row in drawn]
    return pd.DataFrame(rows, columns=COLUMNS)
