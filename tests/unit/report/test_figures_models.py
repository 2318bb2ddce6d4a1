"""Figures that judge: all models together, the specification table, power."""

import re

import numpy as np
import pandas as pd
import pytest
from figure_checks import DEUTERANOPIA, caption, off_page, overlapping, seen_by, words
from simulated_study import STEPS, TOKENS_PER_STEP, study

from triphase.phases.across import compare
from triphase.report.figures.analyses import VERDICTS, choices, draw_analyses, sorted_analyses
from triphase.report.figures.models import draw_models
from triphase.report.figures.power import draw_power

TOKENS = (STEPS * TOKENS_PER_STEP).tolist()
HEADLINE = {"roi": "language"}
COURSES = {"pythia-160m": "triple", "pythia-410m": "triple", "olmo-1b": "rise-plateau"}


def entry(kinds, turns, parameters, verdict="supported"):
    """What phases.json says of one model, as far as models are compared by it."""
    edges = [TOKENS[1], *turns, TOKENS[-1]]
    size = {"rise": 0.1, "fall": -0.05, "plateau": 0.0}
    near = {kind: [change - 0.02, change + 0.02] for kind, change in size.items()}
    return {
        "verdict": verdict, "reason": f"{verdict}: as simulated", "pattern": "-".join(kinds), "legs": "",
        "n_subjects": 3, "n_checkpoints": 9, "parameters": parameters, "headline": HEADLINE, "breakpoints": turns,
        "intervals": [[turn / 2, turn * 2] for turn in turns], "scale_dependent": None,
        "order": {"lead_lag": [], "correlations": [], "lags": []},
        "provenance": {"settings": {"confidence": 0.99}},
        "segments": [
            {"kind": kind, "from": a, "to": b, "change": size[kind], "change_interval": near[kind]}
            for kind, a, b in zip(kinds, edges[:-1], edges[1:], strict=True)
        ],
    }  # fmt: skip


def comparison(phases):
    runs = {name: {"group": name, "seed": None, "language_share": {"en": 0.9}} for name in phases}
    return compare(phases, runs, "en", np.random.default_rng(0))


@pytest.fixture(scope="module")
def several():
    table, boot = study(COURSES, subjects=3)
    triple = ["rise", "fall", "rise"]
    phases = {
        "pythia-160m": entry(triple, [TOKENS[4], TOKENS[6]], 1.6e8),
        "pythia-410m": entry(triple, [TOKENS[4], TOKENS[6]], 4.1e8),
        "olmo-1b": entry(["rise", "plateau"], [TOKENS[4]], None, "not supported"),
    }
    return table, boot, phases, comparison(phases)


def test_models_say_units_n_verdicts_and_who_has_no_compute(several):
    figure = draw_models(*several)
    said = words(figure)
    for text in ("training tokens (log scale; 0 = untrained)", "training compute (FLOP)",
                 "gain in r", "95 % interval", "pythia-160m, 90% en: 3 subjects, 9 checkpoints fitted; supported",
                 "parameters not known: olmo-1b", "(n = 2)", "random effects", "2 fall"):  # fmt: skip
        assert text in said
    assert not off_page(figure)
    assert not overlapping(figure)


def test_on_compute_a_model_stands_where_six_parameters_tokens_put_it(several):
    figure = draw_models(*several)
    tokens, compute = figure.axes[:2]
    shift = [b.get_xdata()[0] - a.get_xdata()[0] for a, b in zip(tokens.lines[:4], compute.lines[:4], strict=True)]
    assert shift[0] == pytest.approx(np.log10(6 * 1.6e8))
    assert shift[2] == pytest.approx(np.log10(6 * 4.1e8))
    # Step 0 of every model stands at one place, left of the break.
    zeros = {line.get_xdata()[0] for line in (compute.lines[1], compute.lines[3])}
    assert len(zeros) == 1 and zeros.pop() < compute.lines[0].get_xdata()[0]


def test_one_model_without_parameters_and_one_without_a_fit_are_drawn_in_words(several):
    table, boot, phases, _ = several
    one = {"olmo-1b": phases["olmo-1b"]}
    figure = draw_models(table, boot, one, comparison(one))
    assert "no compute" in words(figure) and "random effects" not in words(figure)
    nothing = {"pattern": None, "segments": [], "breakpoints": [], "intervals": [], "verdict": "undetermined"}
    none = {"olmo-1b": phases["olmo-1b"] | nothing | {"n_checkpoints": 0, "reason": "undetermined: grid too coarse"}}
    figure = draw_models(table, boot, none, comparison(none))
    # What compares models is left out.
    assert len(figure.axes) == 2 and "leg" not in words(figure)
    assert not off_page(figure)


