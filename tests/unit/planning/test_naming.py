"""What follows from a rule's name, on rules that note what they are given."""

from types import SimpleNamespace

import pytest

from triphase.planning.naming import complete_rules


class NotedRule(SimpleNamespace):
    """A rule that takes a log and params as Snakemake's do."""

    def set_log(self, path):
        self.log = path

    def set_params(self, **params):
        self.params |= params


def completed(name, wildcards=(), script="fit.py", **params):
    rule = NotedRule(name=name, wildcard_names=set(wildcards), script=script, params=params, output_modifier="as it is")
    complete_rules([rule], "results/mine", lambda name: f"settings of {name}")
    return rule


@pytest.mark.parametrize(
    ("wildcards", "place"),
    [
        ([], "fit_encoding"),
        (["layer", "model", "checkpoint"], "fit_encoding/{model}/{checkpoint}/{layer}"),
        (["reference", "checkpoint", "model"], "fit_encoding/{model}/{checkpoint}/{reference}"),
        (["subject"], "fit_encoding/{subject}"),
    ],
    ids=["none", "layer", "reference", "subject"],
)
def test_log_and_benchmark_are_named_like_the_rule_and_its_wildcards(wildcards, place):
    rule = completed("fit_encoding", wildcards)
    assert rule.log == f"results/mine/logs/{place}.log"
    assert rule.benchmark == f"results/mine/benchmarks/{place}.tsv"
    assert rule.log_modifier == rule.benchmark_modifier == "as it is"


def test_settings_are_given_where_a_rule_names_none():
    assert completed("fit_encoding").params == {"settings": "settings of fit_encoding"}
    assert completed("fit_encoding", settings="its own").params == {"settings": "its own"}
    assert completed("draw_figure", caption="mine").params == {"settings": "settings of draw_figure", "caption": "mine"}


def test_a_target_runs_nothing_and_is_left_alone():
    rule = completed("all", script=None)
    assert rule.params == {} and not hasattr(rule, "log") and not hasattr(rule, "benchmark")
