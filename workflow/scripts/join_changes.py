"""Changes of alignment of the whole study in one table, corrected over checkpoints and regions."""

from triphase.checkpoints.integrity.verdict import enforce
from triphase.config.jobs import JoinChanges
from triphase.core.artefacts import read_table, write_table
from triphase.core.job import Job, start
from triphase.encoding.changes import study_changes
from triphase.table.tidy import identities


def main(job: Job[JoinChanges]) -> None:
    """Leave out pairs of which the integrity gate excludes one, and correct the rest together."""
    paths, settings = job.paths, job.settings
    excluded, tables, lost = enforce(read_table(paths.integrity), settings.integrity), [], []
    entries = identities(settings.series)
    for path, (model, name, reference) in zip(paths.pairs, map(dict.values, settings.pairs), strict=True):
        if excluded & {(model, name), (model, reference)}:
            lost.append([model, name, reference])
        else:
            about = {"study": settings.study, "reference_checkpoint": reference, **entries[model, name]}
            tables.append(read_table(path).assign(**about))
    write_table(paths.changes, study_changes(tables), lost_pairs=lost)


if __name__ == "__main__":
    with start(snakemake, JoinChanges) as job:  # noqa: F821
        main(job)
