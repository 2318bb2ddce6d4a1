"""What surprisal of one checkpoint adds to a mixed model of people's reading times, reader by reader."""

from pathlib import Path

from triphase.activations.extract import Extraction, extract
from triphase.activations.windows import longest_input, plan_words
from triphase.checkpoints.cache import checkpoint_label
from triphase.checkpoints.loading import devices_of, load_model, load_tokenizer, memory_limits
from triphase.config.jobs import MeasureReading
from triphase.core.artefacts import read_json, write_table
from triphase.core.devices import device_slot
from triphase.core.job import Job, start
from triphase.core.provenance import library_versions, model_provenance
from triphase.stimuli.words import running_text
from triphase.tasks.reading_times import power_of, read_readings


def main(job: Job[MeasureReading]) -> None:
    """Read the stories with the model, each from its beginning; fit the reading times with surprisal and without."""
    paths, settings = job.paths, job.settings
    manifest, (stories, _, *frequencies) = read_json(paths.checkpoint), paths.readings
    readings = read_readings(Path(stories).parent, frequencies[0] if frequencies else None)
    texts = {
        str(item): running_text(list(words["word"]), settings.language)
        for item, words in readings.words.groupby("item", sort=False)
    }
    model = load_model(manifest, dtype=settings.dtype, execution=job.execution, max_memory=memory_limits(job.memory_mb))
    plan = plan_words(load_tokenizer(manifest), texts, settings.context, longest_input(model))
    extraction = Extraction("last", "float32", job.execution["activation_batch"])
    bits = extract(model, plan, lambda block: None, extraction, name=checkpoint_label(manifest))
    assert bits is not None  # surprisal was asked for
    about = {
        "name": settings.name,
        "left_out": readings.left_out,
        "frequencies": readings.frequencies,
        "bits_per_word": float(bits.mean()),
        "dtype": settings.dtype,
        "devices": devices_of(model),
        "versions": library_versions("torch", "transformers", "numpy", "scipy"),
    }
    write_table(paths.reading, power_of(readings, bits), **model_provenance(manifest), **about)


if __name__ == "__main__":
    with start(snakemake, MeasureReading) as job, device_slot(job.gpus):  # noqa: F821
        main(job)
