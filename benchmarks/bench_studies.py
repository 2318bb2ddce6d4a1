"""Wall time, memory and reruns of the shipped studies, each in a fresh copy of the project (`make bench-studies`).

Alice needs the files that its config names in the folder TRIPHASE_TEST_DATA, and the data set's bundle in `openneuro`
there; it is skipped where they are absent.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/helpers"))
from project import TEST_DATA, Project, job_counts  # noqa: E402
from reporting import figure, report  # noqa: E402

LIBRARIES = ["snakemake", "torch", "transformers", "himalaya", "lm_eval", "datalad"]


def measured(project, *arguments, **keywords):
    """Run snakemake; seconds, peak resident memory of all its processes (GB), and its output."""
    peak, running = 0, threading.Event()

    def watch():
        nonlocal peak
        while not running.wait(0.3):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak = max(peak, total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.monotonic()
    done = project.snakemake(*arguments, **keywords)
    seconds = time.monotonic() - begin
    running.set()
    watcher.join()
    if done.returncode:
        sys.exit(done.stdout[-5000:])
    return seconds, peak / 1e9, done.stdout


def study(name, goal, overlay=None):
    """Run one study from nothing, then again: its figures."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project = Project(Path(folder))
        keywords = {"study": None if name == "embedded" else name, "overlay": overlay}
        seconds, peak, output = measured(project, **keywords)
        again, _, second = measured(project, **keywords)
        jobs = sum(job_counts(output).values())
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)  # annexed files are write-protected
    return [
        figure(f"{name}: wall time, s", round(seconds), f"<= {goal}", seconds <= goal, jobs=jobs),
        figure(f"{name}: peak memory of all processes, GB", round(peak, 2), "<= 4", peak <= 4),
        figure(f"{name}: second run, s", round(again, 1), "<= 15", again <= 15 and "Nothing to be done" in second),
    ]


def main():
    """Measure all studies."""
    os.environ.pop("HF_HUB_CACHE", None)
    rows = study("tiny", 45) + study("embedded", 480)
    bundle = TEST_DATA.resolve() / "openneuro" / "ds002322.bundle"
    if bundle.is_file():
        rows += study("alice", 480, {"dataset": {"overrides": {"url": str(bundle)}}})
    else:
        rows.append(figure("alice: wall time, s", f"no data in {TEST_DATA}", "<= 480", None))
    return report("studies", rows, LIBRARIES)


if __name__ == "__main__":
    sys.exit(main())
