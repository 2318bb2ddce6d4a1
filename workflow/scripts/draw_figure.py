"""The figure that is asked for, drawn as the table of figures (report/figures/table.py) says."""

from importlib import import_module

from triphase.config.jobs import DrawFigure
from triphase.core.job import Job, start
from triphase.core.plugins import load_plugins
from triphase.report.figures.inputs import read_input
from triphase.report.figures.style import save


def main(job: Job[DrawFigure]) -> None:
    """Call the figure's function with its inputs and arguments, and save the figure or page that it returns."""
    load_plugins(job.plugins)  # the function, or what it draws, may be of one of them
    module, name = job.settings.function.split(":")
    arguments = job.settings.arguments
    given = {key: read_input(getattr(job.paths, key), arguments.get("model")) for key in job.settings.inputs}
    save(getattr(import_module(module), name)(**given, **arguments), *job.paths.files)


if __name__ == "__main__":
    with start(snakemake, DrawFigure) as job:  # noqa: F821
        main(job)
