"""The order in which tasks and concepts emerge: planted onsets are found, and W is Kendall's."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import friedmanchisquare, rankdata
from simulated_study import MAIN, TOKENS_PER_STEP, rows_of

from triphase.phases.emergence import EARLY, ERRORS, ITEM_DRAWS, NEVER, SEEN, agreement, emergence, kendall_w
from triphase.phases.transitions import Settings
from triphase.report.figures.emergence import draw_emergence
from triphase.table.draws import draws_dataset
from triphase.table.tidy import typed

STEPS = 2 ** np.arange(4, 20)
SETTINGS = Settings(simulations=40, draws=60)
ONSETS = {"task a": 3, "task b": 9, "instruction a": 6, "concept pos": 5, "concept late": None, "task early": -2}
MEASURES = {"task": "accuracy_rescaled", "instruction": "adherence", "concept": "selectivity"}


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    rows, series = [], []
    made = rows_of("m", STEPS, np.ones(len(STEPS)), 0.1, None, "alignment", "s", "all", 2, **MAIN)
    rows += made[0]
    for name, onset in ONSETS.items():
        kind, target = name.split()
        course = np.zeros(len(STEPS)) if onset is None else np.clip((np.arange(len(STEPS)) - onset) / 4, 0, 1)
        values = course + 0.02 * rng.standard_normal(len(STEPS))
        draws = None if kind == "concept" else course[:, None] + 0.02 * rng.standard_normal((len(STEPS), 150))
        layer = 2 if kind == "concept" else None
        made = rows_of("m", STEPS, values, 0.02, draws, MEASURES[kind], target=target, layer=layer)
        rows += made[0]
        series += made[1]
        if kind == "concept":  # another layer is not looked at
            rows += rows_of("m", STEPS, 1 - values, 0.02, None, MEASURES[kind], target=target, layer=3)[0]
    return emergence(typed(pd.DataFrame(rows).assign(study="x")), draws_dataset(series, "x", 0), SETTINGS, 0)


def test_planted_onsets_lie_in_their_intervals_and_the_rest_is_named(planted):
    assert set(planted) == set(ONSETS)
    for name, onset in ONSETS.items():
        entry = planted[name]
        if onset is not None and onset > 0:
            low, high = entry["interval"]
            assert entry["status"] == SEEN and low <= STEPS[onset] * TOKENS_PER_STEP <= high, name
            assert high / low <= 2**5, "an interval that says something"
    assert planted["concept late"]["status"] == NEVER and planted["task early"]["status"] == EARLY
    assert planted["task a"]["interval_from"] == ITEM_DRAWS and planted["concept pos"]["interval_from"] == ERRORS


def entries(onsets):
    return {
        name: {"status": SEEN if isinstance(at, int) else at, "onset": at if isinstance(at, int) else None,
               "interval": [at, at + 1] if isinstance(at, int) else None, "remark": None}
        for name, at in onsets.items()
    }  # fmt: skip


def test_w_is_that_of_friedmans_test_which_corrects_for_ties():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.integers(0, 4, (5, 7))
        ranks = np.array([rankdata(row) for row in values])
        chi2 = friedmanchisquare(*ranks.T).statistic
        assert kendall_w(ranks) == pytest.approx(chi2 / (5 * 6))


def test_models_that_agree_and_models_that_do_not():
    order = entries({"a": 1, "b": 20, "c": 300, "d": 4000, "e": EARLY, "f": NEVER})
    found = agreement({name: order for name in "xyz"}, np.random.default_rng(0))
    assert found["w"] == pytest.approx(1) and found["p"] < 0.01 and found["chance"][1] < 1
    assert found["things"] == ["e", "a", "b", "c", "d", "f"] and found["pairs"][0]["tau"] == pytest.approx(1)
    rng, p = np.random.default_rng(1), []
    for _ in range(60):
        models = {
            name: entries({k: int(v) for k, v in zip("abcdef", rng.permutation(6) + 1, strict=True)}) for name in "xyz"
        }
        p.append(agreement(models, rng)["p"])
    assert np.mean(np.array(p) < 0.2) == pytest.approx(0.2, abs=0.13), "chance is called chance"


def test_a_model_without_an_order_is_not_in_w():
    order, flat = entries({"a": 1, "b": 20, "c": 300, "d": 4000}), entries(dict.fromkeys("abcd", NEVER))
    with_flat = agreement({"x": order, "y": order, "z": flat}, np.random.default_rng(0))
    without = agreement({"x": order, "y": order}, np.random.default_rng(0))
    assert {key: with_flat[key] for key in ("w", "chance", "p", "n_models")} == {
        key: without[key] for key in ("w", "chance", "p", "n_models")
    }
    alone = agreement({"x": order, "z": flat}, np.random.default_rng(0))
    assert alone["w"] is None and "all but 1 of the models all tasks and probes are tied" in alone["reason"]


def test_what_a_model_lacks_is_left_out_by_name_and_one_model_has_no_order():
    whole = entries({"a": 1, "b": 20, "c": 300, "d": 5})
    part = whole | {"b": {"status": None, "onset": None, "interval": None}}
    found = agreement({"x": whole, "y": part}, np.random.default_rng(0))
    assert found["left_out"] == {"b": "cannot be ranked in y"} and len(found["things"]) == 3
    assert "one model" in agreement({"x": whole}, np.random.default_rng(0))["reason"]
    assert "3 are needed" in agreement({"x": whole, "y": {"a": whole["a"]}}, np.random.default_rng(0))["reason"]


def test_the_figure_shows_every_onset_and_says_w(planted):
    models = {name: {"emergence": planted, "fitted": [[int(step) * 1024, 0] for step in STEPS]} for name in ("x", "y")}
    across = {"emergence": agreement({name: planted for name in models}, np.random.default_rng(0))}
    figure = draw_emergence(models, across)
    (panel,) = figure.axes
    assert [text.get_text() for text in panel.get_yticklabels()] == across["emergence"]["things"]
    assert "W = 1.00" in figure.get_suptitle() or "W = 1.00" in str([t.get_text() for t in figure.texts])
