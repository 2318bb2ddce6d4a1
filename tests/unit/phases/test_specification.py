"""The specification table: every analysis that there are numbers for, and none that there are not."""

from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from simulated_study import TOKENS_PER_STEP, course

from triphase.core.artefacts import read_table, write_arrays, write_table
from triphase.encoding.analyses import OF_FITS, Analysis
from triphase.phases.curves import average_subjects, subject_curves
from triphase.phases.layers import LayerCurves, Rule, Source, layer_rules
from triphase.phases.specification import Asked, Scores, Series, available, declaration, nearest, shares, tabulate
from triphase.phases.transitions import Settings
from triphase.table.selection import Selection
from triphase.table.tidy import typed

STEPS = np.r_[0, 2 ** np.arange(1, 11)]
LAYERS, SUBJECTS, ROIS = (1, 2, 3), ("sub-1", "sub-2"), ("language", "all")
R, GAIN = ("r", Analysis("zscore", "headline")), ("gain", Analysis("zscore", "headline", "N1"))
CENTRED, OVER_WORDS = ("gain", Analysis("center", "headline", "N1")), ("gain", Analysis("zscore", "headline", "N2"))
SCORES = {R: "triple", GAIN: "triple", CENTRED: "rise-plateau", OVER_WORDS: "triple"}
SETTINGS = Settings(draws=200, simulations=40)
HEADLINE = {"roi": "language", "tasks": [], "adherence": []}
CHOSEN = {"sub-1": 2, "sub-2": 3}
NOISE = 0.002


def layered(folder, steps=STEPS, scores=SCORES, best=lambda number: 2):
    """Tidy table and encoding results: courses of 0.1 at layer 2, less at others; `best` layer by training score."""
    rng, rows, files = np.random.default_rng(0), [], {}
    for number, step in enumerate(steps):
        for layer in LAYERS:
            boot = np.empty((len(SUBJECTS), len(ROIS), len(scores), 250), np.float32)
            keys = {
                "model": "m",
                "checkpoint": f"step{step}",
                "step": step,
                "tokens": step * TOKENS_PER_STEP,
                "layer": layer,
            }
            for (s, subject), (r, roi) in product(enumerate(SUBJECTS), enumerate(ROIS)):
                own = keys | {"subject": subject, "roi": roi}
                rows.append(own | {"measure": "cv_score", "value": 0.1 - 0.01 * abs(layer - best(number))})
                for m, ((measure, analysis), name) in enumerate(scores.items()):
                    truth = 0.1 * (1 - 0.1 * abs(layer - 2)) * np.r_[-0.1, course(name, len(steps) - 1)][number]
                    value = truth + NOISE * rng.standard_normal()
                    boot[s, r, m] = value + NOISE * rng.standard_normal(250)
                    main = (measure, analysis) in (R, GAIN)
                    rows.append(own | {"measure": measure, "value": value, "main": main} | asdict(analysis))
            path = folder / f"{step}_{layer}.zarr.zip"
            gains = [analysis for measure, analysis in scores if measure == "gain"]
            coords = {"listener": list(SUBJECTS), "region": list(ROIS)} | {
                key: ("analysis", [getattr(one, key) or "" for one in gains]) for key in OF_FITS
            }
            boots = {"boot_r": (("listener", "region", "draw"), boot[:, :, 0]),
                     "boot_gain": (("listener", "region", "analysis", "draw"), boot[:, :, 1:]),
                     "freedom": np.inf}  # fmt: skip
            write_arrays(path, xr.Dataset(boots, coords=coords))
            files[f"step{step}", layer] = path
    return typed(pd.DataFrame(rows).assign(se=np.nan, n=10)), files


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return layered(tmp_path_factory.mktemp("encoding"), best=lambda number: 3 if number == 4 else 2)


def table_of(made, **options):
    asked = Asked("language", ["zscore", "center", "pca"], depths=[0.67], rois=["all"])
    return tabulate(Series("m", *made, CHOSEN, depth=3), replace(asked, **options), SETTINGS, seed=0)


@pytest.fixture(scope="module")
def tabulated(made):
    return table_of(made)


