"""Similarity (debiased linear CKA) of every layer of one checkpoint to the same layer of a reference checkpoint."""

from triphase.core.artefacts import open_arrays, write_table
from triphase.core.job import start
from triphase.states.rows import check_same_words, drawn_words, similarity_rows, tidy_rows


def main(paths, *, roles, words, seed):
    """`roles`: what the reference is to the checkpoint: first, previous, last, or several; `words`: how many."""
    rows = []
    with open_arrays(paths.activations) as ours, open_arrays(paths.reference) as theirs:
        check_same_words(ours, theirs)
        chosen = drawn_words(ours.sizes["word"], words, seed)
        for layer in ours["layer"].to_numpy().tolist():
            points, reference = (data["activations"].sel(layer=layer).to_numpy()[chosen] for data in (ours, theirs))
            rows += similarity_rows(layer, points, reference, roles)
        write_table(paths.similarity, tidy_rows(rows), **ours.attrs, reference=dict(theirs.attrs))


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
