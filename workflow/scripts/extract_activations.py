"""All layers of one checkpoint for every word of every stimulus, with surprisal from the same pass."""

import numpy as np
import xarray as xr

from triphase.artefacts import read_json, read_table, write_arrays
from triphase.checkpoints import load_model, load_tokenizer
from triphase.extraction import extract_words
from triphase.job import start
from triphase.provenance import library_versions, model_provenance
from triphase.words import unique_stimuli


def main(paths, *, context, batch_size, dtype, storage, pool, device):
    """Read the transcripts and one checkpoint's manifest; write (layer, word, feature)."""
    manifest, words = read_json(paths.checkpoint), read_table(paths.words)
    model = load_model(manifest, dtype=dtype, device=device)
    tokenizer = load_tokenizer(manifest)
    hidden, surprisal, preceding, labels = [], [], [], unique_stimuli(words)
    for stimulus, rows in labels.groupby("stimulus", sort=False):
        spans = rows[["char_start", "char_end"]].to_numpy()
        text = words.attrs["texts"][stimulus]
        states, bits, context_length = extract_words(
            model, tokenizer, text, spans, context=context, batch_size=batch_size, stimulus=stimulus, pool=pool
        )
        hidden.append(states)
        surprisal.append(bits)
        preceding.append(context_length)
    activations = np.concatenate(hidden, axis=1).astype(storage)
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
            "context": dict(context),
            "pool": pool,
            "dtype": dtype,
            "versions": library_versions("torch", "transformers", "accelerate"),
        },
    )
    write_arrays(paths.activations, dataset, chunks={"activations": (1, *activations.shape[1:])})


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
