"""Pure functions behind the workflow's scripts: arrays in, arrays out; no Snakemake and no global configuration.

`triphase.open("results/embedded")` reads a finished study (see `triphase.api.study`).
"""

from typing import Any

from triphase.core.isolation import prepare_job

prepare_job()


def __getattr__(name: str) -> Any:
    if name == "open":
        from triphase.api.study import open_study

        return open_study
    raise AttributeError(f"module 'triphase' has no attribute {name!r}")
