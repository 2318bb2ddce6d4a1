"""All models' phases in one file, and what these have in common: signs of legs, positions, changes, and order."""

import numpy as np

from triphase.core.artefacts import read_arrays, read_json, read_table, write_json
from triphase.core.job import start
from triphase.phases.across import compare
from triphase.phases.seeds import judge_groups
from triphase.phases.transitions import Settings


def main(paths, *, models, language, headline, judgement, seed):
    """`models`: group, seed and language_share of each; the tables come where models differ in their seed alone."""
    phases, groups = {model: read_json(path) for model, path in zip(models, paths.phases, strict=True)}, {}
    if paths.trajectories:
        table, boot = read_table(*paths.trajectories), read_arrays(*paths.bootstrap)
        groups = judge_groups(table, boot, models, headline, Settings(**judgement), seed)
    write_json(paths.joined, phases)
    write_json(paths.across, compare(phases, models, language, np.random.default_rng(seed), groups))


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
