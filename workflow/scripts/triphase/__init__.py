"""Pure functions behind the workflow's scripts: arrays in, arrays out; no Snakemake and no global configuration.

`triphase.open("results/embedded")` reads a finished study (see `triphase.api.study`).
"""

from importlib import import_module
from typing import Any

from triphase.core.isolation import prepare_job

prepare_job()


def __getattr__(name: str) -> Any:
    if name == "open":
        # By its name alone: what this package imports is part of every job's code, and would make all of them anew.
        return import_module("triphase.api.study").open_study
    raise AttributeError(f"module 'triphase' has no attribute {name!r}")
