"""What the jobs of a rule are told: fields of the config and of the rule file, complete and unchanging."""

import pytest

from triphase.config import jobs
from triphase.config.jobs import SETTINGS, Told, key, settings_values


class FitSomething(Told):
    layer: int
    seed: int = key("seed")
    words: dict = key("dataset/words", "root", "path")
    roots: dict = key("dataset/roots", default=None)


CONFIG = {"seed": 3, "dataset": {"words": {"root": "mine", "unit": "word"}, "roots": {"a": "b"}}, "other": 1}


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(jobs.SETTINGS, "fit_something", FitSomething)


def test_fields_come_from_the_config_and_the_rule_file(registered):
    told = settings_values("fit_something", CONFIG, layer=1)
    assert told == {"layer": 1, "seed": 3, "words": {"root": "mine", "path": None}, "roots": {"a": "b"}}
    assert vars(FitSomething(**told)) == told
    assert (
        settings_values("fit_something", {**CONFIG, "dataset": {"words": None, "roots": 1}}, layer=1)["words"] is None
    )


@pytest.mark.parametrize("given", [{}, {"layer": 1, "depth": 2}, {"depth": 2}], ids=["missing", "unknown", "both"])
def test_a_rule_file_gives_what_the_config_has_not_and_no_more(registered, given):
    with pytest.raises(TypeError, match="FitSomething: (layer|depth)"):
        settings_values("fit_something", CONFIG, **given)


def test_what_has_a_default_need_not_be_given():
    assert FitSomething(layer=1, seed=2, words={}).roots is None
    with pytest.raises(TypeError, match="words: missing"):
        FitSomething(layer=1, seed=2)


def test_a_rule_without_settings_is_told_nothing():
    assert vars(jobs.WriteDataPage()) == {}


def test_what_a_job_is_told_does_not_change():
    with pytest.raises(AttributeError, match="seed"):
        FitSomething(layer=1, seed=2, words={}).seed = 4


def test_a_class_is_named_like_its_rule():
    assert SETTINGS["fit_encoding"] is jobs.FitEncoding and SETTINGS["join_trajectories"] is jobs.JoinTrajectories
