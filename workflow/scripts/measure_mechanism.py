"""Induction heads, attention on fixed inputs and contamination of the stimulus, with one load of the model."""

import logging

from triphase.activations.windows import longest_input
from triphase.checkpoints.behaviour import check_ids
from triphase.checkpoints.cache import checkpoint_label
from triphase.checkpoints.loading import devices_of, load_model, load_tokenizer, memory_limits
from triphase.config.jobs import MeasureMechanism
from triphase.core.artefacts import read_json, read_table, write_table
from triphase.core.devices import device_slot
from triphase.core.job import Job, start
from triphase.core.measures import measure_table
from triphase.core.provenance import library_versions, model_provenance
from triphase.states.mechanism.inputs import (
    SEQUENCES,
    WINDOWS,
    read_text,
    repeated_tokens,
    stimulus_texts,
    text_windows,
)
from triphase.states.mechanism.rows import induction_rows, stimulus_rows


def main(job: Job[MeasureMechanism]) -> None:
    """Run the model on repeated random tokens, on windows of the stimulus and on those of an unseen text."""
    paths, settings = job.paths, job.settings
    manifest, words = read_json(paths.checkpoint), read_table(paths.words)
    limits = memory_limits(job.memory_mb)
    model = load_model(manifest, dtype=settings.dtype, execution=job.execution, max_memory=limits)
    tokenizer, limit = load_tokenizer(manifest), longest_input(model)
    rows_of_embedding = len(model.get_input_embeddings().weight)
    random = repeated_tokens(tokenizer, SEQUENCES, settings.length, settings.seed, limit, rows_of_embedding)
    texts = [stimulus_texts(words), *([read_text(path)] for path in paths.unseen)]
    windows = [text_windows(tokenizer, text, WINDOWS, limit) for text in texts]
    for own in windows:
        check_ids(own, model, checkpoint_label(manifest))
    rows, reasons = induction_rows(model, random)
    more, others = stimulus_rows(model, windows[0], windows[1] if paths.unseen else None)
    reasons |= others
    for measure, reason in reasons.items():
        logging.warning("%s is not measured: %s", measure, reason)
    table, versions = measure_table(rows + more), library_versions("torch", "transformers")
    about = {
        "stimulus_hashes": words.attrs["hashes"],
        "dtype": settings.dtype,
        "devices": devices_of(model),
        "seed": settings.seed,
        "missing": reasons,
    }
    write_table(paths.mechanism, table, **model_provenance(manifest), **about, versions=versions)


if __name__ == "__main__":
    with start(snakemake, MeasureMechanism) as job, device_slot(job.gpus):  # noqa: F821
        main(job)
