"""Scripts run as their rules run them, without Snakemake."""

from types import SimpleNamespace

from triphase.config.jobs import SETTINGS, settings_values
from triphase.core.job import Job

EXECUTION = {
    "device": "cpu", "activation_batch": "auto", "task_batch": 64, "solver": "auto", "transfers": 2, "retries": 0,
    "keep_raw": True, "disk_gb": None,
}  # fmt: skip


def run(script, paths, *, config=None, wildcards=None, execution=EXECUTION, terminal=None, **given):
    """Run a script's `main` on paths (namespace, or dict), told what is given and, with a resolved config, the rest."""
    rule = script.__name__
    told = settings_values(rule, config, **given) if config else given
    named = SimpleNamespace(**paths) if isinstance(paths, dict) else paths
    where = SimpleNamespace(**wildcards or {})
    script.main(Job(named, SETTINGS[rule](**told), where, execution, terminal))
