"""What a study will cost in hours, devices and bytes, before it starts; beside what it took, afterwards."""

from pathlib import Path

from triphase.config.jobs import PlanStudy
from triphase.config.lockfile import read_lock
from triphase.core.artefacts import read_json, read_table, write_json
from triphase.core.devices import device_memory, visible_devices
from triphase.core.job import Job, start
from triphase.core.types import Section
from triphase.planning.cost import (
    GPU_MEMORY,
    as_text,
    disk_bytes,
    model_rows,
    rule_rows,
    tokens_of,
    totals,
    words_heard,
)
from triphase.planning.records import measured_seconds, other_studies


def main(job: Job[PlanStudy]) -> None:
    """Write the plan and print it."""
    paths, settings = job.paths, job.settings
    n_words = words_heard(len(read_table(settings.words)) if Path(settings.words).is_file() else None, **settings.heard)
    length, reading = (settings.mechanism or {}).get("length", 0), settings.reading is not None
    tokens = tokens_of(n_words, settings.activations["context"], settings.tasks, length, reading)
    data: Section = read_json(paths.download[0]) if paths.download else {"disk_bytes": 0, "total": {"fetch_bytes": 0}}
    folder, memory = Path(paths.plan).parent, device_memory()
    rows = model_rows(
        settings.models,
        read_lock(settings.lock),
        tokens,
        settings.activations["dtype"],
        memory=memory,
        has_gpu=bool(visible_devices()),
    )
    size = {"parameters": max(row["size"]["parameters"] if row["size"] else 0 for row in rows), "words": n_words}
    rules = rule_rows(settings.jobs, settings.left, rows, measured_seconds(folder), other_studies(folder, size))
    plan = {
        "study": settings.study,
        "size": size,
        "rules": rules,
        "hours": totals(rules),
        "models": rows,
        "gpu_memory": memory or GPU_MEMORY,
        "download_bytes": data["total"]["fetch_bytes"],
        "disk": disk_bytes(
            rows, n_words, settings.activations["storage"], job.execution["disk_gb"], data["disk_bytes"]
        ),
    }
    write_json(paths.plan, plan)
    print(as_text(plan), file=job.terminal, flush=True)


if __name__ == "__main__":
    with start(snakemake, PlanStudy) as job:  # noqa: F821
        main(job)