def analyses(single=3, **values):
    rng, rows = np.random.default_rng(1), []
    for rule in ["headline", "per checkpoint", "layer 4"]:
        for scaling in ["zscore", "center"]:
            for nuisance in ["N1", "N2"]:
                p = float(rng.choice([0.005, 0.03, 0.2, np.nan]))
                verdict = "undetermined" if np.isnan(p) else "supported" if p < 0.05 else "not supported"
                own = (rule, scaling, nuisance) == ("headline", "zscore", "N1")
                power = 0.9 if verdict == "not supported" else np.nan
                rows.append({"layer_rule": rule, "scaling": scaling, "nuisance": nuisance, "delays": "headline",
                             "ceiling": "raw", "roi": "language", "verdict": verdict, "p": p, "power": power,
                             "headline": own})  # fmt: skip
    rows += [rows[1] | {"layer_rule": f"layer {layer}", "headline": False} for layer in range(10, 10 + single)]
    return pd.DataFrame(rows).assign(**values)


def test_analyses_are_sorted_by_verdict_and_p_with_those_without_a_test_last():
    table = sorted_analyses(analyses())
    order = [list(VERDICTS).index(verdict) for verdict in table["verdict"]]
    assert order == sorted(order)
    for _, part in table.groupby("verdict"):
        p = part["p"].to_numpy()
        known = np.isfinite(p)
        assert (np.diff(p[known]) >= 0).all() and (np.diff(known.astype(int)) <= 0).all()


def test_the_choices_below_are_those_of_the_table_and_many_layers_share_a_row():
    table = analyses(single=3)
    rows = {(factor, level): chosen for factor, level, chosen in choices(table)}
    np.testing.assert_array_equal(rows["scaling", "center"], table["scaling"] == "center")
    assert rows["layer_rule", "layer 11"].sum() == 1
    rows = {(factor, level): chosen for factor, level, chosen in choices(analyses(single=30))}
    assert rows["layer_rule", "another single layer"].sum() == 30
    assert rows["layer_rule", "layer 4"].sum() == 4  # crossed with other choices: a row of its own


@pytest.mark.parametrize("single", [0, 3, 200])
def test_the_specification_curve_says_shares_n_and_where_the_headline_is(single):
    table = analyses(single)
    figure = draw_analyses(table, "m")
    said = words(figure)
    share = (table["verdict"] == "supported").mean()
    for text in (f"{len(table)} analyses", f"{share:.0%} supported", f"(n = {(table['verdict'] == 'supported').sum()})",
                 "headline, declared before the run", "scaling: center", "p of the rival", "power",
                 "rejected below 0.05", "needed: 0.8",
                 "in all of them: delays headline, ceiling raw, region language"):  # fmt: skip
        assert text in said
    assert not off_page(figure)
    assert not overlapping(figure)


def test_analyses_without_any_test_and_no_analyses_at_all_are_drawn():
    none = analyses(p=np.nan, power=np.nan, verdict="undetermined")
    figure = draw_analyses(none, "m")
    assert "100% undetermined" in words(figure) and "could not be tested" in words(figure)
    figure = draw_analyses(none.iloc[:0], "m")
    assert "no analysis could be made" in words(figure)


def test_verdicts_differ_in_colour_for_readers_without_red_or_green_and_in_shape():
    colours = [seen_by(colour, DEUTERANOPIA) for colour, _ in VERDICTS.values()]
    assert min(np.linalg.norm(a - b) for i, a in enumerate(colours) for b in colours[:i]) > 20
    assert len({marker for _, marker in VERDICTS.values()}) == 3


def test_power_says_units_n_and_what_was_declared():
    rows = [("fall", 0.1, 0.2), ("fall", 0.2, 0.7), ("fall", 0.4, 1.0), ("lag", 2, 0.3), ("lag", 8, 0.9)]
    table = pd.DataFrame(rows, columns=["quantity", "size", "power"]).assign(n_simulations=200)
    table.attrs = {"noise": 0.062, "fall": None, "lag": "behaviour has no rise whose onset could lag"}
    figure = draw_power(table, 0.2, "m")
    said = words(figure)
    for text in (
        "% of the first rise",
        "factor in tokens",
        "n = 200 simulations",
        "95 % interval",
        "declared",
        "0.062 of the first rise",
    ):
        assert text in said
    assert not off_page(figure)
    assert not overlapping(figure)
    table.loc[table["quantity"] == "lag", "power"] = np.nan
    figure = draw_power(table, 0.2, "m")
    assert "no rise whose onset could lag" in " ".join(words(figure).split())


@pytest.mark.parametrize("name", ["models", "analyses", "power"])
def test_captions_say_n_and_intervals(name):
    text = caption(name)
    assert "interval" in text and re.search(r"\bn (in|models|analyses|simulations)\b", text)
