"""What is made once of a data set before a layer is fitted: its design, and scores that need no language model."""

import logging

import numpy as np
import xarray as xr

from triphase.encoding.bands import nuisance_band
from triphase.encoding.bootstrap import prediction_sums, response_sums
from triphase.encoding.design import Design
from triphase.encoding.features import delays_in_scans, shared_reach
from triphase.encoding.floor import floor_band
from triphase.encoding.folds import autocorrelation, autocovariance, first_below, make_splits, needed_gap
from triphase.encoding.lexical import lexical_band
from triphase.encoding.resampling import block_length, decorrelation
from triphase.encoding.ridge import fit_bands, weight_grid
from triphase.encoding.scoring import correlate
from triphase.encoding.subjects import check_lengths

log = logging.getLogger(__name__)

LAGS = 60  # scans over which autocorrelations are followed


def make_design(cohort, words, sound, runs, *, tr, delays, downsampling, nuisance, lexical, split, gap_seconds,
                minimum_block, seed):  # fmt: skip
    """Folds, bands and blocks of a data set, and the band of its autocorrelation floor.

    Parameters
    ----------
    cohort : triphase.encoding.subjects.Cohort
    words : DataFrame, the words table
    sound : DataFrame, or None where no nuisance feature is of the sound
    runs : list of dict with name, stimulus, test and, optionally, group
    tr : float
    delays : list of float, s
    downsampling : str, see `triphase.encoding.features.words_to_scans`
    nuisance : list of str, see `triphase.encoding.bands.nuisance_band`
    lexical : dict with dimensions and components, or None
    split : dict with kind, folds, inner
    gap_seconds : float
    minimum_block : int, scans
    seed : int

    Returns
    -------
    design : triphase.encoding.design.Design
    floor : float32 array (n_splits, n_scans, n_columns), see `triphase.encoding.floor.floor_band`
    """
    labels, times, scans = cohort.runs, cohort.times, delays_in_scans(delays, tr)
    check_lengths(labels, scans, tr)
    entry = {run["name"]: run for run in runs}
    # Stimuli are known by their content, so that one story under two names still stands on one side of every split.
    stimuli = np.array([words.attrs["hashes"][entry[run]["stimulus"]] for run in labels])
    groups = np.array([entry[run].get("group") or "" for run in labels])
    test_runs = [run["name"] for run in runs if run["test"]]
    trained = ~np.isin(labels, test_runs)
    covariance = sum(autocovariance(y[trained], labels[trained], LAGS) for y in cohort.batches())
    acf = covariance / covariance[0]
    gap = needed_gap(acf, scans, gap_seconds, tr, shared_reach(downsampling))
    outer, inner = make_splits(
        labels, stimuli, test_runs, kind=split["kind"], outer_folds=split["folds"], inner_folds=split["inner"],
        gap=gap, groups=groups,
    )  # fmt: skip
    bands = {"nuisance": nuisance_band(words, labels, times, tr, nuisance, scans, sound, downsampling)}
    if lexical:
        bands["lexical"] = lexical_band(
            words, labels, times, tr, scans, outer, **lexical, seed=seed, unit=words.attrs["unit"],
            language=words.attrs["language"], how=downsampling,
        )  # fmt: skip
    predicted = autocorrelation(bands["nuisance"][trained], labels[trained], LAGS)
    design = Design(
        runs=labels, times=times, stimuli=stimuli, tr=tr, delays=scans, outer=outer, inner=inner, bands=bands, gap=gap,
        lag=decorrelation(acf, predicted), block_length=block_length(acf, predicted, minimum_block),
    )  # fmt: skip
    log.info("gap %d scans, %s blocks of %d scans per held-out stretch", gap, design.counts, design.block_length)
    return design, floor_band(labels, times, tr, outer, first_below(acf, 0.1))


class Alone:
    """Scores of the bands beside the language model by themselves, collected over batches of voxels.

    Parameters
    ----------
    design : triphase.encoding.design.Design
    floor : float32 array (n_splits, n_scans, n_columns)
    alphas : float array (n_alphas,)
    band_weights : list of float, see `triphase.encoding.ridge.weight_grid`
    """

    def __init__(self, design, floor, alphas, band_weights):
        names, self.design, self.alphas, self._parts = list(design.bands), design, alphas, {}
        self.fits = {f"{names[n]}_alone": [design.bands[name] for name in names[: n + 1]] for n in range(len(names))}
        self.fits["floor"] = [floor]
        self.weights = {name: weight_grid(band_weights, len(bands)) for name, bands in self.fits.items()}

    def add(self, y):
        """Fit a batch of responses (n_scans, n_batch_targets)."""
        design, found = self.design, {"response_blocks": response_sums(y, self.design.blocks)}
        for name, bands in self.fits.items():
            if not bands[-1].shape[-1]:  # a floor where no run is cut
                found[f"r_{name}"] = np.zeros(y.shape[1])
                continue
            predicted, _ = fit_bands(
                None, bands, y, design.outer, design.inner, alphas=self.alphas, weights=self.weights[name],
                names=[name] if name == "floor" else list(design.bands),
            )  # fmt: skip
            found[f"r_{name}"] = correlate(predicted, y, design.segments)[0]
            if name != "floor":
                found[f"blocks_{name}"] = prediction_sums(predicted.sum(0), y, design.blocks)
        for name, values in found.items():
            self._parts.setdefault(name, []).append(values)

    def dataset(self):
        """All batches together: r_… (target), blocks_… (sum, block, target) of each fit, response_blocks."""
        dims = {1: ("target",), 3: ("sum", "block", "target")}
        joined = {name: np.concatenate(parts, axis=-1).astype(np.float32) for name, parts in self._parts.items()}
        variables = {name: (dims[values.ndim], values) for name, values in joined.items()}
        variables["response_blocks"] = ("response_sum", *dims[3][1:]), joined["response_blocks"]
        return xr.Dataset(variables, coords={"sum": ["x", "xx", "xy"], "response_sum": ["y", "yy"]})
