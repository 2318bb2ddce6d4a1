"""The word table: every word, or annotation, of every run with its times, its place in the running text, its labels."""

from triphase.core.artefacts import read_json, write_table
from triphase.core.job import start
from triphase.sources.content import ensure_content
from triphase.sources.manifest import of_run
from triphase.stimuli.transcripts import read_transcript
from triphase.stimuli.words import build_words, check_split


def main(paths, *, words, runs, user, retrieve):
    """Read the transcripts that the manifest names and write one table."""
    manifest = read_json(paths.manifest)
    ensure_content(manifest, user=user, retrieve=retrieve)
    language, unit = words["language"], words["unit"]
    tables, seconds = {}, {}
    for run in runs:
        stimulus = run["stimulus"]
        if stimulus not in tables:
            path = of_run(manifest["files"]["words"], run)["path"]
            corrections = [entry for entry in words.get("corrections", []) if entry["stimulus"] == stimulus]
            tables[stimulus], seconds[stimulus] = read_transcript(path, words, corrections)
    table, texts, hashes = build_words(tables, runs, language, unit)
    check_split(runs, hashes)
    about = {"language": language, "unit": unit, "seconds": seconds}
    write_table(paths.words, table, texts=texts, hashes=hashes, **about, source=manifest)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, retrieve=job.retrieve)
