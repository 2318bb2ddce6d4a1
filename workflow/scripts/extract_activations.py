"""All layers of one checkpoint for every word, or annotation, of every stimulus, with surprisal from the same pass."""

import numpy as np
import xarray as xr

from triphase.activations.extract import Extraction, block_words, extract
from triphase.activations.tokens import least_context
from triphase.activations.windows import longest_input, plan_annotations, plan_words
from triphase.checkpoints.behaviour import text_config
from triphase.checkpoints.cache import checkpoint_label
from triphase.checkpoints.loading import devices_of, load_model, load_tokenizer, memory_limits
from triphase.config.jobs import ExtractActivations
from triphase.core.artefacts import ArraySpec, read_json, read_table, stream_arrays
from triphase.core.devices import device_slot
from triphase.core.job import Job, start
from triphase.core.provenance import library_versions, model_provenance
from triphase.core.types import Section
from triphase.stimuli.words import unique_stimuli


def main(job: Job[ExtractActivations]) -> None:
    """Read the transcripts and one checkpoint's manifest; write (layer, word, feature) while the model runs."""
    paths, settings = job.paths, job.settings
    manifest, words = read_json(paths.checkpoint), read_table(paths.words)
    labels, unit, texts = unique_stimuli(words), words.attrs["unit"], words.attrs.get("texts")
    limits = memory_limits(job.memory_mb)
    model = load_model(manifest, dtype=settings.dtype, execution=job.execution, max_memory=limits)
    tokenizer, limit = load_tokenizer(manifest), longest_input(model)
    rows = {stimulus: own for stimulus, own in labels.groupby("stimulus", sort=False)}
    if unit == "annotation":
        plan = plan_annotations(tokenizer, {name: own["word"].tolist() for name, own in rows.items()}, limit)
    else:
        spans = {name: own[["char_start", "char_end"]].to_numpy() for name, own in rows.items()}
        plan = plan_words(tokenizer, {name: (texts[name], spans[name]) for name in rows}, settings.context, limit)
    config = text_config(model)
    shape = config.num_hidden_layers + 1, len(labels), config.hidden_size
    chunks = 1, block_words(shape[1], shape[0], shape[2], np.dtype(settings.storage).itemsize), shape[2]
    beside: Section = {"context": ("word", plan.preceding, {"units": "preceding tokens"})}
    spec = ArraySpec("activations", ("layer", "word", "feature"), shape, chunks, 1, settings.storage, compressed=False)
    extraction = Extraction(settings.pool, settings.storage, job.execution["activation_batch"])
    with stream_arrays(paths.activations, spec) as stream:
        bits = extract(model, plan, stream.append, extraction, name=checkpoint_label(manifest))
        beside["surprisal"] = ("word", bits, {"units": "bits"})
        coords = {
            "layer": np.arange(shape[0]),
            "stimulus": ("word", labels["stimulus"].to_numpy(str)),
            "index": ("word", labels["index"].to_numpy()),
        }
        attributes = {
            **model_provenance(manifest),
            "stimulus_hashes": words.attrs["hashes"],
            "unit": unit,
            "context": {**settings.context, "min": least_context(settings.context)} if unit == "word" else None,
            "pool": settings.pool,
            "dtype": settings.dtype,
            "devices": devices_of(model),
            "versions": library_versions("torch", "transformers", "accelerate"),
        }
        stream.finish(xr.Dataset(beside, coords=coords, attrs=attributes))


if __name__ == "__main__":
    with start(snakemake, ExtractActivations) as job, device_slot(job.gpus):  # noqa: F821
        main(job)
