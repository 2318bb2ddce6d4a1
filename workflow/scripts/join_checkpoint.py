"""One checkpoint's tidy file: everything that this checkpoint alone determines, from all three perspectives."""

from triphase.checkpoints.cache import release_checkpoint
from triphase.config.jobs import JoinCheckpoint
from triphase.core.artefacts import read_arrays, read_json, read_table, write_table
from triphase.core.job import Job, start
from triphase.core.provenance import model_provenance
from triphase.table.tidy import encoding_rows, tidy
from triphase.tasks.measures import summarise
from triphase.tasks.reading_times import reading_rows


def main(job: Job[JoinCheckpoint]) -> None:
    """Join encoding, states and tasks; then the weights have served, and go where the disk has a budget."""
    paths, settings = job.paths, job.settings
    fits = [read_arrays(path) for path in paths.encoding]
    ceiling = read_table(paths.ceiling)
    frames = [encoding_rows(fit, settings.rois, ceiling) for fit in fits]
    states, mechanism = read_table(paths.states), [read_table(path) for path in paths.mechanism]
    tasks = [read_table(path) for path in paths.tasks]
    reading = [reading_rows(read_table(path)) for path in paths.reading]
    frames += [states, *mechanism, *reading, *(summarise(items, settings.adherence) for items in tasks)]
    keys = {
        "study": settings.study,
        "model": job.wildcards.model,
        "checkpoint": job.wildcards.checkpoint,
        "step": settings.entry["step"],
        "tokens": settings.entry["tokens"],
    }
    sources = {key: fits[0].attrs[key] for key in ("dataset", "dataset_commit", "stimulus_hashes", "versions")}
    manifest = read_json(paths.checkpoint)
    # Why measures have no value.
    missing = {
        "tasks": {name: reason for table in tasks for name, reason in table.attrs["missing"].items()},
        "concepts": {name: about["reason"] for name, about in states.attrs["concepts"].items() if about["reason"]},
        "mechanism": {measure: reason for table in mechanism for measure, reason in table.attrs["missing"].items()},
    }
    write_table(paths.table, tidy(frames, **keys), **model_provenance(manifest), **sources, missing=missing)
    if job.execution["disk_gb"] is not None:
        release_checkpoint(manifest)


if __name__ == "__main__":
    with start(snakemake, JoinCheckpoint) as job:  # noqa: F821
        main(job)
