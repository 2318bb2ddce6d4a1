"""Memory that a fit asks for, against what it takes."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.config.jobs import FitEncoding
from triphase.core.artefacts import write_arrays
from triphase.encoding.design import Design, design_dataset
from triphase.encoding.fitting import Engine, fit_layer
from triphase.encoding.folds import make_splits
from triphase.encoding.memory import LIBRARIES, UNKNOWN, batch_size, fit_megabytes, spectra_floats
from triphase.encoding.preparing import Alone, shared_fits

pytestmark = pytest.mark.usefixtures("one_thread")
ROIS = [{"name": "A", "language": True}]
GRID = {"rois": ROIS, "alphas": [0, 3, 4], "band_weights": [0, 0.5, 1], "boot_draws": 100, "seed": 0,
        "generalise_to": "new stimuli", "space": "none"}  # fmt: skip
REST = {"scalings": ["zscore", "center"], "components": 3, "significance": "blocks", "permutations": 99}


@pytest.mark.parametrize(
    ("n_scans", "n_features", "n_targets"), [(800, 600, 20), (800, 80, 20), (400, 30, 2000)],
    ids=["kernel", "columns", "voxels"],
)  # fmt: skip
def test_a_fit_takes_what_it_asks_for(tmp_path, n_scans, n_features, n_targets):
    generator, delays = np.random.default_rng(0), [1, 2]
    runs = np.repeat(["r1", "r2", "r3", "r4"], n_scans // 4)
    features = generator.standard_normal((n_scans + 2, n_features)).astype(np.float32)
    outer, inner = make_splits(runs, runs, ["r4"], {"kind": "fixed", "folds": 2, "inner": 3}, gap=4)
    nuisance = generator.standard_normal((n_scans, 5)).astype(np.float32)
    design = Design(
        runs=runs, times=np.arange(n_scans) * 2.0, stimuli=runs, tr=2.0, delays=delays, outer=outer, inner=inner,
        bands={"nuisance": nuisance}, gap=4, lag=2, block_length=20,
    )  # fmt: skip
    y = generator.standard_normal((n_scans, n_targets)).astype(np.float32)
    targets = pd.DataFrame({"subject": "s1", "roi": np.repeat("A", n_targets)})
    alone = Alone(design, shared_fits(design, np.zeros((1, n_scans, 0))), targets, SimpleNamespace(**GRID))
    alone.add(y)
    shared = xr.merge([design_dataset(design), alone.dataset()]).assign(responses=(("time", "target"), y))
    shared.attrs = design_dataset(design).attrs
    write_arrays(tmp_path / "shared.zarr.zip", shared)
    # As many words as scans.
    layer = {"activations": (("layer", "word", "feature"), features[None])}
    write_arrays(tmp_path / "activations.zarr.zip", xr.Dataset(layer))

    tracemalloc.start()
    fit_layer(
        features, np.arange(n_scans) + 2, shared, design, targets, FitEncoding(**GRID, **REST), Engine(backend="numpy")
    )
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    asked = fit_megabytes(tmp_path / "shared.zarr.zip", tmp_path / "activations.zarr.zip", n_alphas=4, n_draws=100)
    assert 1 < (asked * 1e6 - LIBRARIES) / taken < 2.5


def test_designs_of_many_scans_ask_for_more():
    def megabytes(n_train, n_columns=16_000):
        return 4e-6 * spectra_floats(1.25 * n_train, n_train, 1, 5, n_columns, 100, 10)

    assert megabytes(500) < 100 and 3000 < megabytes(8000) < 6000 and megabytes(22_000) > 20_000
    assert megabytes(22_000, n_columns=2000) < 2500, "few columns: no kernel"
    assert batch_size(300, 1000) == 16384 and batch_size(30_000, 1000) < 1000


def test_what_is_not_there_yet_has_a_size_that_is_said(tmp_path):
    nothing = tmp_path / "shared.zarr.zip", tmp_path / "activations.zarr.zip"
    assert fit_megabytes(*nothing, n_alphas=10, n_draws=1000) == UNKNOWN
    # A file of an earlier version is there when a run is planned, and made again before it is read.
    earlier = xr.Dataset({"responses": (("time", "target"), np.zeros((3, 2)))}, attrs={"bands": []})
    write_arrays(nothing[0], earlier)
    assert fit_megabytes(*nothing, n_alphas=10, n_draws=1000) == UNKNOWN
