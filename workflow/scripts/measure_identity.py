"""Probes on static word identity: what each concept owes to words alone, the same for every model and checkpoint."""

from triphase.core.artefacts import read_table, write_table
from triphase.core.job import start
from triphase.core.provenance import library_versions
from triphase.states.probes import plan_probes
from triphase.states.rows import identity_rows, probe_metadata, tidy_rows
from triphase.stimuli.words import unique_stimuli


def main(paths, *, probes, seed):
    """`probes`: section of the config."""
    plan = plan_probes(unique_stimuli(read_table(paths.words)), probes | {"learning_curve": []}, seed)
    rows = identity_rows(plan, probes["alphas"], probes["classifier"])
    versions = library_versions("numpy")
    write_table(paths.identity, tidy_rows(rows), versions=versions, concepts=probe_metadata(plan), seed=seed)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
