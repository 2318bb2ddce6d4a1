"""Which fall of alignment, and which lag of behaviour behind it, the study could have found in one model."""

import logging

import numpy as np

from triphase.config.jobs import SimulatePower
from triphase.core.artefacts import read_arrays, read_table, write_table
from triphase.core.job import Job, start
from triphase.phases.power import as_text, simulate_power, study_curves
from triphase.phases.transitions import Settings


def main(job: Job[SimulatePower]) -> None:
    """Simulate on the study's own grid, with its noise and its number of listeners."""
    paths, told, model = job.paths, job.settings, job.wildcards.model
    rows, boot = read_table(paths.trajectories, [model]), read_arrays(paths.bootstrap)
    rng, settings = np.random.default_rng(told.seed), Settings(**told.judgement, floor_tokens=told.floor_tokens)
    mine = boot.isel(series=boot["model"].values == model)
    alignment, behaviour = study_curves(rows, mine, told.headline, settings, told.seed)
    found, facts = simulate_power(alignment, behaviour, settings, rng)
    found.insert(0, "model", model)
    write_table(paths.power, found, **facts, seed=told.seed)
    found.attrs |= facts
    logging.info("%s", as_text({model: found}))


if __name__ == "__main__":
    with start(snakemake, SimulatePower) as job:  # noqa: F821
        main(job)
