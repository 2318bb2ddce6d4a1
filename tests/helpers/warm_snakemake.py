"""Snakemake started from a process that has imported it, which spares more than half of a dry run.

Python's fork server imports Snakemake once; each run is a fork of it that goes into a project's folder, takes over an
environment and is from then on what `python -m snakemake` is. Nothing of the project is imported before.
"""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess

FORKS = multiprocessing.get_context("forkserver")
# With what Snakemake itself imports only when it needs it, which every run does.
FORKS.set_forkserver_preload(["snakemake.cli", "snakemake.storage", "snakemake.report.html_reporter", "smart_open"])


def run_snakemake(arguments, folder, environment):
    """Run snakemake in a folder; returns the finished process, its messages and errors as text."""
    with tempfile.NamedTemporaryFile() as output:
        process = FORKS.Process(target=_be_snakemake, args=(arguments, folder, environment, output.name))
        process.start()
        process.join()
        text = Path(output.name).read_text(errors="replace")
    return CompletedProcess(["snakemake", *arguments], process.exitcode, text)


def _be_snakemake(arguments, folder, environment, output):
    messages = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(messages, stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["snakemake", *arguments]
    # As a new Python would have it: the folder, the environment's, and what is installed.
    installed = [path for path in sys.path if "site-packages" in path or path.startswith(sys.base_prefix)]
    sys.path[:] = [str(folder), *environment["PYTHONPATH"].split(os.pathsep), *installed]

    from snakemake.cli import main

    main(arguments)
