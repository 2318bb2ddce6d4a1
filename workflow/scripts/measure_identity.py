"""Probes on static word identity: what each concept owes to words alone, the same for every model and checkpoint."""

from triphase.config.jobs import MeasureIdentity
from triphase.core.artefacts import read_table, write_table
from triphase.core.job import Job, start
from triphase.core.measures import measure_table
from triphase.core.provenance import library_versions
from triphase.states.probes import plan_probes
from triphase.states.rows import identity_rows, probe_metadata
from triphase.stimuli.words import unique_stimuli


def main(job: Job[MeasureIdentity]) -> None:
    """Fit the probes of every concept on one-hot words."""
    paths, settings = job.paths, job.settings
    plan = plan_probes(unique_stimuli(read_table(paths.words)), settings.probes | {"learning_curve": []}, settings.seed)
    rows = identity_rows(plan, settings.probes["classifier"])
    versions = library_versions("numpy")
    about = {"versions": versions, "concepts": probe_metadata(plan), "seed": settings.seed}
    write_table(paths.identity, measure_table(rows), **about)


if __name__ == "__main__":
    with start(snakemake, MeasureIdentity) as job:  # noqa: F821
        main(job)
