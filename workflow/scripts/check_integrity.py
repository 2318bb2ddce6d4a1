"""Verdict of every rule on every checkpoint of the study, from their fingerprints."""

import pandas as pd

from triphase.checkpoints.integrity.distances import distance_rows
from triphase.checkpoints.integrity.storage import read_fingerprint
from triphase.checkpoints.integrity.verdict import check_series, report_lines
from triphase.core.artefacts import write_table
from triphase.core.job import start


def main(paths, *, models, found):
    """paths: fingerprints, findings (table), distances (table).

    `models`: name, entries (name, step, tokens, revision), schedule, initialisation; `found`: model and checkpoint of
    each fingerprint. Returns the lines that the user should read.
    """
    read = [read_fingerprint(path)[0] for path in paths.fingerprints]
    tables, distances = [], []
    for model in models:
        marks = {key[1]: mark for key, mark in zip(found, read, strict=True) if key[0] == model["name"]}
        options = {key: model.get(key) for key in ("schedule", "initialisation")}
        tables.append(check_series(model["name"], model["entries"], marks, **options))
        distances.append(distance_rows(model["name"], model["entries"], marks))
    findings = pd.concat(tables, ignore_index=True)
    write_table(paths.distances, pd.concat(distances, ignore_index=True))
    write_table(paths.findings, findings)
    return report_lines(findings)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        for line in main(job.paths, **job.params):
            print(f"integrity: {line}", file=job.terminal)
