"""Surprisal, geometry and linear probes of one checkpoint, layer by layer, and similarity between its layers."""

from triphase.config.jobs import MeasureStates
from triphase.core.artefacts import open_arrays, read_table, write_table
from triphase.core.job import Job, start
from triphase.core.measures import STATES, added, measure_table
from triphase.core.provenance import library_versions
from triphase.states.layer import Layer
from triphase.states.measures import STATE_MEASURES, layer_rows
from triphase.states.probes import plan_probes
from triphase.states.rows import drawn_words, probe_metadata, surprisal_row
from triphase.states.similarity import Cloud
from triphase.stimuli.words import unique_stimuli


def main(job: Job[MeasureStates]) -> None:
    """Read one layer after the other and write the rows of all."""
    paths, settings = job.paths, job.settings
    words = unique_stimuli(read_table(paths.words))
    plan = plan_probes(words, settings.probes, settings.seed)
    drawn = drawn_words(len(words), settings.words, settings.seed)
    below: dict[int, Cloud] = {}
    with open_arrays(paths.activations) as activations:
        rows = [surprisal_row(activations["surprisal"].to_numpy(), words)]
        for number in activations["layer"].to_numpy().tolist():
            states = activations["activations"].sel(layer=number).to_numpy()
            layer = Layer(number, states, words, drawn, below, plan, settings.probes["classifier"])
            rows += layer_rows(layer, STATE_MEASURES | added(STATES))
            below = below | {number: layer.cloud}
        provenance = dict(activations.attrs)
    versions = {"versions": provenance["versions"] | library_versions("numpy")}
    about = {"concepts": probe_metadata(plan), "seed": settings.seed}
    write_table(paths.states, measure_table(rows), **provenance | versions, **about)


if __name__ == "__main__":
    with start(snakemake, MeasureStates) as job:  # noqa: F821
        main(job)
