"""Phases of one model: the headline curve's verdict, subject by subject too, and what goes with it."""

import zlib

import numpy as np

from triphase.encoding.guards import SCALINGS
from triphase.phases.behaviour import behaviour
from triphase.phases.breadth import breadth
from triphase.phases.curves import Undetermined, average_subjects, prepare, read_curve
from triphase.phases.order import order
from triphase.phases.transitions import Curve, pattern
from triphase.phases.verdict import undetermined, verdict_of
from triphase.stats.intervals import RESAMPLED_SUBJECTS


def model_phases(table, boot, model, headline, settings, seed, rois=()):
    """Everything `phases.json` says of one model.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model, and those of no model (`ceiling`).
    boot : xarray.Dataset
        Paired draws of the same model.
    headline : dict
        measure, roi, tasks (list of str), adherence (list of str).
    settings : transitions.Settings
    seed : int
    rois : list of dict with name and language
        The study's regions, over which breadth is told.
    """
    own_seed = [seed, zlib.crc32(model.encode())]
    rng = np.random.default_rng(own_seed)
    measure, roi = headline["measure"], headline["roi"]
    rows = table[(table["measure"] == measure) & (table["roi"] == roi)]
    subjects = [str(name) for name in rows["subject"].dropna().unique()]
    fixed = len(subjects) < RESAMPLED_SUBJECTS
    each, curves = {}, []
    for subject in subjects:
        data = read_curve(table, boot, [measure], roi, subject)
        curves.append(data)
        if fixed:
            result, _ = verdict_of(data, settings, rng)
            kept = ("verdict", "reason", "pattern", "legs", "breakpoints", "intervals", "segments", "power")
            each[subject] = {key: result[key] for key in kept}
    if curves:
        result, judged = verdict_of(average_subjects(curves, rng), settings, rng)
    else:
        result, judged = undetermined(f"{measure} of {roi} is absent for this model"), None
    behaves, fits = behaviour(table, boot, headline, judged, settings, rng)
    fits = {"alignment": judged} | fits if judged else fits
    sensitive = sensitivity(table, boot, headline, subjects, settings, rng)
    supported = sum(entry["verdict"] == "supported" for entry in each.values())
    number = f"{len(subjects)} subject" + "s" * (len(subjects) != 1)
    absent = "" if has_adherence(table, headline) else "; instruction adherence is absent"
    scaled = "; its fall is scale-dependent" if scale_dependent(judged, sensitive, measure) else ""
    counted = f"; {supported} of {number} supported when judged singly" if len(each) > 1 else ""
    return result | {
        "reason": result["reason"] + scaled + counted + absent,
        "scope": "in this training run" + (f" and for the {number} of the study" if each else ""),
        "headline": headline,
        "subjects": each,
        "n_subjects": len(subjects),
        "subjects_resampled": not fixed,
        "subjects_supported": supported if fixed else None,
        "sensitivity": sensitive,
        "scale_dependent": scale_dependent(judged, sensitive, measure),
        "baseline": baseline(rows),
        "behaviour": behaves,
        "breadth": breadth(table, boot, headline, judged, rois, settings, own_seed),
        "order": order(table, boot, headline, fits, settings, rng),
    }


def sensitivity(table, boot, headline, subjects, settings, rng):
    """Pattern of the headline's curve in every sensitivity analysis of it, such as `alignment_center`.

    Returns
    -------
    dict of measure to pattern (None where its curve cannot be fitted) and falls (whether a leg of it does)
    """
    prefix, found = f"{headline['measure']}_", {}
    for measure in sorted(name for name in table["measure"].dropna().unique() if name.startswith(prefix)):
        try:
            curves = [read_curve(table, boot, [measure], headline["roi"], subject) for subject in subjects]
            t, values, covariance, *_ = prepare(average_subjects(curves, rng), settings)
            signs = Curve(t, values, covariance, settings).signs
            found[measure] = {"pattern": pattern(signs), "falls": -1 in signs}
        except Undetermined as problem:
            found[measure] = {"pattern": None, "falls": None, "reason": f"undetermined: {problem}"}
    return found


def scale_dependent(judged, sensitive, measure):
    """Whether a fall of the headline vanishes under another scaling of the features; None where nothing falls.

    Representations grow outlier dimensions late in training, which could look like a fall of alignment.
    """
    others = [sensitive[f"{measure}_{name}"]["falls"] for name in SCALINGS if f"{measure}_{name}" in sensitive]
    if judged is None or -1 not in judged.curve.signs or not others or None in others:
        return None
    return not all(others)


def has_adherence(table, headline):
    """Whether instruction adherence was declared and measured."""
    return bool({f"adherence/{name}" for name in headline["adherence"]} & set(table["measure"].dropna()))


def baseline(rows):
    """Mean value at step 0, which stands outside the fit on log tokens; None where there is none."""
    first = rows.loc[rows["tokens"] == 0, "value"]
    return float(first.mean()) if len(first) and first.notna().all() else None
