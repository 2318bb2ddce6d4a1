"""All scores of one layer: the fit beside the nuisance bands, its tests, its draws and its sensitivity analyses."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from triphase.config.jobs import FitEncoding
from triphase.core.batches import slices
from triphase.encoding.analyses import OF_FITS, OWN_DELAYS, Analysis, Partition, alone, nuisance_sets
from triphase.encoding.deletions import Resampling
from triphase.encoding.design import Design, Masks
from triphase.encoding.guards import kernel_shape, scaled
from triphase.encoding.kernels import decompose
from triphase.encoding.memory import batch_size
from triphase.encoding.preparing import Alone, alone_fits
from triphase.encoding.ridge import Search, fit_bands, penalties, weight_grid
from triphase.responses.hemispheres import hemispheres
from triphase.responses.targets import RegionMeans, check_scored
from triphase.stats.bootstrap import freedom, prediction_sums, seams
from triphase.stats.multiple_tests import benjamini_hochberg, family_wise_p
from triphase.stats.permutation import permutation_draws, permutation_test
from triphase.stats.scoring import correlate, signed_square
from triphase.stats.shifts import shift_draws, shift_test

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """Solver and backend of a fit, see `triphase.encoding.ridge`: how it is computed, and nothing of what it finds."""

    solver: str = "auto"
    backend: str = "auto"


def fit_layer(
    features: np.ndarray,
    rows: np.ndarray,
    shared: xr.Dataset,
    design: Design,
    targets: pd.DataFrame,
    settings: FitEncoding,
    engine: Engine,
) -> xr.Dataset:
    """Fit one layer to all voxels of all subjects, batch by batch.

    Parameters
    ----------
    features : float32 array (n_grid, n_columns)
        The layer on every run's grid of scans, see `triphase.encoding.bands.word_scans`.
    rows : int array (n_scans,)
    shared : xarray.Dataset
        `encoding/shared.zarr.zip`, opened: its responses are read in batches.
    design : triphase.encoding.design.Design
        Its bands may be more than those of the shared file, by the checkpoint's own (`triphase.encoding.static`).
    targets : DataFrame with subject, roi, x, y, z of every target
    settings : FitEncoding
        Of its scalings the first is the headline; the others are sensitivity analyses, as are the design's alternative
        delays and its splits with fewer training stimuli, with the first scaling.
    engine : Engine

    Returns
    -------
    xarray.Dataset
        Scores (target), with r and its split over bands, p, q (FDR) and p_fwer (maximum statistic) per subject; `gain`
        (analysis, target), with the coordinates `OF_FITS`, the headline first; alpha and weight of every split;
        `unique` (part, target), variance that the layer, word identity or surprisal explains beside the others, where
        there is a partition (`triphase.encoding.analyses.Partition`; attribute `unique_beside`), and `boot_unique`;
        `blocks`, sums from which `compare_alignment` draws, and `training`, the influence of each group of training
        scans on r (of draws for new stimuli); `boot_r` (listener, region, draw) and `boot_gain` (listener, region,
        analysis, draw); `freedom`, of these draws. Attributes: `kernels`, shapes of the layer's kernel by scaling and
        delays; smallest p; voxels without a score; solver and backend.
    """
    subjects = list(dict.fromkeys(targets["subject"]))
    family = targets["subject"].map({name: place for place, name in enumerate(subjects)}).to_numpy()
    test, draws = _null(design, settings)
    resampling = Resampling.of(design, settings.generalise_to, settings.boot_draws, settings.seed)
    columns, largest = _Columns(len(targets)), np.array(-np.inf)
    masks = hemispheres(targets, settings.rois, settings.space).masks
    means, squares = (RegionMeans(targets["subject"].to_numpy(str), masks) for _ in range(2))
    partition, shared = Partition.of(design.bands), _with_own(shared, design, targets, settings)
    kernels: list[dict[str, str | float]] = []
    solvers: set[str] = set()
    alphas, backend = penalties(settings.alphas), engine.backend
    measured = shared["response_blocks"].values
    below: dict[Analysis, str] = {}
    for variant in _variants(design, settings.scalings):
        spectra = decompose(
            features,
            rows,
            variant.delays,
            variant.masks.outer,
            variant.masks.inner,
            backend=backend,
            scale=lambda values, training, how=variant.scaling: scaled(values, training, how, settings.components),
        )
        backend = spectra.backend  # what "auto" is on this machine
        if not variant.trained_on:
            kernels.append({"scaling": variant.scaling, "delays": variant.name} | _shape(spectra))
        for nuisance, (bands, below_it) in variant.fits.items():
            weights, r_alone = weight_grid(settings.band_weights, len(bands) + 1), shared[f"r_{below_it}"].values
            search = Search(alphas, weights, engine.solver, names=["llm", *bands])
            analysis, first = Analysis(variant.scaling, variant.name, nuisance, variant.trained_on), not below
            below[analysis] = below_it
            for batch in slices(len(targets), batch_size(len(rows), settings.boot_draws)):
                y = shared["responses"][:, batch].values
                deletions = resampling.deletions(y)
                predicted, fit = fit_bands(
                    spectra, list(bands.values()), y, variant.masks.outer, variant.masks.inner, search, deletions
                )
                solvers |= fit["solvers"]
                if not first:
                    predicted = predicted.sum(0, keepdims=True, dtype=np.float64)  # of no band is it read
                joint, split = correlate(predicted, y, design.segments)
                sums = prediction_sums(predicted.sum(0), y, design.blocks)
                drawn, influence = resampling.draws(sums, measured[..., batch], deletions)
                means.add(analysis, batch, drawn)
                columns.put(batch, {analysis: joint - r_alone[batch]})
                if variant.partitioned and partition:
                    squares.add(nuisance, batch, signed_square(drawn))
                    columns.put(batch, {nuisance: signed_square(joint)})
                if not first:
                    continue
                z, p, most = test(predicted.sum(0), y, design.segments, draws, family[batch], len(subjects))
                largest = np.maximum(largest, most)
                columns.put(
                    batch,
                    {
                        "r": joint,
                        "r_llm": split[0],
                        "r_nuisance": split[1],
                        "r_nuisance_alone": r_alone[batch],
                        "z": z,
                        "p": p,
                        "cv_score": fit["cv_score"],
                        "alpha": fit["alpha"],
                        "weight": fit["weight"],
                        "blocks": sums,
                        "seam": seams(predicted.sum(0), y, design.blocks),
                    }
                    | ({} if influence is None else {"training": influence}),
                )
        del spectra  # before the next ones are made
    found = columns.values
    found["gain"] = np.stack([found.pop(analysis) for analysis in below])
    found["q"] = np.concatenate([benjamini_hochberg(found["p"][family == place]) for place in range(len(subjects))])
    found["p_fwer"] = family_wise_p(found.pop("z"), family, largest)
    check_scored(targets["subject"], found["r"], "this layer")
    unique = _unique(partition, design, found, squares, shared) if partition else {}
    lost = int((~np.isfinite(found["r"])).sum())
    if lost:
        log.warning("%d of %d voxels have no score: constant or not finite where they are held out", lost, len(family))
    _, joint = means.means()
    dims = {
        "alpha": ("split", "target"),
        "weight": ("split", "band", "target"),
        "blocks": ("sum", "block", "target"),
        "training": ("training_group", "target"),
        "gain": ("analysis", "target"),
    }
    return xr.Dataset(
        {name: (dims.get(name, ("target",)), values.astype(np.float32)) for name, values in found.items()}
        | unique
        | {
            "freedom": float(freedom(design.block_sizes, design.groups)),
            "boot_r": (("listener", "region", "draw"), joint[:, :, 0]),
            # The mean of differences is the difference of means: a voxel without a score has none in either fit.
            "boot_gain": (
                ("listener", "region", "analysis", "draw"),
                joint - shared["boot"].sel(fit=list(below.values())).values,
            ),
        },
        coords={"band": ["llm", "nuisance"], "sum": ["x", "xx", "xy"], "listener": subjects, "region": means.regions}
        | {key: ("analysis", [getattr(one, key) or "" for one in below]) for key in OF_FITS},
        attrs={
            "kernels": kernels,
            "smallest_p": 1 / (len(draws[0]) + 1),
            "without_score": lost,
            "significance": settings.significance,
            "generalise_to": settings.generalise_to,
            "unique_beside": partition.full if partition else None,
            "solver": sorted(solvers),
            "backend": backend,
        },
    )


@dataclass(frozen=True)
class Variant:
    """One way to take a layer's features: as the headline does it, or for a sensitivity analysis.

    Attributes
    ----------
    scaling : str
    name : str, of its delays, see `triphase.encoding.analyses.Analysis`
    delays : list of int, scans
    fits : dict of nuisance set to (bands beside the layer by name, name of the fit without the layer)
    masks : triphase.encoding.design.Masks
    trained_on : str or None, see `triphase.encoding.analyses.Analysis`
    partitioned : bool, whether unique variance is of its fits
    """

    scaling: str
    name: str
    delays: list
    fits: dict
    masks: Masks
    trained_on: str | None = None
    partitioned: bool = False


def _variants(design, scalings):
    """The headline, which has a gain over every nuisance set that there is; then the other scalings, the other delays,
    and fewer training stimuli.
    """
    nuisance = {"nuisance": design.bands["nuisance"]}
    fits = {
        name: ({part: design.bands[part] for part in parts}, alone(parts))
        for name, parts in nuisance_sets(design.bands).items()
    }
    variants = [Variant(scalings[0], OWN_DELAYS, design.column_delays, fits, design.masks, partitioned=True)]
    for scaling in scalings[1:]:
        fits = {"N1": (nuisance, "nuisance_alone")}
        variants.append(Variant(scaling, OWN_DELAYS, design.column_delays, fits, design.masks))
    for name, other in design.alternatives.items():
        fits = {"N1": ({"nuisance": other.nuisance}, f"nuisance_alone_{name}")}
        variants.append(Variant(scalings[0], f"{name} s", other.delays, fits, design.masks))
    for name, masks in design.fewer.items():
        fits = {"N1": (nuisance, f"nuisance_alone_{name}")}
        variants.append(Variant(scalings[0], OWN_DELAYS, design.column_delays, fits, masks, name))
    return variants


def _with_own(shared, design, targets, settings):
    """The shared scores, and beside them those of the nuisance sets that hold a band of this checkpoint's own."""
    own = {name: bands for name, bands in alone_fits(design).items() if f"r_{name}" not in shared}
    if not own:
        return shared
    fits, (n_scans, n_targets) = Alone(design, own, targets, settings), shared["responses"].shape
    for batch in slices(n_targets, batch_size(n_scans, settings.boot_draws)):
        fits.add(shared["responses"][:, batch].values)
    made = fits.dataset()
    draws = {
        name: xr.concat([shared[name].load(), made[name]], "fit", join="exact") for name in ("boot", "boot_squared")
    }
    return shared.drop_dims("fit").assign({f"r_{name}": made[f"r_{name}"] for name in own} | draws)


