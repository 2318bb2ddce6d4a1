"""Pure functions behind the workflow's scripts: arrays in, arrays out; no Snakemake and no global configuration."""

from triphase.core.isolation import prepare_job

prepare_job()
