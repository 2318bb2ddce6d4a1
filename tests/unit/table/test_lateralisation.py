"""Left minus right: values and draws of the same voxels, at the layer of the subject, with what has no partner told."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.core.artefacts import write_arrays
from triphase.responses.hemispheres import HOMOLOGOUS, MIRRORED, hemispheres
from triphase.responses.targets import RegionMeans
from triphase.table.lateralisation import lateralisation_rows, lateralisation_series
from triphase.table.tidy import typed

ROIS = [{"name": "LT", "language": True}, {"name": "RT"}, {"name": "Aud"}, {"name": "X"}]
MAIN = {"scaling": "zscore", "delays": "headline", "nuisance": "N1"}


def write(path, targets, gain, space, rois=ROIS, draws=None):
    """An encoding file of gains, and of the means of their draws, as `fit_layer` writes them."""
    means = RegionMeans(targets["subject"].to_numpy(str), hemispheres(targets, rois, space).masks)
    means.add("gain", slice(0, len(gain)), np.tile(gain, (3, 1)) if draws is None else draws)
    boot = np.repeat(means.means()[1], 2, axis=2)
    boot[:, :, 1] += 100  # another analysis
    result = xr.Dataset(
        {"gain": (("analysis", "target"), np.stack([gain, gain + 100])), "freedom": 9.0,
         "boot_gain": (("listener", "region", "analysis", "draw"), boot)},
        coords={name: ("target", targets[name].to_numpy()) for name in targets}
        | {"listener": means.subjects, "region": means.regions},
    )  # fmt: skip
    write_arrays(path, result)


@pytest.fixture
def fitted(tmp_path):
    """Gains of two subjects in one encoding file, draws about them that both sides share but for a tenth, and the rows
    of alignment that name subject and layer."""
    rng = np.random.default_rng(0)
    roi = ["LT"] * 6 + ["RT"] * 4 + ["Aud"] * 4 + ["X"]
    x = [-40.0] * 6 + [40.0] * 4 + [-20, 20, -20, 20, 0]
    targets = pd.concat(
        [pd.DataFrame({"roi": roi, "x": x, "y": np.arange(15.0), "z": 0.0, "subject": name}) for name in ("s1", "s2")]
    )
    targets.loc[targets["roi"] == "Aud", "y"] = [0.0, 0, 2, 2] * 2
    side = np.where(targets["x"] < 0, 0.1, 0.04)
    gain = side + 0.01 * rng.standard_normal(30)
    gain[[3, 14]] = np.nan
    draws = (gain + 0.05 * rng.standard_normal((400, 1)) + 0.005 * rng.standard_normal((400, 30))).astype(np.float32)
    write(tmp_path / "2.zarr.zip", targets, gain, "mni", draws=draws)
    about = {"model": "m", "checkpoint": "c", "step": 1, "tokens": 10, "layer": 2, "measure": "alignment", **MAIN}
    table = typed(pd.DataFrame([about | {"subject": s, "roi": "all", "value": 0.1, "n": 30} for s in ("s1", "s2")]))
    return table, {("m", "c", 2): str(tmp_path / "2.zarr.zip")}, gain


def test_the_two_sides_are_subtracted_on_the_same_draws(fitted):
    table, files, gain = fitted
    drawn, unpaired = lateralisation_series(table, files, ROIS, "mni")
    pairs = ("LT", "RT"), ("Aud", MIRRORED), ("all", MIRRORED)
    assert [(row["subject"], row["roi"], row["target"]) for row in drawn] == [
        (subject, *pair) for subject in ("s1", "s2") for pair in pairs
    ]
    own = drawn[0]
    assert own["value"] == pytest.approx(np.nanmean(gain[:6]) - gain[6:10].mean()) and own["n"] == 9
    assert own["boot"].mean() == pytest.approx(own["value"], abs=2e-3), "draws of the first analysis, of both sides"
    assert own["boot"].std() < 0.01 < 0.05, "what both sides share cancels"
    assert own["freedom"] == 9 and own["layer"] == 2 and unpaired == ["X"]
    rows = typed(lateralisation_rows(drawn).assign(study="x"))
    assert rows["se"].tolist() == [row["boot"].std(ddof=1) for row in drawn] and rows["main"].all()
    assert set(rows["measure"]) == {"lateralisation"}


def test_without_places_only_regions_with_a_partner_are_compared(fitted):
    table, files, _ = fitted
    drawn, unpaired = lateralisation_series(table, files, ROIS[2:], "native")
    assert drawn == [] and unpaired == ["Aud", "X"]


def test_regions_with_more_voxels_on_one_side_make_no_asymmetry(tmp_path):
    """Both sides of each region are alike; the region with the higher gain has its voxels on the left, the other on the
    right: a mean over all voxels of a side would call that left."""
    rois = [{"name": name} for name in ("L_A", "R_A", "L_B", "R_B")]
    roi = ["L_A"] * 100 + ["R_A"] * 10 + ["L_B"] * 10 + ["R_B"] * 100
    targets = pd.DataFrame({"roi": roi, "subject": "s1", "x": np.nan, "y": np.nan, "z": np.nan})
    gain = np.where(targets["roi"].str.endswith("A"), 0.2, 0.02)
    write(tmp_path / "2.zarr.zip", targets, gain, "none", rois)
    entry = {"model": "m", "checkpoint": "c", "layer": 2, "measure": "alignment", "subject": "s1", "roi": "all", **MAIN}
    files = {("m", "c", 2): str(tmp_path / "2.zarr.zip")}
    drawn, _ = lateralisation_series(typed(pd.DataFrame([entry | {"value": 0.1, "n": 220}])), files, rois, "none")
    whole = drawn[-1]
    assert (whole["roi"], whole["target"], whole["n"]) == ("all", HOMOLOGOUS, 220)
    assert whole["value"] == pytest.approx(0) and whole["boot"] == pytest.approx(0, abs=1e-6)
