"""What all fits of a study share: scans, folds, the bands beside the language model, and the units of resampling."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from triphase.encoding.features import Timeline
from triphase.encoding.folds import TRAIN, held_out_segments
from triphase.stats.bootstrap import cut_blocks, stored_length
from triphase.stats.permutation import block_counts
from triphase.stats.resampling import segment_groups


@dataclass(frozen=True)
class Alternative:
    """Other delays than the study's own, for a sensitivity analysis.

    Attributes
    ----------
    delays : list of int
        Scans.
    nuisance : float32 array (n_scans, n_columns)
        The nuisance band (N1) with these delays.
    """

    delays: list
    nuisance: np.ndarray


@dataclass(frozen=True)
class Masks:
    """Which scans train and which are held out, in codes of `triphase.encoding.folds`.

    Attributes
    ----------
    outer : int8 array (n_splits, n_scans)
    inner : list of int8 arrays (n_folds, n_scans), one per outer split
    """

    outer: np.ndarray
    inner: list[np.ndarray]


@dataclass(frozen=True)
class Design:
    """One data set's design, the same for every layer, checkpoint and model.

    Attributes
    ----------
    runs, times, stimuli : arrays (n_scans,)
        Run, acquisition (s) and content hash of the stimulus of every scan.
    tr : float
        Seconds.
    delays : list of int
        Scans.
    outer : int8 array (n_splits, n_scans)
    inner : list of int8 arrays (n_folds, n_scans), one per outer split
        Codes of `triphase.encoding.folds`.
    bands : dict of str to float32 array (n_scans, n_columns) or (n_splits, n_scans, n_columns)
        Delayed features beside the language model's: `nuisance` (N1), and where the study asks for them `lexical` (word
        identity), `static` (word embeddings) and, in a fit alone, `statistics` (`nuisance` with surprisal among it).
    gap : int
        Scans between the sides of a split.
    lag : int
        Scans after which response and prediction are no longer alike.
    block_length : int
        Scans of a block that is permuted.
    averaged : bool
        Whether features are the mean over the delays.
    alternatives : dict of str to Alternative
        By name, see `triphase.config.delays.alternative_delays`.
    fewer : dict of str to Masks
        Splits whose held-out scans are the same, with a share of the training stimuli, see `folds.fewer_stimuli`.
    """

    runs: np.ndarray
    times: np.ndarray
    stimuli: np.ndarray
    tr: float
    delays: list
    outer: np.ndarray
    inner: list
    bands: dict
    gap: int
    lag: int
    block_length: int
    averaged: bool = False
    alternatives: dict = field(default_factory=dict)
    fewer: dict[str, Masks] = field(default_factory=dict)

    @property
    def column_delays(self) -> list[int]:
        """Delays that have columns of their own: none but 0 where features are averaged over delays."""
        return [0] if self.averaged else self.delays

    @property
    def masks(self) -> Masks:
        """The splits of the study, with all that trains."""
        return Masks(self.outer, self.inner)

    def timeline(self, downsampling: str) -> Timeline:
        """When the rows were acquired, and how what was heard is laid on them."""
        return Timeline(self.runs, self.times, self.tr, self.delays, downsampling, self.averaged)

    @cached_property
    def segments(self) -> list[np.ndarray]:
        """Rows of each held-out stretch."""
        return held_out_segments(self.outer, self.runs)

    @cached_property
    def groups(self) -> list[int]:
        """Group of each stretch: those that heard the same thing are resampled alike."""
        return segment_groups(self.segments, self.runs, self.stimuli)

    @cached_property
    def counts(self) -> list[int]:
        """Blocks of each stretch that are permuted."""
        return block_counts(self.segments, self.groups, self.block_length)

    @cached_property
    def blocks(self) -> list[list[np.ndarray]]:
        """Rows of the blocks of each stretch that are bootstrapped."""
        return cut_blocks(self.segments, self.boot_length)

    @property
    def boot_length(self) -> int:
        """Scans of a block that is bootstrapped, at least."""
        return stored_length(self.segments, self.block_length)

    @property
    def block_scans(self) -> np.ndarray:
        """Scans of every block, all stretches' one after the other."""
        return np.array([len(rows) for stretch in self.blocks for rows in stretch])

    @property
    def block_sizes(self) -> list[int]:
        """Bootstrapped blocks of each stretch."""
        return [len(stretch) for stretch in self.blocks]


def design_dataset(design: Design) -> xr.Dataset:
    """A design as an xarray Dataset, from which `read_design` makes it again."""
    variables: dict[str, Any] = {
        "block_stretch": ("block", np.repeat(np.arange(len(design.blocks)), design.block_sizes)),
        "block_scans": ("block", design.block_scans),
        "stretch_group": ("stretch", np.array(design.groups)),
    }
    for name, masks in {"": design.masks, **design.fewer}.items():
        folds = max(len(inner) for inner in masks.inner)
        padded = [np.pad(inner, ((0, folds - len(inner)), (0, 0))) for inner in masks.inner]
        variables[_named("outer", name)] = ("split", "time"), masks.outer
        variables[_named("inner", name)] = ("split", _named("fold", name), "time"), np.stack(padded)
    for name, band in design.bands.items():
        dims = ("time", f"{name}_column") if band.ndim == 2 else ("split", "time", f"{name}_column")
        variables[f"band_{name}"] = dims, band.astype(np.float32)
    for name, alternative in design.alternatives.items():
        dims = "time", f"nuisance_{name}_column"
        variables[f"band_nuisance_{name}"] = dims, alternative.nuisance.astype(np.float32)
    coords = {"run": design.runs, "time_s": design.times, "stimulus": design.stimuli}
    attrs = {
        "tr": design.tr,
        "delays_scans": design.delays,
        "delays_averaged": design.averaged,
        "gap": design.gap,
        "lag": design.lag,
        "block_length": design.block_length,
        "block_counts": design.counts,
        "boot_length": design.boot_length,
        "bands": list(design.bands),
        "train_scans": int((design.outer == TRAIN).sum(1).max()),
        "alternatives": {name: alternative.delays for name, alternative in design.alternatives.items()},
        "fewer": list(design.fewer),
    }
    return xr.Dataset(variables, coords={name: ("time", values) for name, values in coords.items()}, attrs=attrs)


def read_design(dataset: xr.Dataset) -> Design:
    """The design that an opened `encoding/shared.zarr.zip` holds."""
    at = dataset.attrs

    def masks(name):
        inner = dataset[_named("inner", name)].values
        return Masks(dataset[_named("outer", name)].values, [folds[(folds > 0).any(1)] for folds in inner])

    own = masks("")
    return Design(
        runs=dataset["run"].values,
        times=dataset["time_s"].values,
        stimuli=dataset["stimulus"].values,
        tr=at["tr"],
        delays=at["delays_scans"],
        outer=own.outer,
        inner=own.inner,
        bands={name: dataset[f"band_{name}"].values for name in at["bands"]},
        gap=at["gap"],
        lag=at["lag"],
        block_length=at["block_length"],
        averaged=at["delays_averaged"],
        alternatives={
            name: Alternative(delays, dataset[f"band_nuisance_{name}"].values)
            for name, delays in at["alternatives"].items()
        },
        fewer={name: masks(name) for name in at["fewer"]},
    )


def _named(variable, name):
    return f"{variable}_{name}" if name else variable
