"""The tidy table: one checkpoint's rows, the headline layer of a series, and draws that are paired over checkpoints."""

import numpy as np
import pandas as pd

from triphase.responses.targets import region_masks

COLUMNS = ["study", "model", "checkpoint", "step", "tokens", "layer", "subject", "roi", "measure", "value", "se", "n"]
AVERAGED = ["r", "r_llm", "r_nuisance", "r_nuisance_alone", "cv_score"]
SIGNIFICANT = 0.05
# Voxels with a smaller ceiling enter no normalised score.
LEAST_CEILING = 0.2
# The headline and its sensitivity analyses are gains at the headline layer.
GAIN, ALIGNMENT = "gain", "alignment"
KERNEL_SHAPES = ("top_share", "effective_rank")


def encoding_rows(dataset, rois, ceiling):
    """Tidy rows of one layer's encoding result.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `fit_encoding`.
    rois : list of dict
        The config's ROIs.
    ceiling : DataFrame
        From `measure_ceiling`: subject, voxel, ceiling, kind.

    Returns
    -------
    DataFrame with layer, subject, roi, measure, value (mean over the voxels that have one), se (of the block bootstrap,
    where there is one), n (voxels). Where responses are repeated, `r_normalised` is the mean r over the mean ceiling of
    the voxels whose ceiling is at least 0.2. Measures of the layer's kernel have neither subject nor roi.
    """
    regions = region_masks(dataset["roi"].values, rois)
    gains = [str(name) for name in dataset["measure"].values if str(name).startswith(GAIN)]
    values = {name: dataset[name].values for name in [*AVERAGED, *gains]}
    for name, p in {"significant": "q", "significant_fwer": "p_fwer"}.items():
        values[name] = np.where(np.isfinite(values["r"]), dataset[p].values < SIGNIFICANT, np.nan)
    errors = dataset["boot"].std("draw", ddof=1).to_series()
    largest = _ceiling_of(dataset, ceiling)
    rows = []
    for subject in dataset["listener"].values:
        mine = dataset["subject"].values == subject
        for region, mask in regions.items():
            for measure, column in values.items():
                known = column[mask & mine & np.isfinite(column)]
                if known.size:
                    se = errors.get((subject, region, measure), np.nan)
                    rows.append((subject, region, measure, known.mean(), se, known.size))
            reliable = mask & mine & (largest >= LEAST_CEILING) & np.isfinite(values["r"])
            if reliable.any():
                value = values["r"][reliable].mean() / largest[reliable].mean()
                rows.append((subject, region, "r_normalised", value, np.nan, reliable.sum()))
    shapes = {name: value for name, value in dataset.attrs.items() if name.startswith(KERNEL_SHAPES)}
    rows += [(None, None, f"kernel_{name}", value, np.nan, None) for name, value in shapes.items()]
    frame = pd.DataFrame(rows, columns=["subject", "roi", "measure", "value", "se", "n"])
    return frame.assign(layer=dataset.attrs["layer"])


def _ceiling_of(dataset, ceiling):
    """Largest r that noise allows for each target, NaN where responses are not repeated."""
    repeated = ceiling[ceiling["kind"] == "repeats"]
    known = dict(zip(zip(repeated["subject"], repeated["voxel"], strict=True), repeated["ceiling"], strict=True))
    targets = zip(dataset["subject"].values.tolist(), dataset["voxel"].values.tolist(), strict=True)
    return np.array([known.get(target, np.nan) for target in targets], dtype=float)


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
    """The headline and its sensitivity analyses: gains at the chosen layer, renamed; `layer` says which it is.

    `gain` becomes `alignment`, and `gain_center` `alignment_center`.
    """
    gain = table[table["measure"].str.startswith(GAIN, na=False)]
    chosen = [
        layers.get((m, s)) == layer for m, s, layer in zip(gain["model"], gain["subject"], gain["layer"], strict=True)
    ]
    rows = gain[np.array(chosen, dtype=bool)]
    return rows.assign(measure=rows["measure"].str.replace(GAIN, ALIGNMENT, n=1))


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


def floor_rows(shared, rois):
    """What needs no language model, per subject and region: measure `r_floor`, r of autocorrelation alone.

    Parameters
    ----------
    shared : xarray.Dataset
        `encoding/shared.zarr.zip`
    rois : list of dict
    """
    subjects, floor = shared["subject"].values, shared["r_floor"].values
    rows = []
    for subject in dict.fromkeys(subjects):
        for region, mask in region_masks(shared["roi"].values, rois).items():
            known = floor[mask & (subjects == subject) & np.isfinite(floor)]
            if known.size:
                rows.append((subject, region, "r_floor", known.mean(), known.size))
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
