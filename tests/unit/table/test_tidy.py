import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.encoding.analyses import Analysis
from triphase.stats.scoring import pearson
from triphase.table.selection import Selection, analyses_of
from triphase.table.tidy import (
    LEAST_CEILING,
    alignment_rows,
    ceiling_rows,
    choose_layers,
    encoding_rows,
    item_draws,
    tidy,
)

ROIS = [{"name": "A", "language": True}, {"name": "B", "language": False}]


@pytest.fixture
def result():
    """Two subjects; s1 has voxels in A, A, B and s2 in A only."""
    scores = np.array([0.1, 0.3, 0.5, 0.7])
    values = {name: ("target", scores.copy()) for name in
              ["r", "r_llm", "r_nuisance", "r_nuisance_alone", "cv_score", "p_fwer"]}  # fmt: skip
    boot = np.zeros((2, 4, 2, 100))
    boot[0, 0, 0] = np.random.default_rng(0).normal(0, 0.05, 100)
    values |= {
        "q": ("target", [0.01, 0.2, 0.01, 0.01]),
        "gain": (("analysis", "target"), [scores, scores / 2]),
        "boot_r": (("listener", "region", "draw"), np.zeros((2, 4, 100))),
        "boot_gain": (("listener", "region", "analysis", "draw"), boot),
    }
    return xr.Dataset(
        values,
        coords={
            "subject": ("target", ["s1", "s1", "s1", "s2"]),
            "voxel": ("target", [0, 1, 2, 0]),
            "roi": ("target", ["A", "A", "B", "A"]),
            "listener": ["s1", "s2"],
            "region": ["A", "B", "language", "all"],
            "scaling": ("analysis", ["zscore", "center"]),
            "delays": ("analysis", ["headline", "headline"]),
            "nuisance": ("analysis", ["N1", "N1"]),
            "trained_on": ("analysis", ["", ""]),
        },
        attrs={
            "layer": 2,
            "kernels": [
                {"scaling": name, "delays": "headline", "top_share": share, "effective_rank": 7.5}
                for name, share in (("zscore", 0.4), ("center", 0.9))
            ],
        },
    )


NO_REPEATS = pd.DataFrame({"subject": "s1", "voxel": [0, 1, 2], "ceiling": 0.9, "kind": "isc"})


def test_regions_average_their_voxels(result):
    every = encoding_rows(result, ROIS, NO_REPEATS)
    rows = every[every["main"]].set_index(["subject", "roi", "measure"])
    assert rows.loc[("s1", "A", "gain"), "value"] == pytest.approx(0.2)
    assert rows.loc[("s1", "all", "gain"), "value"] == pytest.approx(0.3)
    assert rows.loc[("s1", "language", "significant"), "value"] == pytest.approx(0.5)
    assert rows.loc[("s1", "A", "gain"), "se"] == pytest.approx(0.05, rel=0.2)
    assert ("s2", "B", "gain") not in rows.index, "a region without voxels has no row"
    assert not every["normalised"].any(), "an inter-subject correlation is no ceiling"
    assert rows.loc[(None, None, "kernel_top_share"), "value"].item() == 0.4


def test_every_analysis_has_rows_of_its_own(result):
    rows = encoding_rows(result, ROIS, NO_REPEATS)
    assert analyses_of(rows[rows["measure"] == "gain"]) == {
        Analysis("zscore", "headline", "N1"): True, Analysis("center", "headline", "N1"): False
    }  # fmt: skip
    assert analyses_of(rows[rows["measure"] == "r"]) == {Analysis("zscore", "headline"): True}
    other = Selection("gain", roi="A", subject="s1", analysis=Analysis("center", "headline", "N1")).rows(rows)
    assert other["value"].tolist() == pytest.approx([0.1]) and other["se"].tolist() == [0]
    kernels = rows[rows["measure"] == "kernel_top_share"].set_index("scaling")["value"]
    assert kernels.to_dict() == {"zscore": 0.4, "center": 0.9}


