"""Changes of alignment of the whole study in one table, corrected over checkpoints and regions."""

from triphase.checkpoints.integrity.verdict import enforce
from triphase.core.artefacts import read_table, write_table
from triphase.core.job import start
from triphase.encoding.changes import study_changes

KEYS = ["model", "checkpoint", "step", "tokens"]


def main(paths, *, study, series, pair_of, integrity):
    """`series`: model, checkpoint, step, tokens of each; `pair_of`: model, checkpoint, reference of each table."""
    excluded, tables, lost = enforce(read_table(paths.integrity), integrity), [], []
    entries = {(entry["model"], entry["checkpoint"]): {key: entry[key] for key in KEYS} for entry in series}
    for path, (model, name, reference) in zip(paths.pairs, pair_of, strict=True):
        if excluded & {(model, name), (model, reference)}:
            lost.append([model, name, reference])
        else:
            tables.append(read_table(path).assign(study=study, reference=reference, **entries[model, name]))
    write_table(paths.changes, study_changes(tables), lost_pairs=lost)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
