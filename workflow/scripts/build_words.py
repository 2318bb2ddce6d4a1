"""The word table: every word of every run with its times, its place in the running text, and its labels."""

from triphase.artefacts import read_json, write_table
from triphase.datasets import of_run
from triphase.job import start
from triphase.words import build_words, check_split, read_words


def main(paths, *, words, runs, language):
    """Read the transcripts that the manifest names and write one table."""
    manifest = read_json(paths.manifest)
    tables = {}
    for run in runs:
        if run["stimulus"] not in tables:
            corrections = [c for c in words.get("corrections", []) if c["stimulus"] == run["stimulus"]]
            tables[run["stimulus"]] = read_words(
                of_run(manifest["files"]["words"], run)["path"],
                words["columns"],
                words.get("labels", []),
                corrections=corrections,
                joined=words.get("joined", []),
            )
    table, texts, hashes = build_words(tables, runs, language)
    check_split(runs, hashes)
    write_table(paths.words, table, texts=texts, hashes=hashes, language=language, source=manifest)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
