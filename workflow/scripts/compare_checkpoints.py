"""Similarity (debiased linear CKA) of every layer of one checkpoint to the same layer of a reference checkpoint."""

from triphase.artefacts import open_arrays, write_table
from triphase.job import start
from triphase.states import check_same_words, similarity_rows, tidy_rows


def main(paths, *, roles):
    """`roles`: what the reference is to the checkpoint: first, previous, last, or several of these."""
    rows = []
    with open_arrays(paths.activations) as ours, open_arrays(paths.reference) as theirs:
        check_same_words(ours, theirs)
        for layer in ours["layer"].to_numpy().tolist():
            points, reference = (data["activations"].sel(layer=layer).to_numpy() for data in (ours, theirs))
            rows += similarity_rows(layer, points, reference, roles)
        write_table(paths.similarity, tidy_rows(rows), **ours.attrs, reference=dict(theirs.attrs))


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
