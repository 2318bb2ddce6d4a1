"""Negative controls: one that stands still holds, one that rises is told, and a wide interval decides nothing."""

import numpy as np
import pytest
from simulated_study import OVER, content_of, study

from triphase.phases.across import compare
from triphase.phases.controls import controls
from triphase.phases.model import model_phases
from triphase.phases.transitions import Settings

HEADLINE = {"roi": "language", "tasks": [], "adherence": []}
QUICK = Settings(simulations=40, draws=50)
MODELS = {name: {"group": name, "seed": None, "language_share": None, "control_of": of}
          for name, of in (("m", None), ("shuffled", "m"))}  # fmt: skip


def entry(change, interval, nuisance="N2", tokens=(0, 9e9), checkpoint="step9"):
    told = {"change": change, "change_interval": interval, "since": "step0", "checkpoint": checkpoint}
    told["tokens"] = tokens
    return {"content": {"over": {"N1": told, nuisance: told}}, "provenance": {"settings": {"smallest_fall": 0.2}}}


@pytest.mark.parametrize(
    ("change", "interval", "verdict"),
    [
        (0.0, [-0.01, 0.015], "holds"),
        (-0.05, [-0.06, -0.04], "holds"),
        (0.0, [-0.03, 0.03], "undecided"),
        (0.01, [0.001, 0.019], "rises"),
        (0.01, None, "undecided"),
    ],
)
def test_a_control_holds_where_its_interval_lies_below_the_bound(change, interval, verdict):
    phases = {"m": entry(0.1, [0.09, 0.11]), "shuffled": entry(change, interval)}
    (found,) = controls(phases, MODELS)
    assert (found["model"], found["of"], found["nuisance"], found["verdict"]) == ("shuffled", "m", "N2", verdict)
    assert found["change"] == change and found["interval"] == interval and found["expected"] == 0.1


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        ({"tokens": (0, 2e9)}, "its checkpoints are of 0 to 2e+09 tokens, and its model's of 0 to 9e+09"),
        ({"tokens": (1e9, 9e9)}, "its checkpoints are of 1e+09 to 9e+09 tokens"),
        ({"checkpoint": "step0"}, "it has one checkpoint"),
        ({"tokens": (2e6, 5e9)}, ""),
        ({"tokens": None}, ""),
    ],
)
def test_a_control_that_was_not_trained_as_long_shows_nothing(grid, reason):
    """Its change stands still because there is little training in it, unless it rises all the same."""
    phases = {"m": entry(0.1, [0.09, 0.11]), "shuffled": entry(0.0, [-0.01, 0.01], **grid)}
    (found,) = controls(phases, MODELS)
    assert found["verdict"] == ("undecided" if reason else "holds") and reason in found["reason"]
    phases["shuffled"] = entry(0.01, [0.005, 0.015], **grid)
    assert controls(phases, MODELS)[0]["verdict"] == "rises"


def test_statistics_of_words_must_be_a_nuisance_that_both_have():
    phases = {"m": entry(0.1, [0.09, 0.11], "N2"), "shuffled": entry(0.0, [-0.01, 0.01], "N2+surprisal")}
    (found,) = controls(phases, MODELS)
    assert found["verdict"] == "undecided" and "encoding/lexical or encoding/surprisal" in found["reason"]
    phases = {"m": entry(-0.1, [-0.11, -0.09]), "shuffled": entry(0.0, [-0.01, 0.01])}
    assert controls(phases, MODELS)[0]["reason"] == "its model does not rise"
    assert controls(phases, {name: {} for name in phases}) == []


def test_a_control_is_in_no_summary_of_models_and_its_number_is_of_the_strictest_set():
    courses, phases = {"m": "triple", "shuffled": "flat"}, {}
    table, boot = study(courses)
    for name in courses:
        rows, drawn = content_of(name, table[table["model"] == name], boot.isel(series=boot["model"] == name))
        phases[name] = model_phases(rows, drawn, name, HEADLINE, QUICK, 0)
        phases[name]["provenance"] = {"settings": {"smallest_fall": 0.2, "confidence": 0.99}}
    found = compare(phases, MODELS, "en", np.random.default_rng(0))
    assert found["n_models"] == found["n_runs"] == 1 and sum(found["verdicts"].values()) == 1
    assert list(found["models"]) == ["m", "shuffled"] and found["models"]["shuffled"]["control_of"] == "m"
    (told,) = found["controls"]
    assert told["nuisance"] == "N2+surprisal"
    own = phases["m"]["content"]["over"]["N1"]["change"]
    assert told["expected"] == pytest.approx(OVER["N2+surprisal"] * own)
    assert phases["m"]["content"]["over"]["N1"]["tokens"] == [table["tokens"].min(), table["tokens"].max()]
