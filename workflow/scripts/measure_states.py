"""Surprisal, geometry and linear probes of one checkpoint, layer by layer, and similarity between its layers."""

from triphase.config.jobs import MeasureStates
from triphase.core.artefacts import open_arrays, read_table, write_table
from triphase.core.job import Job, start
from triphase.core.provenance import library_versions
from triphase.states.probes import plan_probes
from triphase.states.rows import (
    dimension_rows,
    drawn_words,
    geometry_rows,
    layer_similarity_rows,
    probe_metadata,
    probe_rows,
    surprisal_row,
    tidy_rows,
)
from triphase.states.similarity import cloud
from triphase.stimuli.words import unique_stimuli


def main(job: Job[MeasureStates]) -> None:
    """Read one layer after the other and write the rows of all."""
    paths, settings = job.paths, job.settings
    words = unique_stimuli(read_table(paths.words))
    plan = plan_probes(words, settings.probes, settings.seed)
    drawn = drawn_words(len(words), settings.words, settings.seed)
    clouds = {}
    with open_arrays(paths.activations) as activations:
        rows = [surprisal_row(activations["surprisal"].to_numpy(), words)]
        for layer in activations["layer"].to_numpy().tolist():
            points = activations["activations"].sel(layer=layer).to_numpy()
            rows += dimension_rows(layer, points[drawn])
            rows += geometry_rows(layer, points)
            rows += probe_rows(layer, points, plan, settings.probes["classifier"])
            clouds[layer] = cloud(points[drawn])
        provenance = dict(activations.attrs)
    rows += layer_similarity_rows(clouds)
    versions = {"versions": provenance["versions"] | library_versions("numpy")}
    write_table(
        paths.states, tidy_rows(rows), **provenance | versions, concepts=probe_metadata(plan), seed=settings.seed
    )


if __name__ == "__main__":
    with start(snakemake, MeasureStates) as job:  # noqa: F821
        main(job)
