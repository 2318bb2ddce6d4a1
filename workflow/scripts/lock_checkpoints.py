"""Ask the hub what every checkpoint of the study is, say so, and write the lock that pins it."""

from triphase.artefacts import write_json
from triphase.job import start
from triphase.locks import make_lock
from triphase.selection import distances
from triphase.store import GB


def main(paths, *, study, models, lock, terminal):
    """Write the lock beside the study's config, and a copy among the results."""
    content = make_lock(study, models)
    for model in models:
        for line in distances(model):
            terminal.write(f"{line}\n")
        if model["name"] in content["models"]:
            checkpoints = content["models"][model["name"]]["checkpoints"].values()
            size = sum(file["bytes"] for entry in checkpoints for file in entry["files"])
            terminal.write(f"{model['name']}: {len(checkpoints)} checkpoints, {size / GB:.3g} GB with all files\n")
        else:
            terminal.write(f"{model['name']}: not from the hub, nothing to lock\n")
    # The lock is no output: Snakemake removes outputs before a job starts, and a failure would lose the study's pins.
    write_json(lock, content)
    write_json(paths.lock, content)
    terminal.write(f"written: {lock}\n")


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params, terminal=job.terminal)
