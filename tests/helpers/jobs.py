"""Scripts run as their rules run them, without Snakemake."""

from types import SimpleNamespace

from triphase.config.jobs import SETTINGS, settings_values
from triphase.core.job import Job

RETRIEVE = {"jobs": 2, "retries": 0, "keep_raw": True, "disk_gb": None}


def run(script, paths, *, config=None, wildcards=None, retrieve=RETRIEVE, terminal=None, **given):
    """Run a script's `main` on paths (namespace, or dict), told what is given and, with a resolved config, the rest."""
    rule = script.__name__
    told = settings_values(rule, config, **given) if config else given
    named = SimpleNamespace(**paths) if isinstance(paths, dict) else paths
    where = SimpleNamespace(**wildcards or {})
    script.main(Job(named, SETTINGS[rule](**told), where, retrieve, terminal))
