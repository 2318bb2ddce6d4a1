"""Power of a study for falls and lags of several sizes, as a table for the terminal."""

from triphase.config.jobs import PrintPower
from triphase.core.artefacts import read_table, replacing
from triphase.core.job import Job, start
from triphase.phases.power import as_text


def main(job: Job[PrintPower]) -> None:
    """Write the table and print it."""
    paths, settings = job.paths, job.settings
    text = as_text({model: read_table(path) for model, path in zip(settings.models, paths.power, strict=True)})
    with replacing(paths.table) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(text, file=job.terminal, flush=True)


if __name__ == "__main__":
    with start(snakemake, PrintPower) as job:  # noqa: F821
        main(job)
