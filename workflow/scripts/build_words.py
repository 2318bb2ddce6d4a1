"""The word table: every word, or annotation, of every run with its times, its place in the running text, its labels."""

from triphase.config.jobs import BuildWords
from triphase.core.artefacts import read_json, write_table
from triphase.core.job import Job, start
from triphase.sources.content import ensure_content
from triphase.sources.manifest import of_run
from triphase.stimuli.transcripts import read_transcript
from triphase.stimuli.words import build_words, check_split, same_stories


def main(job: Job[BuildWords]) -> None:
    """Read the transcripts that the manifest names and write one table."""
    paths, settings = job.paths, job.settings
    manifest = read_json(paths.manifest)
    ensure_content(manifest, user=f"{settings.study}/stimuli", execution=job.execution)
    language, unit = settings.words["language"], settings.words["unit"]
    tables, seconds, non_words = {}, {}, {}
    for run in settings.runs:
        stimulus = run["stimulus"]
        if stimulus not in tables:
            path = of_run(manifest["files"]["words"], run)["path"]
            corrections = [entry for entry in settings.words.get("corrections", []) if entry["stimulus"] == stimulus]
            about = {**settings.words, "corrections": corrections, "stimulus": stimulus}
            tables[stimulus], seconds[stimulus] = read_transcript(path, about)
            non_words[stimulus] = tables[stimulus].attrs["non_words"]
    table, texts, hashes = build_words(tables, settings.runs, language, unit)
    stories = same_stories(texts)
    check_split(settings.runs, stories)
    written = {"stories": stories, "language": language, "unit": unit, "seconds": seconds, "non_words": non_words}
    write_table(paths.words, table, texts=texts, hashes=hashes, **written, source=manifest)


if __name__ == "__main__":
    with start(snakemake, BuildWords) as job:  # noqa: F821
        main(job)
