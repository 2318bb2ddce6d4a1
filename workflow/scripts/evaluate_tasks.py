"""Answers of one checkpoint to every item of every task, with one load of the model."""

from triphase.checkpoints.loading import load_model, load_tokenizer, memory_limits
from triphase.core.artefacts import read_json, write_table
from triphase.core.devices import device_slot
from triphase.core.job import start
from triphase.core.provenance import library_versions, model_provenance
from triphase.tasks.documents import load_tasks
from triphase.tasks.harness import evaluate


def main(paths, *, jobs, batch_size, device, seed, limits=None, retrieve=None):
    """`jobs`: from `triphase.tasks.plan.plan`. Tasks are read before the model, so that bad ones fail at once."""
    manifest = read_json(paths.checkpoint)
    tasks = load_tasks(jobs, seed)
    model = load_model(manifest, dtype="float32", device=device, max_memory=limits, retrieve=retrieve)
    items, metadata = evaluate(jobs, tasks, model, load_tokenizer(manifest), batch_size=batch_size, seed=seed)
    versions = library_versions("lm_eval", "torch", "transformers")
    write_table(paths.tasks, items, **metadata, **model_provenance(manifest), versions=versions)


if __name__ == "__main__":
    with start(snakemake) as job, device_slot(snakemake.resources.gpu):  # noqa: F821
        limits = memory_limits(snakemake.resources.mem_mb)  # noqa: F821
        main(job.paths, **job.params, limits=limits, retrieve=job.retrieve)
