"""The tidy table: one checkpoint's rows, the headline layer of a series, and draws that are paired over checkpoints."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Entries, Section
from triphase.encoding.analyses import CHOICES, OF_FITS, OWN_DELAYS, Analysis, fitted_analyses
from triphase.responses.targets import region_masks

# docs/reference/measures.md says what each is.
COLUMNS = [
    "study",
    "model",
    "checkpoint",
    "step",
    "tokens",
    "layer",
    "subject",
    "roi",
    "measure",
    "target",
    "setting",
    "reference",
    "scaling",
    "delays",
    "nuisance",
    "trained_on",
    "normalised",
    "main",
    "value",
    "se",
    "n",
]
TEXT = [
    "study",
    "model",
    "checkpoint",
    "subject",
    "roi",
    "measure",
    "target",
    "reference",
    "scaling",
    "delays",
    "nuisance",
    "trained_on",
]
AVERAGED = ["r", "r_llm", "r_nuisance", "r_nuisance_alone", "cv_score"]
SIGNIFICANT = 0.05
# Voxels with a smaller ceiling enter no normalised score.
LEAST_CEILING = 0.2
# Gain at the headline layer is the alignment.
GAIN, ALIGNMENT = "gain", "alignment"
UNIQUE = "unique_variance"


def identities(series: Entries) -> dict[tuple[str, str], Section]:
    """What every row of a checkpoint says of it (model, checkpoint, step, tokens), by model and checkpoint."""
    keys = ("model", "checkpoint", "step", "tokens")
    return {(entry["model"], entry["checkpoint"]): {key: entry[key] for key in keys} for entry in series}


def encoding_rows(dataset: xr.Dataset, rois: Entries, ceiling: pd.DataFrame) -> pd.DataFrame:
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
    DataFrame with layer, subject, roi, measure, the choices of the analysis, main, value (mean over the voxels that
    have one), se (of the block bootstrap, where there is one), n (voxels). Where responses are repeated there is a
    normalised r: the mean r over the mean ceiling of the voxels whose ceiling is at least 0.2. Measures of the layer's
    kernel have neither subject nor roi.
    """
    gains = fitted_analyses(*(dataset[key].values for key in OF_FITS))
    own = Analysis(gains[0].scaling, OWN_DELAYS)
    scores = [(name, own, dataset[name].values) for name in AVERAGED]
    scores += [(GAIN, analysis, values) for analysis, values in zip(gains, dataset["gain"].values, strict=True)]
    r = dataset["r"].values
    for name, p in {"significant": "q", "significant_fwer": "p_fwer"}.items():
        scores.append((name, own, np.where(np.isfinite(r), dataset[p].values < SIGNIFICANT, np.nan)))
    boots = {("r", own): dataset["boot_r"]}
    boots |= {(GAIN, analysis): dataset["boot_gain"][:, :, k] for k, analysis in enumerate(gains)}
    errors: dict[tuple[str, Analysis], dict[Any, float]] = {
        score: boot.std("draw", ddof=1).to_series().to_dict() for score, boot in boots.items()
    }
    normalised, largest = replace(own, normalised=True), _ceiling_of(dataset, ceiling)
    rows: list[tuple[Any, ...]] = []
    for subject, region, mask in _places(dataset, rois):
        for measure, analysis, column in scores:
            known = column[mask & np.isfinite(column)]
            if known.size:
                se = errors.get((measure, analysis), {}).get((subject, region), np.nan)
                rows.append((subject, region, measure, analysis, known.mean(), se, known.size))
        reliable = mask & (largest >= LEAST_CEILING) & np.isfinite(r)
        if reliable.any():
            value = r[reliable].mean() / largest[reliable].mean()
            rows.append((subject, region, "r", normalised, value, np.nan, reliable.sum()))
    for kernel in dataset.attrs["kernels"]:
        analysis = Analysis(kernel["scaling"], kernel["delays"])
        for shape in ("top_share", "effective_rank"):
            rows.append((None, None, f"kernel_{shape}", analysis, kernel[shape], np.nan, None))
    if "static_share" in dataset.attrs:
        rows.append((None, None, "static_share", own, dataset.attrs["static_share"], np.nan, None))
    frame = pd.DataFrame(rows, columns=["subject", "roi", "measure", "analysis", "value", "se", "n"])
    frame["main"] = [analysis in (own, gains[0]) for analysis in frame["analysis"]]
    unique = replace(own, nuisance=dataset.attrs.get("unique_beside"))
    more = _unique_rows(dataset, rois).assign(analysis=unique, main=True)
    frame = pd.concat([frame, more], ignore_index=True) if len(more) else frame
    analyses = frame.pop("analysis")
    columns = {key: [getattr(analysis, key) for analysis in analyses] for key in CHOICES}
    return frame.assign(**columns, layer=dataset.attrs["layer"])


