"""A job in an environment of its own has that environment's packages and no others."""

import os
import site
import sys
from pathlib import Path


def leave_snakemake_behind():
    """Take from a script's search path what Snakemake put there from the environment that it runs in itself.

    Snakemake appends all of its own path, so that a script can unpickle what it is given. What a rule's environment
    lacks would silently come from there, in whatever version. Where a script runs in Snakemake's own environment, or in
    none, as in tests, nothing is changed.
    """
    if not hasattr(sys.modules["__main__"], "__real_file__"):  # set by what Snakemake writes before a script
        return
    driver = str(Path(sys.modules["snakemake"].__file__).parents[1])
    own = [*site.getsitepackages(), site.getusersitepackages(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    if driver not in own:
        del sys.path[sys.path.index(driver) :]
        sys.path.append(str(Path(__file__).parents[1]))
