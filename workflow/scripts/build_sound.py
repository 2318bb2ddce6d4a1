"""The envelope of every stimulus' sound, in frames of 10 ms on the words' clock."""

import pandas as pd

from triphase.config.jobs import BuildSound
from triphase.core.artefacts import read_json, read_table, write_table
from triphase.core.job import Job, start
from triphase.sources.content import ensure_content
from triphase.sources.manifest import of_run
from triphase.stimuli.checks import check_sound
from triphase.stimuli.sound import FRAME_SECONDS, read_envelope


def main(job: Job[BuildSound]) -> None:
    """Read the sounds that the manifest names and write one table: stimulus, time_s, envelope."""
    paths, settings = job.paths, job.settings
    manifest = read_json(paths.manifest)
    ensure_content(manifest, user=f"{settings.study}/stimuli", execution=job.execution)
    files = {run["stimulus"]: of_run(manifest["files"]["audio"], run)["path"] for run in settings.runs}
    parts = [read_envelope(path).assign(stimulus=stimulus) for stimulus, path in files.items()]
    words = read_table(paths.words)
    for path, part, stimulus in zip(files.values(), parts, files, strict=True):
        check_sound(words[words["stimulus"] == stimulus], path, float(part["time_s"].iloc[-1]), settings.margin)
    table = pd.concat(parts, ignore_index=True)[["stimulus", "time_s", "envelope"]]
    write_table(paths.sound, table, frame_s=FRAME_SECONDS, source=manifest)


if __name__ == "__main__":
    with start(snakemake, BuildSound) as job:  # noqa: F821
        main(job)
