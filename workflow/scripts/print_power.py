"""Power of a study for falls and lags of several sizes, as a table for the terminal."""

from triphase.core.artefacts import read_table, replacing
from triphase.core.job import start
from triphase.phases.power import as_text


def main(paths, terminal, *, models):
    """Write the table and print it; `models`: names in the order of the tables."""
    text = as_text({model: read_table(path) for model, path in zip(models, paths.power, strict=True)})
    with replacing(paths.table) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(text, file=terminal, flush=True)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, job.terminal, **job.params)
