"""Data of those of the study's tasks that are the harness's own, into plain files that its jobs read offline."""

import os
import tempfile

from triphase.config.jobs import FetchTasks
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start


def main(job: Job[FetchTasks]) -> None:
    """Fetch what is not there yet, and say what is there now."""
    paths, settings = job.paths, job.settings
    os.makedirs(settings.folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.folder, prefix=".hub-") as scratch:
        # Read when huggingface_hub is imported: the user's own cache is not written.
        os.environ["HF_HUB_CACHE"] = scratch
        from triphase.tasks.fetch import fetch_tasks

        manifests = fetch_tasks(settings.tasks, settings.folder)
    for task, manifest in manifests.items():
        splits = ", ".join(f"{name} {entry['items']} items" for name, entry in manifest["splits"].items())
        job.terminal.write(f"{task}: {manifest['repository']}: {splits}\n")
    if not manifests:
        job.terminal.write("all tasks of this study are local: nothing to fetch\n")
    write_json(paths.manifest, manifests)


if __name__ == "__main__":
    with start(snakemake, FetchTasks) as job:  # noqa: F821
        main(job)
