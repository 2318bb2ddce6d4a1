from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.core.errors import InputError
from triphase.encoding.changes import COLUMNS, change_rows, layer_changes, paired_draws, study_changes
from triphase.encoding.deletions import Resampling
from triphase.stats.bootstrap import bootstrap_draws, cut_blocks, prediction_sums, response_sums
from triphase.stats.multiple_tests import benjamini_hochberg
from triphase.stats.scoring import correlate

ROIS = [{"name": "A", "language": True}, {"name": "B", "language": False}]
SEGMENTS = [np.arange(150), np.arange(150, 300)]


@pytest.fixture(scope="module")
def study():
    generator = np.random.default_rng(0)
    y = generator.standard_normal((300, 6))
    y[:, 5] = 1.0  # never varies: it has no score
    blocks = cut_blocks(SEGMENTS, 20)
    shared = xr.Dataset(
        {
            "response_blocks": (("response_sum", "block", "target"), response_sums(y, blocks)),
            "block_stretch": ("block", np.repeat([0, 1], 7)),
            "block_scans": ("block", [len(rows) for stretch in blocks for rows in stretch]),
            "stretch_group": ("stretch", [0, 1]),
        }
    )
    coords = {"subject": ["s1", "s1", "s1", "s2", "s2", "s2"], "voxel": [0, 1, 2, 0, 1, 2], "roi": list("AABABB")}
    coords |= {axis: np.zeros(6) for axis in "xyz"}
    fits, predictions = {}, {}
    for name, strength in {"early": 0.0, "late": 1.0}.items():
        predictions[name] = generator.standard_normal((300, 6)) + strength * y
        fits[name] = xr.Dataset(
            {
                "blocks": (("sum", "block", "target"), prediction_sums(predictions[name], y, blocks)),
                "seam": ("target", np.ones(6)),
            },
            coords={key: ("target", values) for key, values in coords.items()},
            attrs={"layer": 3, "revision": name},
        )
    sizes = SimpleNamespace(block_sizes=[7, 7], groups=[0, 1], block_scans=shared["block_scans"].values)
    counts = bootstrap_draws(sizes.block_sizes, sizes.groups, 200, 0)
    draws = paired_draws(Resampling(sizes, counts, None, None), 200, 0)
    scores = {name: correlate(values[None], y, SEGMENTS)[0] for name, values in predictions.items()}
    return fits, shared, draws, scores["late"] - scores["early"]


def test_changes_are_per_voxel_and_per_subject_and_region(study):
    fits, shared, draws, expected = study
    found = layer_changes(fits["late"], fits["early"], shared, draws, ROIS)
    np.testing.assert_allclose(found["difference"], expected, atol=1e-5)
    regional = found["region_difference"]
    assert list(found["region"].values) == ["A", "B", "language", "all"]
    np.testing.assert_allclose(regional.sel(listener="s1", region="A"), expected[:2].mean(), atol=1e-5)
    np.testing.assert_allclose(regional.sel(listener="s2", region="all"), expected[3:5].mean(), atol=1e-5)
    assert int(found["n_voxels"].sel(listener="s2", region="B")) == 1, "a voxel without a score does not count"
    assert np.isnan(found["q"].values[5])
    np.testing.assert_allclose(found["q"].values[:3], benjamini_hochberg(found["p"].values[:3]), rtol=1e-6)
    assert (found["region_low"].sel(region="all") > 0).all() and (found["region_p"].sel(region="all") < 0.02).all()


def test_rows_name_what_the_reference_is(study):
    fits, shared, draws, _ = study
    layers = [layer_changes(fits["late"], fits["early"], shared, draws, ROIS)]
    rows = change_rows(xr.concat(layers, "layer"), ["first", "previous"])
    assert set(rows["measure"]) == {"r_change"} and set(rows["reference"]) == {"first", "previous"}
    assert len(rows) == 2 * 2 * 4
    row = rows[(rows["subject"] == "s1") & (rows["roi"] == "A")].iloc[0]
    assert row["n"] == 2 and row["layer"] == 3 and row["low"] < row["value"] < row["high"]


def test_checkpoints_fitted_to_other_voxels_are_refused(study):
    fits, shared, draws, _ = study
    other = fits["early"].assign_coords(voxel=("target", [0, 1, 2, 0, 1, 7]))
    with pytest.raises(InputError, match="layer 3 of 'late' and 'early' were fitted to other voxels or blocks"):
        layer_changes(fits["late"], other, shared, draws, ROIS)
    with pytest.raises(InputError, match="fit them again"):
        layer_changes(fits["late"], fits["early"].isel(block=slice(9)), shared, draws, ROIS)


def test_q_is_over_checkpoints_and_regions_of_one_subject_and_layer():
    p = np.random.default_rng(0).uniform(size=24)
    keys = pd.MultiIndex.from_product(
        [["c1", "c2", "c3"], ["s1", "s2"], [1, 2], ["A", "B"]], names=["checkpoint", "subject", "layer", "roi"]
    )
    table = keys.to_frame(index=False).assign(
        model="m", study="x", measure="r_change", reference="first", p=p, n=5, value=0.1
    )
    found = study_changes([part for _, part in table.groupby("checkpoint")])
    assert list(found.columns) == COLUMNS
    mine = (found["subject"] == "s2") & (found["layer"] == 1)
    np.testing.assert_allclose(found.loc[mine, "q"], benjamini_hochberg(found.loc[mine, "p"].to_numpy()))
    assert len(study_changes([])) == 0
