"""What is made once of a data set before a layer is fitted: its design, and scores that need no language model."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from triphase.config.delays import alternative_delays, delays_in_scans
from triphase.config.jobs import FitEncoding, PrepareEncoding
from triphase.encoding.analyses import FEWER, alone, nuisance_sets
from triphase.encoding.bands import nuisance_band
from triphase.encoding.deletions import Resampling
from triphase.encoding.design import Alternative, Design, Masks
from triphase.encoding.features import Timeline, shared_reach
from triphase.encoding.floor import floor_band
from triphase.encoding.folds import fewer_stimuli, fold_units, make_splits, needed_gap
from triphase.encoding.lexical import lexical_band
from triphase.encoding.ridge import Search, fit_bands, penalties, weight_grid
from triphase.encoding.word_rows import least_gap, row_seconds
from triphase.responses.hemispheres import hemispheres
from triphase.responses.targets import Cohort, RegionMeans, check_lengths, check_scored
from triphase.stats.autocorrelation import autocorrelation, first_below
from triphase.stats.bootstrap import prediction_sums, response_sums
from triphase.stats.resampling import block_length, decorrelation
from triphase.stats.scoring import correlate, signed_square

log = logging.getLogger(__name__)

LAGS = 60  # scans over which autocorrelations are followed
# Least block of permutations and of the bootstrap, scans: 40 s at a TR of 2 s, several haemodynamic responses.
MINIMUM_BLOCK = 20


def make_design(
    cohort: Cohort, words: pd.DataFrame, sound: pd.DataFrame | None, settings: PrepareEncoding
) -> tuple[Design, np.ndarray]:
    """Folds, bands and blocks of a data set, and the band of its autocorrelation floor.

    Parameters
    ----------
    cohort : triphase.responses.targets.Cohort
    words : DataFrame, the words table
    sound : DataFrame, or None where no nuisance feature is of the sound
    settings : PrepareEncoding

    Returns
    -------
    design : triphase.encoding.design.Design
    floor : float32 array (n_splits, n_scans, n_columns), see `triphase.encoding.floor.floor_band`
    """
    tr, scans = settings.tr, delays_in_scans(settings.delays, settings.tr)
    averaged = settings.delays_as == "mean"
    timeline = Timeline(cohort.runs, cohort.times, tr, scans, settings.downsampling, averaged)
    labels = timeline.runs
    check_lengths(labels, scans, tr)
    entry = {run["name"]: run for run in settings.runs}
    # Stimuli are known by their content, so that one story under two names still stands on one side of every split.
    stimuli = np.array([words.attrs["hashes"][entry[run]["stimulus"]] for run in labels])
    # Nor may a part or another version of a story stand in another fold than it does.
    stories = np.array([words.attrs["stories"][entry[run]["stimulus"]] for run in labels])
    groups = np.array([entry[run].get("group") or "" for run in labels])
    groups = fold_units(fold_units(stimuli, stories), groups)
    test_runs = [run["name"] for run in settings.runs if run["test"]]
    trained = ~np.isin(labels, test_runs)
    acf = autocorrelation((y[trained] for y in cohort.batches()), labels[trained], LAGS)
    seconds = row_seconds(cohort.attrs, tr)
    least = least_gap(cohort.attrs, settings.gap_seconds)
    gap = needed_gap(acf, scans, least, seconds, shared_reach(settings.downsampling))
    outer, inner = make_splits(labels, stimuli, test_runs, settings.split, gap=gap, groups=groups)
    fewer = {
        name: fewer_stimuli(outer, labels, stimuli, quarters, n_folds=settings.split["inner"], gap=gap)
        for name, quarters in FEWER.items()
        if settings.training_sizes
    }

    def nuisance_with(delays):
        return nuisance_band(words, replace(timeline, delays=delays), settings.nuisance, sound)

    bands = {"nuisance": nuisance_with(scans)}
    if settings.lexical:
        about = {key: words.attrs[key] for key in ("language", "unit")}
        bands["lexical"] = lexical_band(words, timeline, outer, settings.lexical, seed=settings.seed, **about)
    predicted = autocorrelation([bands["nuisance"][trained]], labels[trained], LAGS)
    others = alternative_delays(settings.delay_alternatives, settings.delays, tr)
    design = Design(
        runs=labels,
        times=timeline.times,
        stimuli=stimuli,
        tr=tr,
        delays=scans,
        outer=outer,
        inner=inner,
        bands=bands,
        gap=gap,
        lag=decorrelation(acf, predicted),
        block_length=block_length(acf, predicted, MINIMUM_BLOCK),
        averaged=averaged,
        alternatives={name: Alternative(other, nuisance_with(other)) for name, other in others.items()},
        fewer={name: Masks(*masks) for name, masks in fewer.items() if masks},
    )
    log.info("gap %d scans, %s blocks of %d scans per held-out stretch", gap, design.counts, design.block_length)
    return design, floor_band(labels, timeline.times, tr, outer, first_below(acf, 0.1))


def alone_fits(design: Design) -> dict[str, dict[str, np.ndarray]]:
    """Bands of every fit of a nuisance set without a layer, by the name of the fit."""
    return {
        alone(parts): {part: design.bands[part] for part in parts} for parts in nuisance_sets(design.bands).values()
    }


def shared_fits(design: Design, floor: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Bands of every fit that needs no language model.

    Those of `alone_fits`; `nuisance_alone_2-5` of every alternative; `nuisance_alone_half` of fewer training stimuli;
    `floor` (n_splits, n_scans, n_columns).
    """
    fits = alone_fits(design)
    for name, alternative in design.alternatives.items():
        fits[f"nuisance_alone_{name}"] = {"nuisance": alternative.nuisance}
    fits |= {f"nuisance_alone_{name}": {"nuisance": design.bands["nuisance"]} for name in design.fewer}
    return fits | {"floor": {"floor": floor}}


