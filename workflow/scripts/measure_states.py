"""Surprisal, geometry and linear probes of one checkpoint, layer by layer."""

from triphase.artefacts import open_arrays, read_table, write_table
from triphase.job import start
from triphase.provenance import library_versions
from triphase.states import geometry_rows, prepare_probes, probe_rows, surprisal_row, tidy_rows
from triphase.words import unique_stimuli


def main(paths, *, probes, intrinsic_dimension, seed):
    """`probes`: concepts, folds, control_draws, min_count, alphas; `intrinsic_dimension`: n (words)."""
    words = unique_stimuli(read_table(paths.words))
    options = {key: probes[key] for key in ("folds", "control_draws", "min_count")}
    prepared = prepare_probes(words, probes["concepts"], **options, seed=seed)
    with open_arrays(paths.activations) as activations:
        known = "surprisal" in activations
        rows = [surprisal_row(activations["surprisal"].to_numpy(), words)] if known else []
        for layer in activations["layer"].to_numpy().tolist():
            points = activations["activations"].sel(layer=layer).to_numpy()
            rows += geometry_rows(layer, points, intrinsic_dimension["n"], seed)
            rows += probe_rows(layer, points, prepared, probes["alphas"])
        provenance = dict(activations.attrs)
    concepts = {concept["name"]: {"classes": concept["classes"], "skipped": concept["skipped"]} for concept in prepared}
    versions = {"versions": provenance["versions"] | library_versions("numpy")}
    write_table(paths.states, tidy_rows(rows), **provenance | versions, concepts=concepts, seed=seed)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
