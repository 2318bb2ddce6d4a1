"""A job's process: it has its own environment's packages alone, imports quickly, and ends quietly at Ctrl-C."""

import gc
import os
import signal
import site
import sys
from pathlib import Path
from typing import Any, NoReturn

INTERRUPTED = 128 + signal.SIGINT


def prepare_job() -> None:
    """Prepare the process of a script that Snakemake started; do nothing in any other, such as a user's own."""
    if not hasattr(sys.modules["__main__"], "__real_file__"):  # set by what Snakemake writes before a script
        return
    leave_snakemake_behind()
    signal.signal(signal.SIGINT, interrupt)
    # Imports leave millions of objects that stay; looking for cycles among them takes a seventh of a small job.
    gc.set_threshold(50_000)


def interrupt(*_: Any) -> NoReturn:
    """End the process as Ctrl-C asks: what it holds is cleaned up, and no library prints where it was just then."""
    raise SystemExit(INTERRUPTED)


def leave_snakemake_behind() -> None:
    """Remove from a script's search path what Snakemake put there from its own environment.

    Snakemake appends all of its own path, so that a script can unpickle what it is given. What a rule's environment
    lacks would silently come from there, in whatever version. Where a script runs in Snakemake's own environment,
    nothing is changed.
    """
    driver = str(Path(str(sys.modules["snakemake"].__file__)).parents[1])
    own = [*site.getsitepackages(), site.getusersitepackages(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    if driver not in own:
        del sys.path[sys.path.index(driver) :]
        sys.path.append(str(Path(__file__).parents[2]))
