"""What a synthesis found, on one page with its figure, and as Markdown."""

from triphase.config.jobs import WriteSynthesis
from triphase.core.artefacts import read_json, replacing
from triphase.core.job import Job, start
from triphase.report.pages.blocks import Picture, to_html, to_markdown
from triphase.synthesis.page import synthesis_page


def main(job: Job[WriteSynthesis]) -> None:
    """Write the page twice."""
    paths, caption = job.paths, job.settings.caption
    blocks = synthesis_page(read_json(paths.joined))
    start_of_page, rest = blocks[:4], blocks[4:]
    pages = {
        paths.page: to_html([*start_of_page, Picture(paths.picture, caption), *rest], alone=True),
        paths.markdown: to_markdown(blocks),
    }
    for path, text in pages.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with start(snakemake, WriteSynthesis) as job:  # noqa: F821
        main(job)
