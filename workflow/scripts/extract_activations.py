"""All layers of one checkpoint for every word, or annotation, of every stimulus, with surprisal from the same pass."""

import numpy as np
import xarray as xr

from triphase.artefacts import read_json, read_table, write_arrays
from triphase.checkpoints import load_model, load_tokenizer
from triphase.extraction import extract_annotations, extract_words
from triphase.job import start
from triphase.provenance import library_versions, model_provenance
from triphase.words import unique_stimuli


def main(paths, *, context, batch_size, dtype, storage, pool, device, retrieve=None):
    """Read the transcripts and one checkpoint's manifest; write (layer, word, feature)."""
    manifest, words = read_json(paths.checkpoint), read_table(paths.words)
    model = load_model(manifest, dtype=dtype, device=device, retrieve=retrieve)
    tokenizer = load_tokenizer(manifest)
    hidden, surprisal, preceding, labels = [], [], [], unique_stimuli(words)
    unit, options = words.attrs["unit"], {"batch_size": batch_size, "pool": pool}
    for stimulus, rows in labels.groupby("stimulus", sort=False):
        if unit == "annotation":
            found = extract_annotations(model, tokenizer, rows["word"].tolist(), stimulus=stimulus, **options)
        else:
            text, spans = words.attrs["texts"][stimulus], rows[["char_start", "char_end"]].to_numpy()
            found = extract_words(model, tokenizer, text, spans, context=context, stimulus=stimulus, **options)
        states, bits, context_length = found
        hidden.append(states.astype(storage))
        surprisal.append(bits)
        preceding.append(context_length)
    activations = np.concatenate(hidden, axis=1)
    dataset = xr.Dataset(
        {
            "activations": (("layer", "word", "feature"), activations),
            "surprisal": ("word", np.concatenate(surprisal), {"units": "bits"}),
            "context": ("word", np.concatenate(preceding), {"units": "preceding tokens"}),
        },
        coords={
            "layer": np.arange(len(activations)),
            "stimulus": ("word", labels["stimulus"].to_numpy(str)),
            "index": ("word", labels["index"].to_numpy()),
        },
        attrs={
            **model_provenance(manifest),
            "stimulus_hashes": words.attrs["hashes"],
            "unit": unit,
            "context": dict(context) if unit == "word" else None,
            "pool": pool,
            "dtype": dtype,
            "versions": library_versions("torch", "transformers", "accelerate"),
        },
    )
    write_arrays(paths.activations, dataset, chunks={"activations": (1, *activations.shape[1:])})


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, retrieve=job.retrieve)
