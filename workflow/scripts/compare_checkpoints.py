"""Similarity (debiased linear CKA) of every layer of one checkpoint to the same layer of a reference checkpoint."""

from triphase.config.jobs import CompareCheckpoints
from triphase.core.artefacts import open_arrays, write_table
from triphase.core.job import Job, start
from triphase.core.measures import measure_table
from triphase.states.rows import check_same_words, drawn_words, similarity_rows


def main(job: Job[CompareCheckpoints]) -> None:
    """Compare layer by layer, on the same words of both."""
    paths, settings = job.paths, job.settings
    rows = []
    with open_arrays(paths.activations) as ours, open_arrays(paths.reference) as theirs:
        check_same_words(ours, theirs)
        chosen = drawn_words(ours.sizes["word"], settings.words, settings.seed)
        for layer in ours["layer"].to_numpy().tolist():
            points, reference = (data["activations"].sel(layer=layer).to_numpy()[chosen] for data in (ours, theirs))
            rows += similarity_rows(layer, points, reference, settings.roles)
        write_table(paths.similarity, measure_table(rows), **ours.attrs, reference=dict(theirs.attrs))


if __name__ == "__main__":
    with start(snakemake, CompareCheckpoints) as job:  # noqa: F821
        main(job)