def test_every_analysis_that_has_numbers_is_judged_once(tabulated):
    rows, _ = tabulated
    choices = rows[["layer_rule", "scaling", "nuisance", "delays", "ceiling", "roi"]]
    assert not choices.duplicated().any()
    # Three crossed rules with r, three gains and one of them over step 0, in two regions; two more layers.
    assert len(rows) == 3 * 5 * 2 + 2
    assert rows["headline"].sum() == 1
    assert set(rows.loc[rows["layer_rule"] == "layer 2", "depth"].round(2)) == {0.67}
    assert rows["verdict"].isin(["supported", "not supported", "undetermined"]).all()


def test_what_was_not_computed_is_counted_and_not_made_up(tabulated):
    rows, lacking = tabulated
    # Rules, scalings, nuisance sets, delays, raw and normalised, regions.
    assert len(rows) + sum(entry["count"] for entry in lacking) == 5 * 3 * 4 * 1 * 2 * 2
    assert "pca" not in set(rows["scaling"])
    whys = {entry["what"]: entry["why"] for entry in lacking}
    assert "repeated" in whys["normalised scores"]
    assert "depths" in whys["single layers with other choices than the headline's"]


def test_a_fall_that_one_scaling_hides_is_seen_in_the_others(tabulated):
    rows, _ = tabulated
    raw = rows.set_index("scaling")["legs"]
    assert (raw.loc["zscore"] == "+ − +").all()
    assert (raw.loc["center"] == "+").all()
    found = shares(rows)
    of_triples = (rows.loc[rows["scaling"] == "zscore", "verdict"] == "supported").mean()
    assert of_triples > 0.8
    assert found["counts"]["supported"] == (rows["verdict"] == "supported").sum()
    assert found["same_verdict"] == found["shares"]["supported"]
    assert sum(found["shares"].values()) == pytest.approx(1)


def test_the_headline_row_is_the_curve_of_the_study(made):
    """As `join_trajectories` makes it: gains at the headline layer, renamed, with the draws of that layer."""
    table, files = made
    rules = layer_rules(table, CHOSEN, "language")
    source = Source(*GAIN)
    curves = LayerCurves(table, files, [(rules["headline"].choice, source, "language")], 200)
    own = [curves.curve(rules["headline"].choice, source, "language", subject) for subject in SUBJECTS]
    found = average_subjects(own, np.random.default_rng(0))
    layer_is_own = table["layer"] == table["subject"].map(CHOSEN)
    rows = table[layer_is_own & (table["measure"] == "gain")].assign(measure="alignment")
    keys = ("measure", "roi", "subject", "checkpoint", "main")
    no_draws = xr.Dataset({"boot": (("series", "draw"), np.empty((0, 1))), "freedom": ("series", np.empty(0))},
                          coords={key: ("series", np.empty(0, str)) for key in keys})  # fmt: skip
    curves = subject_curves(rows, no_draws, "language")
    expected = average_subjects(list(curves.values()), np.random.default_rng(0))
    assert found.checkpoint == expected.checkpoint
    assert found.values == pytest.approx(expected.values)
    assert found.tokens == pytest.approx(expected.tokens)
    assert found.draws.shape == (len(STEPS), 200)
    assert found.draws.mean(axis=1) == pytest.approx(found.values, abs=5 * NOISE / np.sqrt(2 * 200))


def test_layers_chosen_anew_follow_the_training_score(made):
    rules = layer_rules(made[0], CHOSEN, "language")
    assert set(rules) == {"headline", "per checkpoint", "layer 1", "layer 2", "layer 3"}
    assert rules["headline"].choice["step8", "sub-2"] == 3
    anew = rules["per checkpoint"].choice
    assert {layer for (checkpoint, _), layer in anew.items() if checkpoint != f"step{STEPS[4]}"} == {2}
    assert anew[f"step{STEPS[4]}", "sub-1"] == 3


def test_over_step0_is_the_difference_from_the_same_layer(made):
    table, files = made
    choice, source = layer_rules(table, CHOSEN, "language")["layer 3"].choice, Source(*GAIN, over_step0=True)
    curves = LayerCurves(table, files, [(choice, source, "all")], 200)
    found = curves.curve(choice, source, "all", "sub-1")
    mine = Selection("gain", roi="all", subject="sub-1").rows(table[table["layer"] == 3])
    values = mine.sort_values("step")["value"].to_numpy()
    assert found.values == pytest.approx(values - values[0])
    assert not found.draws[0].any()
    assert found.draws[5].std() == pytest.approx(NOISE * np.sqrt(2), rel=0.2)


