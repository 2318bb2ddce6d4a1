"""Induction heads, attention on fixed inputs and contamination of the stimulus, with one load of the model."""

import logging

from triphase.activations.windows import longest_input
from triphase.checkpoints.loading import load_model, load_tokenizer, memory_limits
from triphase.core.artefacts import read_json, read_table, write_table
from triphase.core.devices import device_slot
from triphase.core.job import start
from triphase.core.provenance import library_versions, model_provenance
from triphase.states.mechanism.inputs import read_text, repeated_tokens, stimulus_texts, text_windows
from triphase.states.mechanism.rows import induction_rows, mechanism_table, stimulus_rows


def main(paths, *, inputs, dtype, device, seed, limits=None, retrieve=None):
    """`inputs`: sequences and length of the random tokens, prompts (windows of the stimulus and of an unseen text)."""
    manifest, words = read_json(paths.checkpoint), read_table(paths.words)
    model = load_model(manifest, dtype=dtype, device=device, max_memory=limits, retrieve=retrieve)
    tokenizer, limit = load_tokenizer(manifest), longest_input(model)
    random = repeated_tokens(tokenizer, inputs["sequences"], inputs["length"], seed, limit)
    texts = [stimulus_texts(words), *([read_text(path)] for path in paths.unseen)]
    windows = [text_windows(tokenizer, text, inputs["prompts"], limit) for text in texts]
    rows, reasons = induction_rows(model, random)
    more, others = stimulus_rows(model, windows[0], windows[1] if paths.unseen else None)
    reasons |= others
    for measure, reason in reasons.items():
        logging.warning("%s is not measured: %s", measure, reason)
    table, versions = mechanism_table(rows + more), library_versions("torch", "transformers")
    about = {"stimulus_hashes": words.attrs["hashes"], "dtype": dtype, "seed": seed, "missing": reasons}
    write_table(paths.mechanism, table, **model_provenance(manifest), **about, versions=versions)


if __name__ == "__main__":
    with start(snakemake) as job, device_slot(snakemake.resources.gpu):  # noqa: F821
        limits = memory_limits(snakemake.resources.mem_mb)  # noqa: F821
        main(job.paths, **job.params, limits=limits, retrieve=job.retrieve)
