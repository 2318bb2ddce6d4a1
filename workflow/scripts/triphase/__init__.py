"""Pure functions behind the workflow's scripts: arrays in, arrays out; no Snakemake and no global configuration."""

import gc

from triphase.isolation import leave_snakemake_behind

leave_snakemake_behind()
# Imports leave millions of objects that stay; looking for cycles among them is a seventh of the time of a small job.
gc.set_threshold(50_000)
