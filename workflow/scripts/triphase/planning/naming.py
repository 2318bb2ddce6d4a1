"""What follows from a rule's name, so that no rule file says it: its log, its benchmark, and what its jobs are told.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

from collections.abc import Callable, Iterable
from typing import Any

# In the order in which they name a job's log and benchmark.
WILDCARDS = ("model", "checkpoint", "reference", "layer", "subject", "figure")


def complete_rules(rules: Iterable[Any], study: str, settings: Callable[[str], Any]) -> None:
    """Give every rule that runs a script its `log` and `benchmark`, and `params: settings=…` where it has none.

    In the study's folder a job of `fit_encoding` logs to `logs/fit_encoding/{model}/{checkpoint}/{layer}.log` and has
    its record at the same place below `benchmarks/`; a rule without wildcards logs to `logs/join_changes.log`.

    Parameters
    ----------
    rules : Snakemake's rules, `workflow.rules`, of which the methods are used that its own directives call
    study : the folder of the study's results
    settings : the param function of a rule's name
    """
    for rule in rules:
        if rule.script:
            used = [f"{{{name}}}" for name in WILDCARDS if name in rule.wildcard_names]
            place = "/".join([rule.name, *used])
            rule.log_modifier = rule.benchmark_modifier = rule.output_modifier
            rule.set_log(f"{study}/logs/{place}.log")
            rule.benchmark = f"{study}/benchmarks/{place}.tsv"
            if "settings" not in rule.params.keys():
                rule.set_params(settings=settings(rule.name))
