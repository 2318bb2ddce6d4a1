"""Verdict of every rule on every checkpoint of the study, from their fingerprints."""

import pandas as pd

from triphase.checkpoints.integrity.distances import distance_rows
from triphase.checkpoints.integrity.storage import read_fingerprint
from triphase.checkpoints.integrity.verdict import check_series, report_lines
from triphase.config.jobs import CheckIntegrity
from triphase.core.artefacts import write_table
from triphase.core.job import Job, start
from triphase.core.types import Section


def main(job: Job[CheckIntegrity]) -> None:
    """Write the findings and the distances, and print what the user should read."""
    paths, settings = job.paths, job.settings
    marks: dict[str, Section] = {}
    for (name, checkpoint), path in zip(settings.series, paths.fingerprints, strict=True):
        marks.setdefault(name, {})[checkpoint] = read_fingerprint(path)[0]
    tables, distances = [], []
    for model in settings.models:
        series = model["name"], model["entries"], marks.get(model["name"], {})
        tables.append(check_series(*series, model.get("schedule"), model.get("initialisation")))
        distances.append(distance_rows(*series))
    findings = pd.concat(tables, ignore_index=True)
    write_table(paths.distances, pd.concat(distances, ignore_index=True))
    write_table(paths.findings, findings)
    for line in report_lines(findings):
        print(f"integrity: {line}", file=job.terminal)


if __name__ == "__main__":
    with start(snakemake, CheckIntegrity) as job:  # noqa: F821
        main(job)
