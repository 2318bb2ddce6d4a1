"""Ask the hub what every checkpoint of the study is, say so, and write the lock that pins it."""

from triphase.checkpoints.integrity.files import hub_findings
from triphase.checkpoints.pinning import filled, lent, make_lock, moved, renamed, replaced, weight_hashes
from triphase.config.jobs import LockCheckpoints
from triphase.config.lockfile import apply_lock, read_lock
from triphase.config.selection import distances, thin_lines
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start
from triphase.core.units import GB


def main(job: Job[LockCheckpoints]) -> None:
    """Write the lock beside the study's config, and a copy among the results."""
    paths, settings = job.paths, job.settings
    models = filled(settings.models)
    before, content = read_lock(settings.lock), make_lock(settings.study, models, settings.integrity)
    for model, asked in zip(models, settings.models, strict=True):
        for line in replaced(model, asked):
            job.terminal.write(f"{line}\n")
        for line in distances(model):
            job.terminal.write(f"{line}\n")
        if model["name"] in content["models"]:
            locked = content["models"][model["name"]]
            there = {name: entry for name, entry in locked["checkpoints"].items() if "missing" not in entry}
            size = sum(file["bytes"] for entry in there.values() for file in entry["files"])
            job.terminal.write(f"{model['name']}: {len(there)} checkpoints, {size / GB:.3g} GB in all files\n")
            for name, entry in locked["checkpoints"].items():
                if name not in there:
                    job.terminal.write(f"{model['name']}/{name}: missing: {entry['missing']}\n")
            for line in renamed(model, locked) + lent(model, locked):
                job.terminal.write(f"{line}\n")
            # Before anything is downloaded, the hub's own hashes tell files that stand under several steps.
            for name, (verdict, detail) in hub_findings(weight_hashes(model, locked)).items():
                if verdict == "fault":
                    job.terminal.write(f"{model['name']}/{name}: fault: {detail}\n")
        else:
            job.terminal.write(f"{model['name']}: not from the hub, nothing to lock\n")
    for line in [*moved(before, content), *thin_lines(apply_lock(models, content, settings.integrity))]:
        job.terminal.write(f"{line}\n")
    # The lock is no output: Snakemake removes outputs before a job starts, and a failure would lose the study's pins.
    write_json(settings.lock, content, seal=False)
    write_json(paths.lock, content)
    job.terminal.write(f"written: {settings.lock}\n")


if __name__ == "__main__":
    with start(snakemake, LockCheckpoints) as job:  # noqa: F821
        main(job)
