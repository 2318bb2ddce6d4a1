"""Phases of one model: the headline curve's verdict, subject by subject too, and what goes with it."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Entries, Section
from triphase.phases.behaviour import behaviour, declared
from triphase.phases.breadth import Phases, breadth
from triphase.phases.content import content
from triphase.phases.curves import Undetermined, average_subjects, prepare, subject_curves
from triphase.phases.layers import PER_CHECKPOINT, layer_rules
from triphase.phases.order import order
from triphase.phases.people import changes_over, group_test
from triphase.phases.training_size import training_size
from triphase.phases.transitions import Curve, Settings, pattern
from triphase.phases.verdict import Judged, undetermined, verdict_of
from triphase.stats.intervals import LEVEL, RESAMPLED_SUBJECTS
from triphase.table.selection import Selection, analyses_of, main_analysis
from triphase.table.tidy import ALIGNMENT, GAIN


def model_phases(
    table: pd.DataFrame,
    boot: xr.Dataset,
    model: str,
    headline: Section,
    settings: Settings,
    seed: int,
    rois: Sequence[Section] = (),
) -> Section:
    """Everything `phases.json` says of one model.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model, and those of no model (`ceiling`).
    boot : xarray.Dataset
        Paired draws of the same model.
    headline : dict
        roi, tasks (list of str), adherence (list of str).
    settings : transitions.Settings
    seed : int
    rois : list of dict with name and language
        The study's regions, over which breadth is told.
    """
    own_seed = [seed, zlib.crc32(model.encode())]
    rng = np.random.default_rng(own_seed)
    curves = subject_curves(table, boot, headline["roi"])
    fixed = len(curves) < RESAMPLED_SUBJECTS
    each = {}
    for subject, data in curves.items() if fixed else ():
        result, _ = verdict_of(data, settings, rng)
        kept = ("verdict", "reason", "pattern", "legs", "breakpoints", "intervals", "segments", "power")
        each[subject] = {key: result[key] for key in kept}
    if curves:
        # People are resampled alike wherever their mean is judged: here, for the power, in every analysis.
        mean = average_subjects(list(curves.values()), np.random.default_rng(seed))
        result, judged = verdict_of(mean, settings, rng)
    else:
        result, judged = undetermined(f"{ALIGNMENT} of {headline['roi']} is absent for this model"), None
    behaves, fits = behaviour(table, boot, headline, judged, settings, rng)
    fits = {"alignment": judged} | fits if judged else fits
    sensitive = sensitivity(table, boot, headline["roi"], settings, rng)
    depends = scale_dependent(judged, sensitive)
    supported = sum(entry["verdict"] == "supported" for entry in each.values())
    number = f"{len(curves)} subject" + "s" * (len(curves) != 1)
    absent = "" if has_adherence(table, headline) else "; instruction adherence is absent"
    scaled = "; its fall is scale-dependent" if depends else ""
    size = training_size(table, boot, headline["roi"], judged, seed)
    elsewhere = layer_dependent(table, judged, headline["roi"])
    if size["dependent"]:
        scaled += "; its fall depends on the size of the training set"
    elif judged and -1 in judged.signs and size["dependent"] is None:
        scaled += "; whether its fall depends on the size of the training set was not assessed"
    scaled += "; its fall is layer-dependent: layers chosen anew at each checkpoint do not fall" if elsewhere else ""
    if (depends or size["dependent"]) and result["verdict"] == "supported":
        # What vanishes under another scaling of the same features, or with more data, is no loss of what they hold.
        why = result["reason"].removeprefix("supported: ")
        result |= {"verdict": "undetermined", "reason": f"undetermined: {why}, but a fall that is supported is a loss"}
    counted = f"; {supported} of {number} supported when judged singly" if len(each) > 1 else ""
    return result | {
        "reason": result["reason"] + scaled + counted + absent,
        "scope": "in this training run" + (f" and for the {number} of the study" if each else ""),
        "headline": headline,
        "subjects": each,
        "n_subjects": len(curves),
        "subjects_resampled": not fixed,
        "subjects_supported": supported if fixed else None,
        "group": None if fixed or judged is None else group_test(list(curves.values()), judged, rng),
        "sensitivity": sensitive,
        "scale_dependent": depends,
        "training_size": size,
        "layer_dependent": elsewhere,
        "content": content(table, boot, headline["roi"], seed),
        "baseline": baseline(Selection(ALIGNMENT, roi=headline["roi"]).rows(table)),
        "behaviour": behaves,
        "breadth": breadth(table, boot, judged, rois, own_seed),
        "order": order(table, boot, headline, fits, settings, rng),
    }


def sensitivity(
    table: pd.DataFrame, boot: xr.Dataset, roi: str, settings: Settings, rng: np.random.Generator
) -> Entries:
    """Pattern of the headline's curve in every sensitivity analysis of it.

    Returns
    -------
    list of dict with analysis (in words), differs (the choices that are not the headline's), all choices, pattern (None
    where its curve cannot be fitted) and falls (whether a leg of it does)
    """
    analyses = analyses_of(table[(table["measure"] == ALIGNMENT) & (table["roi"] == roi)])
    own = main_analysis(analyses)
    others, found = {analysis.label(own): analysis for analysis, main in analyses.items() if not main}, []
    for label, analysis in sorted(others.items()):
        entry = {
            "analysis": label,
            "differs": analysis.differs(own),
            **asdict(analysis),
            "pattern": None,
            "falls": None,
        }
        try:
            curves = subject_curves(table, boot, roi, analysis)
            t, values, noise, *_ = prepare(average_subjects(list(curves.values()), rng))
            signs = Curve(t, values, noise, settings).signs
            found.append(entry | {"pattern": pattern(signs), "falls": -1 in signs})
        except Undetermined as problem:
            found.append(entry | {"reason": f"undetermined: {problem}"})
    return found


def scale_dependent(judged: Judged | None, sensitive: Entries) -> bool | None:
    """Whether a fall of the headline vanishes under another scaling of the features; None where nothing falls.

    Representations grow outlier dimensions late in training, which could look like a fall of alignment.
    """
    others = [entry["falls"] for entry in sensitive if entry["differs"] == ["scaling"]]
    if judged is None or -1 not in judged.curve.signs or not others or None in others:
        return None
    return not all(others)


def layer_dependent(table: pd.DataFrame, judged: Judged | None, roi: str) -> bool | None:
    """Whether another layer takes over where the headline's falls; None where nothing falls or there is one layer.

    With the layer chosen anew at each checkpoint, by training scores, the change over the first fall is less than half
    of the headline's, and not below zero by the headline's own error (95 %).
    """
    own = Selection(ALIGNMENT, roi=roi).rows(table)
    layers = own.dropna(subset="layer").groupby("subject")["layer"].first().astype(int).to_dict()
    scored = table[(table["measure"] == "cv_score") & (table["roi"] == roi)]
    if judged is None or -1 not in judged.signs or scored["layer"].nunique() < 2:
        return None
    choice = layer_rules(table, layers, roi)[PER_CHECKPOINT].choice
    gain = Selection(GAIN, roi=roi).rows(table)
    places = zip(gain["checkpoint"], gain["subject"], strict=True)
    kept = [choice.get(place) == layer for place, layer in zip(places, gain["layer"], strict=True)]
    picked = gain[np.array(kept, dtype=bool)]
    number = picked.groupby("tokens")["value"].count()
    means = picked.groupby("tokens")["value"].mean()[number == len(layers)]
    means = means[means.index > 0]
    if not len(means):
        return None
    grid = np.abs(np.subtract.outer(judged.t, np.log10(means.index.to_numpy(float))))
    if grid.min(axis=1).max() > 1e-9:  # a checkpoint lacks a value
        return None
    first = Phases.of(judged).kinds.index(-1)
    fall = changes_over(judged, judged.curve.values[:, None])[first, 0]
    anew = changes_over(judged, means.to_numpy(float)[grid.argmin(axis=1), None])[first, 0]
    low, high = judged.segments()[first]["change_interval"]
    error = (high - low) / (2 * judged.curve.fit.factor(judged.settings.confidence))
    return bool(anew > fall / 2 and anew + judged.curve.fit.factor(LEVEL) * error > 0)


def has_adherence(table: pd.DataFrame, headline: Section) -> bool:
    """Whether instruction adherence was declared and measured."""
    return len(declared(headline)["adherence"].rows(table)) > 0


def baseline(rows: pd.DataFrame) -> float | None:
    """Mean value at step 0, which stands outside the fit on log tokens; None where there is none."""
    first = rows.loc[rows["tokens"] == 0, "value"]
    return float(first.mean()) if len(first) and first.notna().all() else None
