"""Which fall of alignment, and which lag of behaviour behind it, the study could have found in one model."""

import logging

import numpy as np

from triphase.core.artefacts import read_arrays, read_table, write_table
from triphase.core.job import start
from triphase.phases.power import as_text, simulate_power, study_curves
from triphase.phases.transitions import Settings


def main(paths, *, model, headline, judgement, seed):
    """`judgement`: the fields of `transitions.Settings`."""
    rows, boot = read_table(paths.trajectories, [model]), read_arrays(paths.bootstrap)
    rng, settings = np.random.default_rng(seed), Settings(**judgement)
    mine = boot.isel(series=boot["model"].values == model)
    curves = study_curves(rows, mine, headline, settings, rng)
    found, facts = simulate_power(*curves, settings, rng)
    found.insert(0, "model", model)
    write_table(paths.power, found, **facts, seed=seed)
    found.attrs |= facts
    logging.info("%s", as_text({model: found}))


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