def test_unique_variance_has_a_row_a_part_with_its_own_error(result):
    assert not {"unique_variance", "static_share"} & set(encoding_rows(result, ROIS, NO_REPEATS)["measure"])
    drawn = np.zeros((2, 4, 2, 100))
    drawn[0, 0, 1] = np.random.default_rng(0).normal(0, 0.02, 100)
    told = result.assign(
        unique=(("part", "target"), [[0.1, 0.2, 0.3, 0.4], [0.0, np.nan, 0.1, 0.2]]),
        boot_unique=(("listener", "region", "part", "draw"), drawn),
    ).assign_coords(part=["model", "identity"])
    told.attrs |= {"unique_beside": "N2", "static_share": 0.8}
    rows = encoding_rows(told, ROIS, NO_REPEATS)
    unique = rows[rows["measure"] == "unique_variance"]
    assert analyses_of(unique) == {Analysis("zscore", "headline", "N2"): True}
    values = unique.set_index(["subject", "roi", "target"])
    assert values.loc[("s1", "A", "model"), "value"] == pytest.approx(0.15)
    assert values.loc[("s1", "all", "identity"), "value"] == pytest.approx(0.05)
    assert values.loc[("s1", "A", "identity"), "n"] == 1
    assert values.loc[("s1", "A", "identity"), "se"] == pytest.approx(0.02, rel=0.2)
    assert rows.loc[rows["measure"] == "static_share", "value"].tolist() == [0.8]
    # The gain over the same set is no main analysis for it.
    over = told.assign_coords(nuisance=("analysis", ["N1", "N2"]), scaling=("analysis", ["zscore", "zscore"]))
    gains = encoding_rows(over, ROIS, NO_REPEATS).query("measure == 'gain'")
    assert analyses_of(gains) == {Analysis("zscore", "headline", n): n == "N1" for n in ("N1", "N2")}


def test_normalised_r_is_a_ratio_of_means_over_reliable_voxels(result):
    ceiling = pd.DataFrame({"subject": "s1", "voxel": [0, 1, 2], "ceiling": [0.15, 0.4, 0.8], "kind": "repeats"})
    rows = encoding_rows(result, ROIS, ceiling)
    normalised = Selection("r", analysis=Analysis("zscore", "headline", normalised=True)).rows(rows)
    assert not normalised["main"].any()
    values = normalised.set_index(["subject", "roi"])["value"]
    assert values["s1", "all"] == pytest.approx((0.3 + 0.5) / (0.4 + 0.8))
    assert values["s1", "A"] == pytest.approx(0.3 / 0.4)
    assert ("s2", "A") not in values.index


def test_voxels_without_a_score_are_left_out_of_the_means(result):
    result["r"][0] = np.nan
    rows = encoding_rows(result, ROIS, NO_REPEATS).set_index(["subject", "roi", "measure"])
    assert rows.loc[("s1", "A", "r"), "value"] == pytest.approx(0.3) and rows.loc[("s1", "A", "r"), "n"] == 1
    assert rows.loc[("s1", "A", "significant"), "value"] == 0


def test_tidy_rows_have_typed_nulls(result):
    states = pd.DataFrame({"layer": [None], "measure": ["surprisal"], "value": [9.0], "se": [0.1], "n": [50]})
    keys = {"study": "x", "model": "m", "checkpoint": "step4", "step": 4, "tokens": 400}
    table = tidy([encoding_rows(result, ROIS, NO_REPEATS), states, pd.DataFrame()], **keys)
    row = table[table["measure"] == "surprisal"].iloc[0]
    assert row["layer"] is pd.NA and row["subject"] is pd.NA and row["tokens"] == 400
    assert row["scaling"] is pd.NA and row["main"] and not row["normalised"]


def table_of(scores):
    rows = [
        {
            "model": "m",
            "checkpoint": f"c{c}",
            "subject": "s",
            "roi": "language",
            "layer": layer,
            "measure": m,
            "scaling": scaling,
            "value": v,
        }
        for (c, layer), value in scores.items()
        for m, scaling, v in (("cv_score", "zscore", value), ("gain", "zscore", 10 * layer + c), ("gain", "pca", layer))
    ]
    return pd.DataFrame(rows)


