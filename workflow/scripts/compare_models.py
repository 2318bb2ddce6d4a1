"""All models' phases in one file, and what these have in common: signs of legs, positions, changes, and order."""

import numpy as np

from triphase.config.jobs import CompareModels
from triphase.core.artefacts import read_arrays, read_json, read_table, write_json
from triphase.core.job import Job, start
from triphase.phases.across import compare
from triphase.phases.seeds import judge_groups
from triphase.phases.transitions import Settings


def main(job: Job[CompareModels]) -> None:
    """The tables are read only where models differ in their seed alone, and so are judged together."""
    paths, settings = job.paths, job.settings
    phases, groups = {model: read_json(path) for model, path in zip(settings.models, paths.phases, strict=True)}, {}
    if paths.tables:
        table, boot = read_table(paths.tables[0]), read_arrays(paths.tables[1])
        groups = judge_groups(
            table, boot, settings.models, settings.headline, Settings(**settings.judgement), settings.seed
        )
    write_json(paths.joined, phases)
    write_json(
        paths.across, compare(phases, settings.models, settings.language, np.random.default_rng(settings.seed), groups)
    )


if __name__ == "__main__":
    with start(snakemake, CompareModels) as job:  # noqa: F821
        main(job)