class Alone:
    """Scores of the bands beside the language model by themselves, collected over batches of voxels.

    Parameters
    ----------
    design : triphase.encoding.design.Design
    fits : dict of name to the bands of each fit, by name, see `shared_fits`
    targets : DataFrame with subject, roi, x, y, z of every target
    settings : PrepareEncoding or FitEncoding
    """

    def __init__(
        self,
        design: Design,
        fits: dict[str, dict[str, np.ndarray]],
        targets: pd.DataFrame,
        settings: PrepareEncoding | FitEncoding,
    ):
        self.design, self.fits, self._targets = design, fits, 0
        self._parts: dict[str, list[np.ndarray]] = {}
        self.masks = {f"nuisance_alone_{name}": masks for name, masks in design.fewer.items()}
        alphas = penalties(settings.alphas)
        self.searches = {
            name: Search(alphas, weight_grid(settings.band_weights, len(bands)), names=list(bands))
            for name, bands in self.fits.items()
        }
        self.resampling = Resampling.of(design, settings.generalise_to, settings.boot_draws, settings.seed)
        masks, self._subjects = hemispheres(targets, settings.rois, settings.space).masks, targets["subject"]
        # Of r, and of its square with its sign, of which unique variance is made.
        self.means, self.squares = (RegionMeans(targets["subject"].to_numpy(str), masks) for _ in range(2))

    def add(self, y: np.ndarray) -> None:
        """Fit the next batch of responses (n_scans, n_batch_targets)."""
        design, measured = self.design, response_sums(y, self.design.blocks)
        batch = slice(self._targets, self._targets + y.shape[1])
        self._targets, found = batch.stop, {"response_blocks": measured}
        for name, bands in self.fits.items():
            if name == "floor" and not bands["floor"].shape[-1]:  # where no run is cut
                found["r_floor"] = np.zeros(y.shape[1])
                continue
            deletions = None if name == "floor" else self.resampling.deletions(y)
            masks, search = self.masks.get(name, design.masks), self.searches[name]
            predicted, _ = fit_bands(None, list(bands.values()), y, masks.outer, masks.inner, search, deletions)
            found[f"r_{name}"] = correlate(predicted, y, design.segments)[0]
            if name != "floor":
                sums = prediction_sums(predicted.sum(0), y, design.blocks)
                drawn = self.resampling.draws(sums, measured, deletions)[0]
                self.means.add(name, batch, drawn)
                self.squares.add(name, batch, signed_square(drawn))
        for name, values in found.items():
            self._parts.setdefault(name, []).append(values)

    def dataset(self) -> xr.Dataset:
        """All batches together: r_… (target) of each fit; response_blocks (response_sum, block, target).

        And `boot` and `boot_squared` (listener, region, fit, draw): draws of r and of its signed square, averaged over
        each region's voxels.
        """
        joined = {name: np.concatenate(parts, axis=-1).astype(np.float32) for name, parts in self._parts.items()}
        check_scored(self._subjects, joined[f"r_{next(iter(self.fits))}"], "the nuisance bands")
        fits, boot = self.means.means()
        variables: dict[str, Any] = {
            name: ("target", values) for name, values in joined.items() if name != "response_blocks"
        }
        variables["response_blocks"] = ("response_sum", "block", "target"), joined["response_blocks"]
        variables["boot"] = ("listener", "region", "fit", "draw"), boot
        variables["boot_squared"] = ("listener", "region", "fit", "draw"), self.squares.means()[1]
        coords = {"response_sum": ["y", "yy"], "listener": self.means.subjects, "region": self.means.regions}
        return xr.Dataset(variables, coords={**coords, "fit": fits})