def test_one_layer_over_all_checkpoints_by_the_mean_cv_score():
    # layer 1 wins at c0, layer 2 on average
    table = table_of({(0, 1): 0.5, (1, 1): 0.1, (0, 2): 0.4, (1, 2): 0.4})
    layers = choose_layers(table, "language")
    assert layers == {("m", "s"): 2}
    rows = alignment_rows(table, layers).groupby(["measure", "scaling"])["value"].apply(list)
    assert rows.to_dict() == {("alignment", "zscore"): [20, 21], ("alignment", "pca"): [2, 2]}


def test_choosing_voxels_by_the_ceiling_of_the_responses_that_are_scored_bends_no_curve():
    """What repeats share by chance lifts the ceilings of the chosen voxels, but no prediction knows of it.

    So normalised scores are rather too small, by one factor for all checkpoints, and nothing comes of noise.
    """
    rng = np.random.default_rng(0)
    voxels, scans, truth = 6000, 150, 0.4
    signal = rng.standard_normal((scans, voxels))
    hearings = truth * signal + rng.standard_normal((2, scans, voxels))
    reliability = pearson(*hearings)
    ceilings = np.sqrt(np.clip(2 * reliability / (1 + reliability), 0, None))
    chosen = ceilings >= LEAST_CEILING
    assert 0.2 < chosen.mean() < 0.95
    scores = {}
    for share in (0.0, 0.5, 1.0):
        predicted = share * signal + rng.standard_normal((scans, voxels))
        scores[share] = pearson(predicted, hearings.mean(0))
    assert abs(scores[0.0][chosen].mean()) < 0.003, "noise is not aligned in chosen voxels"
    picked, every = (scores[0.5][mask].mean() / scores[1.0][mask].mean() for mask in (chosen, np.full(voxels, True)))
    assert picked == pytest.approx(every, rel=0.02), "courses keep their shape"


def test_ceilings_skip_invalid_voxels():
    ceiling = pd.DataFrame(
        {"subject": "s", "roi": ["A", "A", "B"], "valid": [True, False, True], "ceiling": [0.4, np.nan, 0.8]}
    ).assign(reliability=np.nan, kind="isc")
    rows = ceiling_rows(ceiling, ROIS).set_index(["roi", "measure"])["value"]
    assert (
        rows["A", "ceiling"] == 0.4 and rows["A", "valid_voxels"] == 1 and rows["all", "ceiling"] == pytest.approx(0.6)
    )


def test_a_region_without_reliability_has_no_ceiling():
    noise = np.random.default_rng(3).normal(0, 0.05, 4000)
    noise -= noise.mean()
    reliability = np.r_[noise, [0.04, 0.32], -0.3]
    roi = np.r_[np.full(4000, "A"), ["B", "B"], ["C"]]
    ceiling = pd.DataFrame({"subject": "s", "roi": roi, "valid": True, "reliability": reliability, "kind": "repeats"})
    ceiling["ceiling"] = np.sqrt(ceiling["reliability"].clip(lower=0))
    rois = [{"name": name, "language": False} for name in "ABC"]
    rows = ceiling_rows(ceiling, rois).set_index(["roi", "measure"])["value"]
    assert rows["A", "ceiling"] == pytest.approx(0, abs=1e-6)
    assert rows["B", "ceiling"] == pytest.approx(np.sqrt(0.18)) and rows["C", "ceiling"] == 0


def test_items_are_drawn_alike_at_every_checkpoint():
    generator = np.random.default_rng(0)
    easy = generator.integers(0, 2, 200).astype(float)
    draws = item_draws(np.stack([easy, easy, 1 - easy]), 4000, seed=1)
    np.testing.assert_array_equal(draws[0], draws[1])
    np.testing.assert_allclose(draws[0] + draws[2], 1, atol=1e-6)
    assert draws[0].std() == pytest.approx(easy.std() / np.sqrt(200), rel=0.05)
    np.testing.assert_array_equal(draws[:1], item_draws(easy[None], 4000, seed=1))
