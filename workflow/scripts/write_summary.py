"""The findings of the study on one page, as Markdown and as a page of the report, and its tables on another page."""

from triphase.config.jobs import WriteSummary
from triphase.core.artefacts import read_arrays, read_json, read_table, replacing
from triphase.core.job import Job, start
from triphase.report.pages.blocks import to_html, to_markdown
from triphase.report.pages.findings import summary
from triphase.report.pages.sources import Sources
from triphase.report.pages.tables import tables


def main(job: Job[WriteSummary]) -> None:
    """Gather what the study has found and write it three times."""
    paths, settings = job.paths, job.settings
    sources = Sources(
        study=settings.study,
        dataset=read_json(paths.description)["dataset"],
        table=read_table(paths.trajectories),
        boot=read_arrays(paths.bootstrap),
        phases=read_json(paths.phases),
        power=dict(zip(settings.models, map(read_table, paths.power), strict=True)),
        specifications=dict(zip(settings.models, map(read_table, paths.specifications), strict=True)),
        across=read_json(paths.across),
        integrity=read_table(paths.integrity),
        ceilings=read_table(paths.ceilings),
    )
    blocks = summary(sources)
    for path, text in (
        (paths.markdown, to_markdown(blocks)),
        (paths.page, to_html(blocks)),
        (paths.tables, to_html(tables(sources))),
    ):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with start(snakemake, WriteSummary) as job:  # noqa: F821
        main(job)