def test_scores_are_those_of_the_table():
    normalised = "r", Analysis("zscore", "headline", normalised=True)
    pca, delayed = ("gain", Analysis("pca", "headline", "N1")), ("gain", Analysis("zscore", "2-5 s", "N1"))
    every = [R, normalised, GAIN, pca, delayed, ("cv_score", Analysis("zscore", "headline"))]
    rows = typed(pd.DataFrame([{"measure": m, **asdict(a), "main": (m, a) in (R, GAIN)} for m, a in every]))
    found = available(rows, has_step0=False)
    assert found == {
        Scores("zscore", "none", "headline", "raw"): Source(*R),
        Scores("zscore", "none", "headline", "normalised"): Source(*normalised),
        Scores("zscore", "N1", "headline", "raw"): Source(*GAIN),
        Scores("pca", "N1", "headline", "raw"): Source(*pca),
        Scores("zscore", "N1", "2-5 s", "raw"): Source(*delayed),
    }
    over = Scores("zscore", "step 0", "headline", "raw")
    assert available(rows, has_step0=True) == found | {over: Source(*GAIN, over_step0=True)}
    rules = {"headline": Rule({}), **{f"layer {layer}": Rule({}, layer) for layer in (1, 3, 4)}}
    assert nearest(rules, [0.5, 0.5, 1], 4) == ["layer 3", "layer 4"]


def test_normalised_scores_have_no_draws_and_say_so(made):
    table, files = made
    normalised = Selection("r").rows(table).assign(normalised=True, main=False, value=lambda rows: rows["value"] / 0.5)
    rows, lacking = table_of((pd.concat([table, normalised]), files), rois=[], depths=[])
    picked = rows[rows["ceiling"] == "normalised"]
    assert len(picked) == 2
    assert picked["reason"].str.contains("no paired bootstrap").all()
    assert "r alone is divided" in {entry["what"]: entry["why"] for entry in lacking}[
        "normalised scores of gains, other scalings, other delays"]  # fmt: skip


def test_a_table_is_the_same_again_and_whatever_else_is_asked(made, tabulated):
    rows, _ = table_of(made, rois=[])  # the other regions change nothing
    pd.testing.assert_frame_equal(
        rows.reset_index(drop=True), tabulated[0][tabulated[0]["roi"] == "language"].reset_index(drop=True)
    )


def test_bad_series_are_undetermined(tmp_path):
    few = table_of(layered(tmp_path, steps=STEPS[:4]))[0]
    assert (few["verdict"] == "undetermined").all()
    assert few["reason"].str.contains("grid too coarse: 3 checkpoints").all()
    assert shares(few)["same_pattern"] is None
    table, files = layered(tmp_path)
    without = {key: file for key, file in files.items() if key != ("step8", 2)}
    rows = table_of((table, without), rois=[], depths=[])[0]
    assert rows.loc[rows["layer_rule"] == "layer 2", "reason"].str.contains("no paired bootstrap").all()
    assert not rows.loc[rows["layer_rule"] == "layer 1", "reason"].str.contains("no paired bootstrap").any()
    # A subject without a layer of its own: no valid voxel in the headline's region.
    one = Series("m", table, files, {"sub-1": 2}, depth=3)
    one = tabulate(one, Asked("language", ["zscore"], depths=[], rois=[]), SETTINGS, seed=0)[0]
    assert one.loc[one["headline"], "legs"].item() == "+ − +"


def test_the_table_is_stored_with_what_was_declared(tmp_path, tabulated):
    rows, lacking = tabulated
    write_table(
        tmp_path / "m.parquet", rows, **shares(rows), not_computed=lacking, **declaration(HEADLINE, {"draws": 5})
    )
    back = read_table(tmp_path / "m.parquet")
    assert back.attrs["declared"] == {"headline": HEADLINE, "judgement": {"draws": 5}}
    assert back.attrs["n"] == len(back)
    other = declaration(HEADLINE | {"roi": "all"}, {"draws": 5})["sha256"]
    assert back.attrs["sha256"] == declaration(dict(reversed(HEADLINE.items())), {"draws": 5})["sha256"] != other