def _unique_rows(dataset: xr.Dataset, rois: Entries) -> pd.DataFrame:
    """Unique variance of every part, subject and region; no rows where the study has no partition."""
    rows = []
    for place, part in enumerate(dataset["part"].values.tolist() if "part" in dataset else ()):
        column = dataset["unique"].values[place]
        errors = dataset["boot_unique"][:, :, place].std("draw", ddof=1).to_series().to_dict()
        for subject, region, mask in _places(dataset, rois):
            known = column[mask & np.isfinite(column)]
            if known.size:
                rows.append((subject, region, UNIQUE, part, known.mean(), errors[subject, region], known.size))
    return pd.DataFrame(rows, columns=["subject", "roi", "measure", "target", "value", "se", "n"])


def _places(dataset: xr.Dataset, rois: Entries) -> Iterator[tuple[str, str, np.ndarray]]:
    """Every subject and region of a result, with the targets that belong to both."""
    regions = region_masks(dataset["roi"].values, rois)
    for subject in dataset["listener"].values.tolist():
        mine = dataset["subject"].values == subject
        yield from ((subject, region, mask & mine) for region, mask in regions.items())


def _ceiling_of(dataset: xr.Dataset, ceiling: pd.DataFrame) -> np.ndarray:
    """Largest r that noise allows for each target, NaN where responses are not repeated."""
    repeated = ceiling[ceiling["kind"] == "repeats"]
    known = dict(zip(zip(repeated["subject"], repeated["voxel"], strict=True), repeated["ceiling"], strict=True))
    targets = zip(dataset["subject"].values.tolist(), dataset["voxel"].values.tolist(), strict=True)
    return np.array([known.get(target, np.nan) for target in targets], dtype=float)


def tidy(
    frames: list[pd.DataFrame], *, study: str, model: str, checkpoint: str, step: int, tokens: int | None
) -> pd.DataFrame:
    """Join partial tables of one checkpoint into the tidy form: typed columns, nulls where a key does not apply."""
    frame = pd.concat([f for f in frames if len(f)], ignore_index=True)
    return typed(frame.assign(study=study, model=model, checkpoint=checkpoint, step=step, tokens=tokens))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The tidy table's columns in order, with their types; rows are of the main analysis and raw unless they say so."""
    frame = frame.reindex(columns=COLUMNS)
    frame = frame.assign(main=_flag(frame["main"], True), normalised=_flag(frame["normalised"], False))
    kinds = dict.fromkeys(TEXT, "string") | dict.fromkeys(["step", "tokens", "layer", "n"], "Int64")
    return frame.astype(kinds | dict.fromkeys(["setting", "value", "se"], "float64"))


def _flag(column: pd.Series, default: bool) -> pd.Series:
    return column.where(column.notna(), default).astype(bool)


def choose_layers(table: pd.DataFrame, roi: str) -> dict[tuple[str, str], int]:
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


def alignment_rows(table: pd.DataFrame, layers: Mapping[tuple[str, str], int]) -> pd.DataFrame:
    """Alignment: the gain, under every analysis, at the chosen layer; `layer` says which it is."""
    gain = table[table["measure"] == GAIN]
    chosen = [
        layers.get((m, s)) == layer for m, s, layer in zip(gain["model"], gain["subject"], gain["layer"], strict=True)
    ]
    return gain[np.array(chosen, dtype=bool)].assign(measure=ALIGNMENT)


def ceiling_rows(ceiling: pd.DataFrame, rois: Entries) -> pd.DataFrame:
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


def floor_rows(shared: xr.Dataset, rois: Entries) -> pd.DataFrame:
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


def item_draws(scores: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
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
    drawn: np.ndarray = scores @ counts.T / n_items
    return drawn.astype(np.float32)