def _unique(partition, design, found, squares, shared):
    """Unique variance by difference of nested fits, per target and drawn for regions; takes the fits' own from `found`.

    What a part explains that the others do not is the squared correlation of the fit with all minus that of the fit
    without it (Lescroart et al. 2015; de Heer et al. 2017).
    """
    explained = {name: found.pop(name) for name in nuisance_sets(design.bands)}
    fits, drawn = squares.means()
    boots = {name: drawn[:, :, place] for place, name in enumerate(fits)}
    name = partition.without["model"]
    explained[name] = signed_square(shared[f"r_{name}"].values)
    boots[name] = shared["boot_squared"].sel(fit=name).values
    whole, parts = partition.full, list(partition.without.values())
    unique = np.stack([explained[whole] - explained[part] for part in parts]).astype(np.float32)
    boot = np.stack([boots[whole] - boots[part] for part in parts], axis=2)
    return {
        "unique": (("part", "target"), unique),
        "boot_unique": (("listener", "region", "part", "draw"), boot),
        "part": ("part", list(partition.without)),
    }


class _Columns:
    """Results per target, collected over batches; the target is the last dimension."""

    def __init__(self, n_targets):
        self.n_targets, self.values = n_targets, {}

    def put(self, batch, arrays):
        for name, part in arrays.items():
            if name not in self.values:
                self.values[name] = np.full((*part.shape[:-1], self.n_targets), np.nan)
            self.values[name][..., batch] = part


def _null(design, settings):
    """The test of r > 0 and its draws."""
    n_draws, seed = settings.permutations, settings.seed
    if settings.significance == "shifts":
        return shift_test, shift_draws(design.segments, design.groups, design.lag, n_draws, seed)
    return permutation_test, permutation_draws(design.counts, design.groups, n_draws, seed)


def _shape(spectra):
    """Shape of the layer's training kernel, averaged over outer splits."""
    shapes = [kernel_shape(spectrum.eigenvalues) for spectrum in spectra.finals]
    return {key: float(np.mean([shape[key] for shape in shapes])) for key in shapes[0]}
