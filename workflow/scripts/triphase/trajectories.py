"""The tidy table: one checkpoint's rows, the headline layer of a series, and draws that are paired over checkpoints."""

import numpy as np
import pandas as pd

from triphase.encoding.subjects import region_masks

COLUMNS = ["study", "model", "checkpoint", "step", "tokens", "layer", "subject", "roi", "measure", "value", "se", "n"]
AVERAGED = ["r", "r_llm", "r_nuisance", "r_nuisance_alone", "gain", "cv_score"]
SIGNIFICANT_Q = 0.05


def encoding_rows(dataset, rois):
    """Tidy rows of one layer's encoding result.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `fit_encoding`.
    rois : list of dict
        The config's ROIs.

    Returns
    -------
    DataFrame with layer, subject, roi, measure, value (mean over voxels), se (of the block bootstrap, where there is
    one), n (voxels)
    """
    regions = region_masks(dataset["roi"].values, rois)
    values = {name: dataset[name].values for name in AVERAGED}
    values["significant"] = (dataset["q"].values < SIGNIFICANT_Q).astype(float)
    errors = dataset["boot"].std("draw", ddof=1).to_series()
    rows = []
    for subject in dataset["listener"].values:
        mine = dataset["subject"].values == subject
        for region, mask in regions.items():
            picked = mask & mine
            if not picked.any():
                continue
            for measure, column in values.items():
                se = errors.get((subject, region, measure), np.nan)
                rows.append((subject, region, measure, column[picked].mean(), se, picked.sum()))
    frame = pd.DataFrame(rows, columns=["subject", "roi", "measure", "value", "se", "n"])
    return frame.assign(layer=dataset.attrs["layer"])


def tidy(frames, *, study, model, checkpoint, step, tokens):
    """Join partial tables of one checkpoint into the tidy form: typed columns, nulls where a key does not apply."""
    frame = pd.concat([f for f in frames if len(f)], ignore_index=True)
    return typed(frame.assign(study=study, model=model, checkpoint=checkpoint, step=step, tokens=tokens))


def typed(frame):
    """The tidy table's columns in order, with their types."""
    frame = frame.reindex(columns=COLUMNS)
    text = ["study", "model", "checkpoint", "subject", "roi", "measure"]
    kinds = dict.fromkeys(text, "string") | dict.fromkeys(["step", "tokens", "layer", "n"], "Int64")
    return frame.astype(kinds | {"value": "float64", "se": "float64"})


def choose_layers(table, roi):
    """One layer per model and subject, fixed over checkpoints: the best training-CV score averaged over checkpoints.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of all checkpoints.
    roi : str
        Region whose `cv_score` decides.

    Returns
    -------
    dict of (model, subject) to layer
    """
    scores = table[(table["measure"] == "cv_score") & (table["roi"] == roi)]
    means = scores.groupby(["model", "subject", "layer"])["value"].mean()
    best = means.groupby(["model", "subject"]).idxmax()
    return {(model, subject): int(layer) for model, subject, layer in best}


def alignment_rows(table, layers):
    """The headline: `gain` at the chosen layer, renamed `alignment`; its `layer` says which it is."""
    gain = table[table["measure"] == "gain"]
    chosen = [
        layers.get((m, s)) == layer for m, s, layer in zip(gain["model"], gain["subject"], gain["layer"], strict=True)
    ]
    return gain[np.array(chosen, dtype=bool)].assign(measure="alignment")


def ceiling_rows(ceiling, rois):
    """Ceiling per subject and region, and how many voxels are valid: measures `ceiling` and `valid_voxels`.

    With repeats a region's ceiling is the square root of its mean reliability (0 where that is negative): the mean of
    the voxels' own square roots would turn the noise of a region without reliability into a ceiling well above 0.
    Without repeats it is the mean inter-subject correlation.

    Parameters
    ----------
    ceiling : DataFrame
        From `measure_ceiling`: subject, voxel, roi, valid, reliability, ceiling, kind.
    """
    rows = []
    for subject, mine in ceiling.groupby("subject", sort=False):
        for region, mask in region_masks(mine["roi"].to_numpy(str), rois).items():
            picked = mine[mask]
            repeats = (picked["kind"] == "repeats").all()
            known = picked.loc[picked["valid"], "reliability" if repeats else "ceiling"].dropna()
            rows.append((subject, region, "valid_voxels", float(picked["valid"].sum()), len(picked)))
            if len(known):
                value = np.sqrt(max(known.mean(), 0)) if repeats else known.mean()
                rows.append((subject, region, "ceiling", value, len(known)))
    return pd.DataFrame(rows, columns=["subject", "roi", "measure", "value", "n"])


def item_draws(scores, n_draws, seed):
    """Bootstrap the mean of item scores, with the same items drawn for every checkpoint.

    Parameters
    ----------
    scores : float array (n_checkpoints, n_items)

    Returns
    -------
    float32 array (n_checkpoints, n_draws)
    """
    n_items = scores.shape[1]
    generator = np.random.default_rng([seed, n_items])
    counts = generator.multinomial(n_items, np.full(n_items, 1 / n_items), size=n_draws)
    return (scores @ counts.T / n_items).astype(np.float32)
