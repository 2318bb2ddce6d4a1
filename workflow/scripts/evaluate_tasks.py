"""Answers of one checkpoint to every item of every task, with one load of the model."""

from triphase.checkpoints.loading import devices_of, load_model, load_tokenizer, memory_limits
from triphase.config.jobs import EvaluateTasks
from triphase.core.artefacts import read_json, write_table
from triphase.core.devices import device_slot
from triphase.core.job import Job, start
from triphase.core.provenance import library_versions, model_provenance
from triphase.tasks.documents import load_tasks
from triphase.tasks.harness import evaluate


def main(job: Job[EvaluateTasks]) -> None:
    """Read the tasks before the model, so that bad ones fail at once."""
    paths, settings = job.paths, job.settings
    manifest = read_json(paths.checkpoint)
    tasks = load_tasks(settings.jobs, settings.seed)
    limits = memory_limits(job.memory_mb)
    model = load_model(manifest, execution=job.execution, max_memory=limits)
    tokenizer, batch = load_tokenizer(manifest), job.execution["task_batch"]
    ways = {"batch_size": batch, "seed": settings.seed, "chat_template": settings.chat_template}
    items, metadata = evaluate(settings.jobs, tasks, model, tokenizer, **ways)
    # It does not rule what is generated, but comes with some revisions and not with others.
    beside = manifest["files"].get("generation_config.json", {}).get("sha256", "")
    metadata |= {"devices": devices_of(model), "generation_config_hash": beside}
    versions = library_versions("lm_eval", "torch", "transformers")
    write_table(paths.tasks, items, **metadata, **model_provenance(manifest), versions=versions)


if __name__ == "__main__":
    with start(snakemake, EvaluateTasks) as job, device_slot(job.gpus):  # noqa: F821
        main(job)
