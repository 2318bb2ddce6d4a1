"""The study's methods as text for a paper, with the references that it cites."""

from triphase.config.jobs import WriteMethods
from triphase.core.artefacts import read_json, read_table, replacing
from triphase.core.job import Job, start
from triphase.report.pages.methods import Methods, methods


def main(job: Job[WriteMethods]) -> None:
    """Write both files."""
    paths, settings = job.paths, vars(job.settings)
    sections = ("responses", "activations", "encoding", "states", "tasks")
    source = Methods(
        study=settings["study"],
        seed=settings["seed"],
        config={name: settings[name] for name in sections},
        models=settings["models"],
        description=read_json(paths.description),
        table=read_table(paths.trajectories),
        phases=read_json(paths.phases),
    )
    for path, text in zip((paths.text, paths.references), methods(source), strict=True):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with start(snakemake, WriteMethods) as job:  # noqa: F821
        main(job)
