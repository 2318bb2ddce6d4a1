"""Ask the hub what every checkpoint of the study is, say so, and write the lock that pins it."""

from triphase.checkpoints.integrity.files import hub_findings
from triphase.checkpoints.lock import make_lock, moved, weight_hashes
from triphase.checkpoints.store import GB
from triphase.config.lockfile import read_lock
from triphase.config.selection import distances
from triphase.core.artefacts import write_json
from triphase.core.job import start


def main(paths, *, study, models, lock, integrity, terminal):
    """Write the lock beside the study's config, and a copy among the results."""
    before, content = read_lock(lock), make_lock(study, models, integrity)
    for model in models:
        for line in distances(model):
            terminal.write(f"{line}\n")
        if model["name"] in content["models"]:
            locked = content["models"][model["name"]]
            there = {name: entry for name, entry in locked["checkpoints"].items() if "missing" not in entry}
            size = sum(file["bytes"] for entry in there.values() for file in entry["files"])
            terminal.write(f"{model['name']}: {len(there)} checkpoints, {size / GB:.3g} GB in all files\n")
            for name, entry in locked["checkpoints"].items():
                if name not in there:
                    terminal.write(
                        f"{model['name']}/{name}: missing: no revision {entry['revision']!r}; {entry['missing']}\n"
                    )
            # Before anything is downloaded, the hub's own hashes tell files that stand under several steps.
            for name, (verdict, detail) in hub_findings(weight_hashes(model, locked)).items():
                if verdict == "fault":
                    terminal.write(f"{model['name']}/{name}: fault: {detail}\n")
        else:
            terminal.write(f"{model['name']}: not from the hub, nothing to lock\n")
    for line in moved(before, content):
        terminal.write(f"{line}\n")
    # The lock is no output: Snakemake removes outputs before a job starts, and a failure would lose the study's pins.
    write_json(lock, content)
    write_json(paths.lock, content)
    terminal.write(f"written: {lock}\n")


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, terminal=job.terminal)
